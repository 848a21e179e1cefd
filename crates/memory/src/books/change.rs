//! Changing bounds: all of them, or none.

use std::sync::Arc;

use super::Books;
use crate::error::{MemoryError, Result, Scope};
use crate::reclaim::Short;
use crate::sync::{SeqCst, lock};
use crate::{Class, Limits, Tenant};

/// The bounds in force, and whether others are being tried.
#[derive(Debug)]
pub(super) struct InForce {
    limits: Limits,
    changing: bool,
}

impl InForce {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, changing: false }
    }
}

/// A change under way: no other begins before it is dropped. No lock is held meanwhile, so that
/// whoever gives bytes back may ask for the limits.
struct Changing<'a>(&'a Books);

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        lock(&self.0.limits).changing = false;
        // There may be more room than before, or what was tried kept someone waiting.
        self.0.serve();
    }
}

/// How far a bound is exceeded.
struct Exceeded {
    scope: Scope,
    limit: u64,
    held: u64,
}

impl Books {
    pub(crate) fn limits_now(&self) -> Limits {
        lock(&self.limits).limits
    }

    /// Replaces the bounds of root, caches and classes, or none of them. Caches give back first.
    pub(crate) fn set_limits(&self, limits: &Limits) -> Result<()> {
        let _changing = self.begin_change()?;
        self.check_feasible(limits)?;
        self.publish(limits);
        if let Err(refused) = self.settle(|| self.exceeded(limits)) {
            self.publish(&self.limits_now());
            return Err(refused);
        }
        lock(&self.limits).limits = *limits;
        Ok(())
    }

    /// Replaces a tenant's bound; `u64::MAX` removes it. Its caches give back first.
    pub(crate) fn set_tenant_limit(&self, tenant: &Tenant, limit: u64) -> Result<()> {
        let _changing = self.begin_change()?;
        let before = self.account(tenant).total.limit();
        self.publish_tenant(tenant, limit).inspect_err(|_| {
            self.account(tenant).total.set_limit(before);
        })
    }

    /// The same, and it stands though more is held.
    pub(crate) fn impose_tenant_limit(&self, tenant: &Tenant, limit: u64) -> Result<()> {
        let _changing = self.begin_change()?;
        // What is above goes as its holders give back.
        self.publish_tenant(tenant, limit).ok();
        Ok(())
    }

    fn publish_tenant(&self, tenant: &Tenant, limit: u64) -> Result<()> {
        let account = self.account(tenant);
        account.total.set_limit(limit);
        let exceeded = || {
            let held = account.total.used();
            let scope = || Scope::Tenant(Arc::clone(&account.name));
            (held > limit).then(|| Exceeded { scope: scope(), limit, held })
        };
        self.settle(exceeded)
    }

    fn begin_change(&self) -> Result<Changing<'_>> {
        let mut in_force = lock(&self.limits);
        if std::mem::replace(&mut in_force.changing, true) {
            return Err(MemoryError::LimitsChanging);
        }
        Ok(Changing(self))
    }

    /// Has caches give back until nothing is exceeded.
    fn settle(&self, exceeded: impl Fn() -> Option<Exceeded>) -> Result<()> {
        let attempt = || match exceeded() {
            Some(_) if self.recall() > 0 => exceeded().map_or(Ok(()), Err),
            Some(still) => Err(still),
            None => Ok(()),
        };
        let settled = self.hook.retry(attempt, |Exceeded { scope, limit, held }| {
            Some(Short { bytes: held.saturating_sub(*limit), scope: scope.clone() })
        });
        settled.map_err(|Exceeded { scope, limit, held }| {
            let holders = self.holders(&scope);
            MemoryError::LimitBelowHeld { limit, held, scope, holders }
        })
    }

    pub(super) fn publish(&self, limits: &Limits) {
        self.emergency.store(limits.emergency, SeqCst);
        self.caches_reserve.store(limits.caches_reserve, SeqCst);
        self.root.set_limit(limits.root.saturating_sub(limits.base));
        self.caches.set_limit(limits.caches);
        for (account, limit) in self.classes.iter().zip(limits.classes) {
            account.set_limit(limit);
        }
    }

    fn exceeded(&self, limits: &Limits) -> Option<Exceeded> {
        let held = self.root.used().saturating_add(limits.base);
        if held > limits.root {
            return Some(Exceeded { scope: Scope::Root, limit: limits.root, held });
        }
        let held = self.caches.used();
        if held > limits.caches {
            return Some(Exceeded { scope: Scope::Caches, limit: limits.caches, held });
        }
        Class::ALL.into_iter().find_map(|class| {
            let is_share = class.is_cache() && limits.caches != u64::MAX;
            let (held, limit) = (self.classes[class.index()].used(), limits.classes[class.index()]);
            // Emergency bytes may be held beyond the bound.
            let exceeds = !is_share && held > limit.saturating_add(limits.emergency);
            exceeds.then_some(Exceeded { scope: Scope::Class(class), limit, held })
        })
    }

    /// Refuses what no cache could make room for, before anybody else is held to it.
    fn check_feasible(&self, limits: &Limits) -> Result<()> {
        let held = || {
            let reclaimable = Class::ALL.into_iter().filter(|class| class.is_reclaimable());
            let bytes: u64 = reclaimable.map(|class| self.classes[class.index()].used()).sum();
            self.root.used().saturating_sub(bytes).saturating_add(limits.base)
        };
        if held() <= limits.root || (self.recall() > 0 && held() <= limits.root) {
            return Ok(());
        }
        let (limit, held, scope) = (limits.root, held(), Scope::Root);
        let holders = self.holders(&scope);
        Err(MemoryError::LimitBelowHeld { limit, held, scope, holders })
    }
}
