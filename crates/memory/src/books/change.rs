//! Changing bounds: all of them, or none.

use std::sync::Arc;

use vectorizer_model::bytes::MIB;

use super::Books;
use crate::error::{MemoryError, Result, Scope};
use crate::reclaim::Short;
use crate::sync::{SeqCst, lock};
use crate::{Class, Limits, Tenant};

/// A root that falls by more falls in steps of so much.
const STEP_BYTES: u64 = 16 * MIB;

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

    /// Replaces the bounds of root, caches and classes, or none of them. Caches give back first;
    /// then `then` has its say within the new bounds, and its refusal takes them back.
    pub(crate) fn set_limits_and<E: From<MemoryError>>(
        &self,
        limits: &Limits,
        then: impl FnOnce() -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let _changing = self.begin_change()?;
        let before = self.limits_now();
        self.check_feasible(limits)?;
        self.descend(&before, limits);
        self.publish(limits);
        let settled = self.settle_to(limits, before.root).map_err(E::from);
        let done = settled.and_then(|()| {
            lock(&self.limits).limits = *limits;
            then()
        });
        if let Err(refused) = done {
            lock(&self.limits).limits = before;
            self.publish(&before);
            // What came in while the bounds were wider; what cannot go goes as its holders give back.
            self.settle(|| self.exceeded(&before, 0)).ok();
            return Err(refused);
        }
        Ok(())
    }

    /// Lowers the root as caches give back, to what is held at the time, until a step is left: whoever
    /// asks meanwhile is short of its own bytes, and not of all that is to go. Emergency bytes are as
    /// they will be from the start, or caches would make room for those that there were.
    fn descend(&self, from: &Limits, to: &Limits) {
        self.emergency.store(to.emergency, SeqCst);
        // What counts as held for ordinary requests.
        let held = || {
            let beside = to.emergency.saturating_add(self.drift.load(SeqCst));
            self.root.used().saturating_add(to.base).saturating_add(beside)
        };
        let least = to.root.saturating_add(STEP_BYTES);
        let mut root = from.root;
        // Others may take again what was given back.
        for _ in 0..2 * (held().saturating_sub(to.root) / STEP_BYTES) {
            root = root.min(held());
            if root <= least {
                break;
            }
            self.root.set_limit(root.saturating_sub(to.base));
            if self.hook.reclaim(STEP_BYTES, &Scope::Root) == 0 {
                break;
            }
        }
    }

    /// Has caches give back what is beyond the bounds. Below a lowered root they make room for drift
    /// too, as it was last measured, or hardly anything would be admitted; but nobody could give
    /// drift back, so it alone refuses nothing.
    fn settle_to(&self, limits: &Limits, root_before: u64) -> Result<()> {
        let drift = if limits.root < root_before { self.drift.load(SeqCst) } else { 0 };
        if drift > 0 && self.settle(|| self.exceeded(limits, drift)).is_ok() {
            return Ok(());
        }
        self.settle(|| self.exceeded(limits, 0))
    }

    /// Replaces a tenant's bound; `u64::MAX` removes it. Its caches give back first.
    pub(crate) fn set_tenant_limit(&self, tenant: &Tenant, limit: u64) -> Result<()> {
        let _changing = self.begin_change()?;
        let before = self.account(tenant).total.limit();
        self.publish_tenant(tenant, limit).inspect_err(|_| {
            // Unless another bound was imposed meanwhile.
            self.account(tenant).total.replace_limit(limit, before);
        })
    }

    /// The same, and it stands though more is held. It is part of no other change, so it waits for
    /// none.
    pub(crate) fn impose_tenant_limit(&self, tenant: &Tenant, limit: u64) {
        // What is above goes as its holders give back.
        self.publish_tenant(tenant, limit).ok();
        self.serve();
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
        settled.map_err(|exceeded| self.below_held(exceeded))
    }

    fn below_held(&self, Exceeded { scope, limit, held }: Exceeded) -> MemoryError {
        let holders = self.holders(&scope);
        MemoryError::LimitBelowHeld { limit, held, scope, holders }
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

    fn exceeded(&self, limits: &Limits, drift: u64) -> Option<Exceeded> {
        let held = self.root.used().saturating_add(limits.base).saturating_add(drift);
        if held > limits.root {
            return Some(Exceeded { scope: Scope::Root, limit: limits.root, held });
        }
        let held = self.caches.used();
        if held > limits.caches {
            return Some(Exceeded { scope: Scope::Caches, limit: limits.caches, held });
        }
        Class::ALL.into_iter().find_map(|class| self.class_exceeded(class, limits))
    }

    fn class_exceeded(&self, class: Class, limits: &Limits) -> Option<Exceeded> {
        let is_share = class.is_cache() && limits.caches != u64::MAX;
        let (held, limit) = (self.classes[class.index()].used(), limits.classes[class.index()]);
        // Emergency bytes may be held beyond the bound.
        let exceeds = !is_share && held > limit.saturating_add(limits.emergency);
        exceeds.then_some(Exceeded { scope: Scope::Class(class), limit, held })
    }

    /// Refuses what no cache could make room for, before anybody else is held to it.
    fn check_feasible(&self, limits: &Limits) -> Result<()> {
        let infeasible = match self.infeasible(limits) {
            Some(_) if self.recall() > 0 => self.infeasible(limits),
            found => found,
        };
        infeasible.map_or(Ok(()), |exceeded| Err(self.below_held(exceeded)))
    }

    /// A bound that what caches cannot give back is beyond.
    fn infeasible(&self, limits: &Limits) -> Option<Exceeded> {
        let used = |class: Class| self.classes[class.index()].used();
        let (reclaimable, kept): (Vec<_>, Vec<_>) =
            Class::ALL.into_iter().partition(|class| class.is_reclaimable());
        let reclaimable: u64 = reclaimable.into_iter().map(used).sum();
        let held = self.root.used().saturating_sub(reclaimable).saturating_add(limits.base);
        if held > limits.root {
            return Some(Exceeded { scope: Scope::Root, limit: limits.root, held });
        }
        kept.into_iter().find_map(|class| self.class_exceeded(class, limits))
    }
}
