//! Charging root, caches, class and tenant together, all or nothing.

mod admit;
mod change;
mod holders;
mod lending;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::account::{Account, Refusal, View, add, subtract};
use crate::ask::{Ask, Bound, Refused, Standing};
use crate::counters::{Counters, Counts};
use crate::error::{MemoryError, Scope};
use crate::faults::Faults;
use crate::queue::Queue;
use crate::reclaim::Hook;
use crate::sync::{AtomicU64, Mutex, SeqCst, lock};
use crate::tenant::{SYSTEM, TenantAccount};
use crate::{Class, Limits, Tenant};

/// The tree of accounts.
#[derive(Debug)]
pub(crate) struct Books {
    /// Bounded by the root's limit less the base.
    pub(crate) root: Account,
    /// What all caches hold.
    pub(crate) caches: Account,
    pub(crate) drift: AtomicU64,
    /// The most that ever counted as held: base, reservations and drift.
    held_peak: AtomicU64,
    /// Bytes of the root that ordinary charges do not see.
    emergency: AtomicU64,
    /// Bytes of the caches that none borrows.
    caches_reserve: AtomicU64,
    pub(crate) classes: [Account; Class::COUNT],
    system: Arc<TenantAccount>,
    /// Tenants that were asked for, without the system's.
    tenants: Mutex<BTreeMap<Arc<str>, Arc<TenantAccount>>>,
    limits: Mutex<change::InForce>,
    pub(crate) hook: Hook,
    pub(crate) queue: Queue,
    /// [`CREDIT_BYTES`](crate::credit::CREDIT_BYTES) for each open slot.
    pub(crate) open_credit: Account,
    pub(crate) counters: Counters,
    pub(crate) faults: Faults,
}

/// What a class and all caches hold after a charge.
#[derive(Debug, Clone, Copy)]
struct ClassHeld {
    class: u64,
    caches: u64,
}

impl Books {
    pub(crate) fn new(limits: &Limits) -> Self {
        let books = Self {
            root: Account::new(0),
            caches: Account::new(0),
            drift: AtomicU64::new(0),
            held_peak: AtomicU64::new(0),
            emergency: AtomicU64::new(0),
            caches_reserve: AtomicU64::new(0),
            classes: std::array::from_fn(|_| Account::new(0)),
            system: Arc::new(TenantAccount::new(SYSTEM)),
            tenants: Mutex::new(BTreeMap::new()),
            limits: Mutex::new(change::InForce::new(*limits)),
            hook: Hook::default(),
            queue: Queue::new(),
            open_credit: Account::new(u64::MAX),
            counters: Counters::new(),
            faults: Faults::none(),
        };
        books.publish(limits);
        books
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
        let idle = tenants.extract_if(.., |_, account| {
            Arc::strong_count(account) == 1 && account.total.limit() == u64::MAX
        });
        let idle: Vec<_> = idle.map(|(_, account)| account).collect();
        let account = Arc::new(TenantAccount::new(name));
        tenants.insert(Arc::clone(&account.name), Arc::clone(&account));
        drop(tenants);
        // All they hold is credit.
        for forgotten in &idle {
            self.recall_of(forgotten);
        }
        Tenant(Some(account))
    }

    /// Forgets a tenant and its limit, unless somebody besides the caller knows it, as whoever holds
    /// bytes of it does; says whether it did.
    pub(crate) fn forget_tenant(&self, tenant: &Tenant) -> bool {
        let Some(account) = &tenant.0 else { return false };
        let mut tenants = lock(&self.tenants);
        let is_known = tenants.get(&account.name).is_some_and(|of| Arc::ptr_eq(of, account));
        // The caller's and the map's. Who asks for the name meanwhile waits for the lock.
        if !is_known || Arc::strong_count(account) > 2 {
            return false;
        }
        tenants.remove(&account.name);
        drop(tenants);
        // All it holds is credit.
        self.recall_of(account);
        true
    }

    pub(crate) fn account<'a>(&'a self, tenant: &'a Tenant) -> &'a TenantAccount {
        tenant.0.as_deref().unwrap_or(&self.system)
    }

    /// Charges tenant, class, caches and root, in this order: the root's counter never holds bytes
    /// that were refused, and peaks follow when all have charged. Does not serve those in line for
    /// what it held on the way.
    pub(crate) fn charge(&self, ask: Ask<'_>, standing: Standing) -> Result<(), Refused> {
        let of_tenant = self.charge_tenant(ask, standing)?;
        let account = self.account(ask.tenant);
        let of_class = self
            .charge_class(ask, standing, None)
            .inspect_err(|_| account.total.release(ask.bytes))?;
        add(&account.by_class[ask.class.index()], ask.bytes);
        let charged = self.root.try_charge(ask.bytes, |limit| self.root_view(limit, standing));
        let of_root = charged.map_err(|refusal| {
            self.release_sides(ask);
            Refused::at(Bound::Root)(refusal)
        })?;
        self.root.raise_peak(of_root);
        account.total.raise_peak(of_tenant);
        self.raise_class_peak(ask.class, of_class);
        Ok(())
    }

    fn raise_class_peak(&self, class: Class, ClassHeld { class: held, caches }: ClassHeld) {
        self.classes[class.index()].raise_peak(held);
        self.caches.raise_peak(caches);
    }

    pub(crate) fn release(&self, ask: Ask<'_>) {
        self.root.release(ask.bytes);
        self.release_sides(ask);
        self.serve();
    }

    /// Charges whoever is in line and fits. Called whenever there may be more room than before.
    pub(crate) fn serve(&self) {
        if self.queue.waiting() > 0 {
            self.queue.serve(|ask| {
                self.charge(ask, Standing::InLine)?;
                self.counters.admitted(ask.class);
                Ok(())
            });
        }
    }

    /// Moves the bytes to another class or tenant; the root's charge stands throughout.
    pub(crate) fn transfer(&self, from: Ask<'_>, to: Ask<'_>) -> Result<(), Refused> {
        let (class_moves, tenant_moves) = (from.class != to.class, from.tenant != to.tenant);
        if from.bytes == 0 || !class_moves && !tenant_moves {
            return Ok(());
        }
        let mut of_tenant = 0;
        if tenant_moves {
            of_tenant = self.charge_tenant(to, Standing::Ordinary)?;
        }
        if class_moves {
            let charged = self.charge_class(to, Standing::Ordinary, Some(from));
            let of_class = charged.inspect_err(|_| {
                if tenant_moves {
                    self.account(to.tenant).total.release(to.bytes);
                }
            })?;
            self.raise_class_peak(to.class, of_class);
        }
        self.account(to.tenant).total.raise_peak(of_tenant);
        add(&self.account(to.tenant).by_class[to.class.index()], to.bytes);
        let left = self.account(from.tenant);
        subtract(&left.by_class[from.class.index()], from.bytes);
        if class_moves {
            self.classes[from.class.index()].release(from.bytes);
            if from.class.is_cache() && !to.class.is_cache() {
                self.caches.release(from.bytes);
            }
        }
        if tenant_moves {
            left.total.release(from.bytes);
        }
        self.serve();
        Ok(())
    }

    /// Bytes that the root could still grant to an ordinary request.
    pub(crate) fn available(&self) -> u64 {
        let View { now, .. } = self.root_view(self.root.limit(), Standing::Ordinary);
        now.saturating_sub(self.root.used())
    }

    fn root_view(&self, limit: u64, standing: Standing) -> View {
        let emergency = self.emergency.load(SeqCst);
        let (set_aside, claim) = match standing {
            Standing::Ordinary => (emergency, self.queue.root_claim()),
            Standing::InLine => (emergency, 0),
            Standing::Emergency => (0, 0),
        };
        let most = limit.saturating_sub(set_aside);
        View { most, now: most.saturating_sub(self.drift.load(SeqCst)).saturating_sub(claim) }
    }

    fn class_view(&self, limit: u64, class: Class, standing: Standing) -> View {
        match standing {
            Standing::Ordinary => {
                View { most: limit, now: limit.saturating_sub(self.queue.class_claim(class)) }
            }
            Standing::InLine => View::whole(limit),
            Standing::Emergency => View::whole(self.with_emergency(limit)),
        }
    }

    fn with_emergency(&self, limit: u64) -> u64 {
        limit.saturating_add(self.emergency.load(SeqCst))
    }

    fn release_sides(&self, Ask { class, tenant, bytes }: Ask<'_>) {
        let account = self.account(tenant);
        subtract(&account.by_class[class.index()], bytes);
        account.total.release(bytes);
        self.classes[class.index()].release(bytes);
        if class.is_cache() {
            self.caches.release(bytes);
        }
    }

    /// Charges the class and, if it is a cache's, all caches; bytes that came `from` a cache are
    /// charged to all caches already. Says what is held then.
    fn charge_class(
        &self,
        ask: Ask<'_>,
        standing: Standing,
        from: Option<Ask<'_>>,
    ) -> Result<ClassHeld, Refused> {
        let account = &self.classes[ask.class.index()];
        let shared = ask.class.is_cache() && self.caches.limit() != u64::MAX;
        let held = account
            .try_charge(ask.bytes, |limit| {
                // Where the caches have a bound, that of one of them is a share.
                if shared {
                    View::whole(u64::MAX)
                } else {
                    self.class_view(limit, ask.class, standing)
                }
            })
            .map_err(Refused::at(Bound::Class))?;
        if !ask.class.is_cache() {
            return Ok(ClassHeld { class: held, caches: 0 });
        }
        // Bytes of a cache need no room anew, only leave to be lent.
        let more = if from.is_some_and(|from| from.class.is_cache()) { 0 } else { ask.bytes };
        let share = if shared { account.limit() } else { u64::MAX };
        let charged = self.caches.try_charge(more, |limit| self.caches_view(limit, share, held));
        let caches = charged.map_err(|refusal| {
            account.release(ask.bytes);
            Refused::at(Bound::Caches)(refusal)
        })?;
        Ok(ClassHeld { class: held, caches })
    }

    /// What all caches may hold for one of them that then holds `held` bytes itself.
    fn caches_view(&self, limit: u64, share: u64, held: u64) -> View {
        let lent = limit.saturating_sub(self.caches_reserve.load(SeqCst));
        let now = if held <= share { limit } else { lent };
        View { most: lent.max(share.min(limit)), now }
    }

    /// Charges the tenant; says what it holds then.
    fn charge_tenant(&self, ask: Ask<'_>, standing: Standing) -> Result<u64, Refused> {
        let account = self.account(ask.tenant);
        let charged = account.total.try_charge(ask.bytes, |limit| match standing {
            Standing::Ordinary | Standing::InLine => View::whole(limit),
            Standing::Emergency => View::whole(self.with_emergency(limit)),
        });
        charged.map_err(Refused::at(Bound::Tenant))
    }

    fn scope(&self, bound: Bound, ask: Ask<'_>) -> Scope {
        match bound {
            Bound::Root => Scope::Root,
            Bound::Caches => Scope::Caches,
            Bound::Class => Scope::Class(ask.class),
            Bound::Tenant => Scope::Tenant(Arc::clone(&self.account(ask.tenant).name)),
        }
    }

    /// The bound that would refuse it even if nothing else were held.
    pub(crate) fn never(&self, ask: Ask<'_>) -> Option<Refused> {
        let class = self.classes[ask.class.index()].limit();
        let caches = self.caches.limit();
        let shared = ask.class.is_cache() && caches != u64::MAX;
        let bounds = [
            (Bound::Tenant, self.account(ask.tenant).total.limit()),
            (Bound::Class, if shared { u64::MAX } else { class }),
            (
                Bound::Caches,
                if shared { self.caches_view(caches, class, 0).most } else { u64::MAX },
            ),
            (Bound::Root, self.root_view(self.root.limit(), Standing::InLine).most),
        ];
        let (bound, limit) = bounds.into_iter().find(|(_, most)| ask.bytes > *most)?;
        Some(Refused { bound, refusal: Refusal { limit, available: 0, short: 0 } })
    }

    /// Counts a refusal, and makes of it what the caller is told.
    pub(crate) fn error(&self, ask: Ask<'_>, refused: Refused) -> MemoryError {
        let error = self.tell(ask, refused);
        self.counters.refused(ask.class, &error);
        error
    }

    /// Counts a refusal that was decided elsewhere.
    pub(crate) fn note_refused(&self, error: &MemoryError) {
        if let Some(class) = error.class() {
            self.counters.refused(class, error);
        }
    }

    fn tell(&self, ask: Ask<'_>, Refused { bound, refusal }: Refused) -> MemoryError {
        let Ask { class, bytes: requested, .. } = ask;
        let Refusal { limit, available, .. } = refusal;
        let scope = self.scope(bound, ask);
        let tenant = Arc::clone(&self.account(ask.tenant).name);
        let holders = self.holders(&scope);
        if requested > limit {
            MemoryError::AllocationTooLarge { requested, limit, scope, class, tenant, holders }
        } else {
            MemoryError::InsufficientMemory { requested, available, scope, class, tenant, holders }
        }
    }

    /// What became of the requests of each class.
    pub(crate) fn counts(&self) -> Vec<Counts> {
        let mut counts = Class::ALL.map(|class| self.counters.counts(class));
        for account in self.accounts() {
            for (class, slot) in account.credit.slots() {
                counts[class.index()].admitted += slot.cuts();
            }
        }
        counts.into()
    }

    /// So many bytes count as held. Returns the most that ever did.
    pub(crate) fn raise_held_peak(&self, held: u64) -> u64 {
        self.held_peak.fetch_max(held, SeqCst).max(held)
    }

    /// From now on peaks are of what is held from now on.
    pub(crate) fn reset_peaks(&self) {
        self.root.reset_peak();
        self.caches.reset_peak();
        self.classes.iter().for_each(Account::reset_peak);
        self.accounts().iter().for_each(|account| account.total.reset_peak());
        self.held_peak.store(0, SeqCst);
    }

    /// Every tenant's account, the system's first.
    pub(crate) fn accounts(&self) -> Vec<Arc<TenantAccount>> {
        let mut accounts = vec![Arc::clone(&self.system)];
        accounts.extend(lock(&self.tenants).values().map(Arc::clone));
        accounts
    }
}
