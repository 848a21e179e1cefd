//! Who holds the bytes.

use std::sync::Arc;

use super::Books;
use crate::Class;
use crate::error::{Holder, Scope};
use crate::sync::SeqCst;

/// How many holders a refusal names.
const HOLDERS_MAX: usize = 5;

impl Books {
    /// Who holds most within `scope`, largest first, then by class and name.
    pub(crate) fn holders(&self, scope: &Scope) -> Vec<Holder> {
        self.holders_of(|class, tenant| match scope {
            Scope::Root => true,
            Scope::Caches => class.is_cache(),
            Scope::Class(only) => *only == class,
            Scope::Operation { .. } => matches!(class, Class::Operations | Class::Builds),
            Scope::Tenant(name) => **name == *tenant,
        })
    }

    /// Who holds most of what is `within`, largest first, then by class and name.
    pub(crate) fn holders_of(&self, within: impl Fn(Class, &str) -> bool) -> Vec<Holder> {
        let mut holders = self.all_holders(within);
        holders.truncate(HOLDERS_MAX);
        holders
    }

    /// Everyone who holds some of what is `within`, largest first, then by class and name.
    pub(crate) fn all_holders(&self, within: impl Fn(Class, &str) -> bool) -> Vec<Holder> {
        let mut holders = Vec::new();
        for account in self.accounts() {
            for class in Class::ALL {
                let bytes = account.by_class[class.index()].load(SeqCst);
                if bytes > 0 && within(class, &account.name) {
                    let tenant = Arc::clone(&account.name);
                    holders.push(Holder { class, tenant, bytes });
                }
            }
        }
        holders.sort_by(|a, b| {
            let by_bytes = b.bytes.cmp(&a.bytes);
            by_bytes.then_with(|| (a.class, &a.tenant).cmp(&(b.class, &b.tenant)))
        });
        holders
    }
}
