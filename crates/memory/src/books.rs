//! Charging root, class and tenant together, all or nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::account::{Account, Refusal, add, subtract};
use crate::error::{Holder, MemoryError, Result, Scope};
use crate::tenant::{SYSTEM, TenantAccount};
use crate::{Class, Limits, Tenant};

/// How many holders a refusal names.
const HOLDERS_MAX: usize = 5;

/// The tree of accounts.
#[derive(Debug)]
pub(crate) struct Books {
    /// Bounded by the root's limit less the base.
    pub(crate) root: Account,
    pub(crate) drift: AtomicU64,
    pub(crate) classes: [Account; Class::COUNT],
    system: Arc<TenantAccount>,
    /// Tenants that were asked for, without the system's.
    tenants: Mutex<BTreeMap<Arc<str>, Arc<TenantAccount>>>,
    /// The bounds in force; held while they or a tenant's change.
    limits: Mutex<Limits>,
}

impl Books {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            root: Account::new(limits.root.saturating_sub(limits.base)),
            drift: AtomicU64::new(0),
            classes: limits.classes.map(Account::new),
            system: Arc::new(TenantAccount::new(SYSTEM)),
            tenants: Mutex::new(BTreeMap::new()),
            limits: Mutex::new(*limits),
        }
    }

    /// The tenant of that name. Forgets tenants that hold nothing, have no limit of their own
    /// and are known to nobody else.
    pub(crate) fn tenant(&self, name: &str) -> Tenant {
        if name == SYSTEM {
            return Tenant::system();
        }
        let mut tenants = lock(&self.tenants);
        if let Some(account) = tenants.get(name) {
            return Tenant(Some(Arc::clone(account)));
        }
        tenants.retain(|_, account| {
            Arc::strong_count(account) > 1 || account.total.limit() != u64::MAX
        });
        let account = Arc::new(TenantAccount::new(name));
        tenants.insert(Arc::clone(&account.name), Arc::clone(&account));
        Tenant(Some(account))
    }

    pub(crate) fn account<'a>(&'a self, tenant: &'a Tenant) -> &'a TenantAccount {
        tenant.0.as_deref().unwrap_or(&self.system)
    }

    /// Charges tenant, class and root, in this order: the root's counter and peak never hold
    /// bytes that were refused.
    pub(crate) fn charge(&self, class: Class, tenant: &Tenant, bytes: u64) -> Result<()> {
        self.charge_sides(class, tenant, bytes)?;
        let charged = self.root.try_charge(bytes, || self.drift.load(SeqCst));
        charged.map_err(|refusal| {
            self.release_sides(class, tenant, bytes);
            self.refused(Scope::Root, (class, tenant, bytes), refusal)
        })
    }

    pub(crate) fn release(&self, class: Class, tenant: &Tenant, bytes: u64) {
        self.root.release(bytes);
        self.release_sides(class, tenant, bytes);
    }

    /// Moves bytes to another class or tenant; the root's charge stands throughout.
    pub(crate) fn transfer(
        &self,
        from: (Class, &Tenant),
        to: (Class, &Tenant),
        bytes: u64,
    ) -> Result<()> {
        if from.1 == to.1 {
            if from.0 == to.0 {
                return Ok(());
            }
            self.charge_class(to.0, to.1, bytes)?;
            add(&self.account(to.1).by_class[to.0.index()], bytes);
        } else if from.0 == to.0 {
            self.charge_tenant(to.0, to.1, bytes)?;
            add(&self.account(to.1).by_class[to.0.index()], bytes);
        } else {
            self.charge_sides(to.0, to.1, bytes)?;
        }
        let left = self.account(from.1);
        subtract(&left.by_class[from.0.index()], bytes);
        if from.0 != to.0 {
            self.classes[from.0.index()].release(bytes);
        }
        if from.1 != to.1 {
            left.total.release(bytes);
        }
        Ok(())
    }

    fn charge_sides(&self, class: Class, tenant: &Tenant, bytes: u64) -> Result<()> {
        self.charge_tenant(class, tenant, bytes)?;
        let account = self.account(tenant);
        if let Err(error) = self.charge_class(class, tenant, bytes) {
            account.total.release(bytes);
            return Err(error);
        }
        add(&account.by_class[class.index()], bytes);
        Ok(())
    }

    fn release_sides(&self, class: Class, tenant: &Tenant, bytes: u64) {
        let account = self.account(tenant);
        subtract(&account.by_class[class.index()], bytes);
        account.total.release(bytes);
        self.classes[class.index()].release(bytes);
    }

    fn charge_class(&self, class: Class, tenant: &Tenant, bytes: u64) -> Result<()> {
        let charged = self.classes[class.index()].try_charge_plain(bytes);
        charged
            .map_err(|refusal| self.refused(Scope::Class(class), (class, tenant, bytes), refusal))
    }

    fn charge_tenant(&self, class: Class, tenant: &Tenant, bytes: u64) -> Result<()> {
        let account = self.account(tenant);
        account.total.try_charge_plain(bytes).map_err(|refusal| {
            let scope = Scope::Tenant(Arc::clone(&account.name));
            self.refused(scope, (class, tenant, bytes), refusal)
        })
    }

    fn refused(
        &self,
        scope: Scope,
        (class, tenant, requested): (Class, &Tenant, u64),
        Refusal { limit, available }: Refusal,
    ) -> MemoryError {
        let tenant = Arc::clone(&self.account(tenant).name);
        if requested > limit {
            return MemoryError::AllocationTooLarge { requested, limit, scope, class, tenant };
        }
        MemoryError::InsufficientMemory {
            requested,
            available,
            holders: self.holders(&scope),
            scope,
            class,
            tenant,
        }
    }

    /// Who holds most within `scope`, largest first, then by class and name.
    pub(crate) fn holders(&self, scope: &Scope) -> Vec<Holder> {
        let mut holders = Vec::new();
        for account in self.accounts() {
            for class in Class::ALL {
                let bytes = account.by_class[class.index()].load(SeqCst);
                let within = match scope {
                    Scope::Root => true,
                    Scope::Class(only) => *only == class,
                    Scope::Tenant(name) => *name == account.name,
                };
                if bytes > 0 && within {
                    let tenant = Arc::clone(&account.name);
                    holders.push(Holder { class, tenant, bytes });
                }
            }
        }
        holders.sort_by(|a, b| {
            let by_bytes = b.bytes.cmp(&a.bytes);
            by_bytes.then_with(|| (a.class, &a.tenant).cmp(&(b.class, &b.tenant)))
        });
        holders.truncate(HOLDERS_MAX);
        holders
    }

    /// Every tenant's account, the system's first.
    pub(crate) fn accounts(&self) -> Vec<Arc<TenantAccount>> {
        let mut accounts = vec![Arc::clone(&self.system)];
        accounts.extend(lock(&self.tenants).values().map(Arc::clone));
        accounts
    }

    /// Replaces the bounds of root and classes, or none of them.
    pub(crate) fn set_limits(&self, limits: &Limits) -> Result<()> {
        let mut in_force = lock(&self.limits);
        self.publish(limits);
        if let Some((scope, limit, held)) = self.exceeded(limits) {
            self.publish(&in_force);
            let holders = self.holders(&scope);
            return Err(MemoryError::LimitBelowHeld { limit, held, scope, holders });
        }
        *in_force = *limits;
        Ok(())
    }

    /// Replaces a tenant's bound; `u64::MAX` removes it.
    pub(crate) fn set_tenant_limit(&self, tenant: &Tenant, limit: u64) -> Result<()> {
        let _one_at_a_time = lock(&self.limits);
        let account = self.account(tenant);
        let before = account.total.limit();
        account.total.set_limit(limit);
        let held = account.total.used();
        if held > limit {
            account.total.set_limit(before);
            let scope = Scope::Tenant(Arc::clone(&account.name));
            let holders = self.holders(&scope);
            return Err(MemoryError::LimitBelowHeld { limit, held, scope, holders });
        }
        Ok(())
    }

    pub(crate) fn limits_now(&self) -> Limits {
        *lock(&self.limits)
    }

    fn publish(&self, limits: &Limits) {
        self.root.set_limit(limits.root.saturating_sub(limits.base));
        for (account, limit) in self.classes.iter().zip(limits.classes) {
            account.set_limit(limit);
        }
    }

    fn exceeded(&self, limits: &Limits) -> Option<(Scope, u64, u64)> {
        let held = self.root.used().saturating_add(limits.base);
        if held > limits.root {
            return Some((Scope::Root, limits.root, held));
        }
        Class::ALL.into_iter().find_map(|class| {
            let (held, limit) = (self.classes[class.index()].used(), limits.classes[class.index()]);
            (held > limit).then_some((Scope::Class(class), limit, held))
        })
    }
}

/// Locks; a holder that panicked left nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
