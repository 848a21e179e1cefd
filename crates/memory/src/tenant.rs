//! Tenants: whose bytes they are.

use std::fmt;
use std::sync::Arc;

use crate::Class;
use crate::account::Account;
use crate::credit::Credit;
use crate::sync::{AtomicU64, SeqCst};

/// A handle of a tenant of one governor; a clone costs a count.
#[derive(Clone)]
pub struct Tenant(pub(crate) Option<Arc<TenantAccount>>);

/// The name of the tenant that owns what no other does.
pub(crate) const SYSTEM: &str = "system";

/// A tenant's name and its bytes, in all and by class.
#[derive(Debug)]
pub(crate) struct TenantAccount {
    pub(crate) name: Arc<str>,
    pub(crate) total: Account,
    pub(crate) by_class: [AtomicU64; Class::COUNT],
    pub(crate) credit: Credit,
}

impl TenantAccount {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            total: Account::new(u64::MAX),
            by_class: [const { AtomicU64::new(0) }; Class::COUNT],
            credit: Credit::default(),
        }
    }
}

impl Tenant {
    /// The tenant of every governor that owns what no other does.
    pub const fn system() -> Self {
        Self(None)
    }

    /// The name that it was asked for under.
    pub fn name(&self) -> &str {
        self.0.as_ref().map_or(SYSTEM, |account| &account.name)
    }

    /// Bytes that it holds in caches; the system's are not told.
    pub fn cached_bytes(&self) -> u64 {
        let Some(account) = &self.0 else { return 0 };
        let caches = Class::ALL.into_iter().filter(|class| class.is_cache());
        caches.map(|class| account.by_class[class.index()].load(SeqCst)).sum()
    }
}

impl PartialEq for Tenant {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Eq for Tenant {}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tenant").field(&self.name()).finish()
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
