//! The way in: reservations, limits, drift, and the report.

use std::sync::{Arc, Weak};

use crate::ask::Ask;
use crate::books::Books;
use crate::counters::Counts;
use crate::error::{Holder, MemoryError, Result, Scope};
use crate::sync::SeqCst;
use crate::waiting::Waiting;
use crate::{Class, ClassUsage, Limits, Reclaim, Reservation, Tenant, TenantUsage, Usage};

/// Decides who may hold how many bytes; one per process.
#[derive(Debug)]
pub struct Governor {
    books: Arc<Books>,
}

impl Governor {
    /// A governor of nothing reserved.
    pub fn new(limits: Limits) -> Arc<Self> {
        let books = Arc::new(Books::new(&limits));
        Arc::new(Self { books })
    }

    /// The tenant of that name; the same for the same name. `system` is [`Tenant::system`].
    pub fn tenant(&self, name: &str) -> Tenant {
        self.books.tenant(name)
    }

    /// Forgets a tenant together with its bound, in one step, unless somebody besides the caller knows
    /// it; says whether it did. The caller drops it then: bytes taken for it would be nobody's to see.
    pub fn forget_tenant(&self, tenant: &Tenant) -> bool {
        self.books.forget_tenant(tenant)
    }

    /// Takes `bytes` for a class and a tenant of this governor, all or nothing. Zero bytes are
    /// always granted, to grow from. Unless the class is reclaimable itself, caches give back
    /// first if the process or the tenant is full; the caller holds no lock that a cache takes.
    ///
    /// # Errors
    /// [`MemoryError::AllocationTooLarge`] if it could
    /// never fit, [`MemoryError::InsufficientMemory`] if
    /// it does not fit now; nothing is charged.
    pub fn reserve(&self, class: Class, tenant: &Tenant, bytes: u64) -> Result<Reservation> {
        self.take(Ask { class, tenant, bytes }, Books::reclaim_and_admit)
    }

    /// The same without having anything given back: what caches use.
    ///
    /// # Errors
    /// Those of [`Governor::reserve`].
    pub fn try_reserve(&self, class: Class, tenant: &Tenant, bytes: u64) -> Result<Reservation> {
        self.take(Ask { class, tenant, bytes }, Books::try_admit)
    }

    /// [`Governor::reserve`] for what frees memory, deletes and drops and the like, and for
    /// administrators: may use the emergency bytes, and exceed the bounds of class and tenant by
    /// as many.
    ///
    /// # Errors
    /// Those of [`Governor::reserve`].
    pub fn reserve_emergency(
        &self,
        class: Class,
        tenant: &Tenant,
        bytes: u64,
    ) -> Result<Reservation> {
        self.take(Ask { class, tenant, bytes }, Books::admit_emergency)
    }

    /// [`Governor::reserve`] that waits for its turn if the bytes do not fit now. Those who wait
    /// are served in order as others give back; until the first of them fits, newcomers see the
    /// room less what it asked for. Only those of the same tenant may pass who waits because its
    /// tenant is full.
    ///
    /// # Errors
    /// [`MemoryError::AllocationTooLarge`]: it could never
    /// fit.
    pub fn wait_for(&self, class: Class, tenant: &Tenant, bytes: u64) -> Result<Waiting> {
        let ask = Ask { class, tenant, bytes };
        Ok(match self.books.admit_or_join(ask)? {
            None => Waiting::granted(&self.books, ask),
            Some(seat) => Waiting::in_line(&self.books, seat),
        })
    }

    fn take(
        &self,
        ask: Ask<'_>,
        admit: impl FnOnce(&Books, Ask<'_>) -> Result<()>,
    ) -> Result<Reservation> {
        admit(&self.books, ask)?;
        Ok(Reservation::of_charged(&self.books, ask))
    }

    /// Says who gives bytes back when others are short. The governor holds it weakly, because
    /// caches hold the governor: whoever sets it keeps it alive. A later one takes its place.
    pub fn set_reclaimer(&self, reclaimer: Weak<dyn Reclaim>) {
        self.books.hook.set(reclaimer);
    }

    /// Says how many bytes were measured beyond base and reservations. They count as held from
    /// now on; what is reserved stays.
    pub fn set_drift(&self, bytes: u64) {
        self.books.drift.store(bytes, SeqCst);
        let held = self.books.root.used().saturating_add(self.limits().base).saturating_add(bytes);
        self.books.raise_held_peak(held);
        self.books.serve();
    }

    /// Bytes reserved in all. Takes credit back first: bytes charged ahead for small reservations
    /// of each thread, at most a hundredth of the root, count as reserved.
    pub fn reserved(&self) -> u64 {
        self.books.recall();
        self.books.root.used()
    }

    /// Takes all credit back.
    pub(crate) fn recall(&self) {
        self.books.recall();
    }

    /// Bytes that count as held and that nobody can be made to give back: base, drift, and what is
    /// reserved for classes that are not reclaimable. Each number is read by itself.
    pub fn unreclaimable(&self) -> u64 {
        let reclaimable = Class::ALL.into_iter().filter(|class| class.is_reclaimable());
        let reclaimable: u64 =
            reclaimable.map(|class| self.books.classes[class.index()].used()).sum();
        let held = self.books.root.used().saturating_sub(reclaimable);
        let Limits { root, .. } = self.limits();
        // The root's account is bounded by its limit less the base.
        let base = root.saturating_sub(self.books.root.limit());
        held.saturating_add(base).saturating_add(self.books.drift.load(SeqCst))
    }

    /// Bytes that all caches together hold, those of open credit included.
    pub fn caches_used(&self) -> u64 {
        self.books.caches.used()
    }

    /// What each tenant holds for each class, largest first. Takes credit back first.
    pub fn holdings(&self) -> Vec<Holder> {
        self.books.recall();
        self.books.all_holders(|_, _| true)
    }

    /// What each class holds and may hold, in the order of [`Class::ALL`]. Takes credit back first.
    pub fn class_usage(&self) -> Vec<ClassUsage> {
        self.books.recall();
        let of = |class: Class| {
            let account = &self.books.classes[class.index()];
            ClassUsage {
                class,
                bytes: account.used(),
                peak: account.peak(),
                limit: account.limit(),
            }
        };
        Class::ALL.map(of).into()
    }

    /// Who holds most of [`Governor::unreclaimable`], at most five, largest first.
    pub(crate) fn unreclaimable_holders(&self) -> Vec<Holder> {
        self.books.holders_of(|class, _| !class.is_reclaimable())
    }

    /// Who holds most of all, at most five, largest first.
    pub(crate) fn top_holders(&self) -> Vec<Holder> {
        self.books.holders(&Scope::Root)
    }

    /// Refuses bytes beyond what one operation may hold.
    pub(crate) fn refuse_operation(&self, ask: Ask<'_>, limit: u64, scope: Scope) -> MemoryError {
        let Ask { class, tenant, bytes: requested } = ask;
        let holders = self.books.holders(&scope);
        let tenant = tenant.name().into();
        self.note_refused(MemoryError::AllocationTooLarge {
            requested,
            limit,
            scope,
            class,
            tenant,
            holders,
        })
    }

    /// Counts a refusal that was decided elsewhere.
    pub(crate) fn note_refused(&self, refusal: MemoryError) -> MemoryError {
        self.books.note_refused(&refusal);
        refusal
    }

    /// For tests: the `nth` request for bytes from now on is refused as if the root were full, 1
    /// being the next; 0 refuses none.
    pub fn fail_request(&self, nth: u64) {
        self.books.faults.set(nth);
    }

    /// How many requests there are until the one that [`Governor::fail_request`] named; 0 after
    /// it.
    pub fn requests_until_failure(&self) -> u64 {
        self.books.faults.left()
    }

    /// Bytes that the root could still grant to an ordinary request.
    pub fn available(&self) -> u64 {
        self.books.available()
    }

    /// The most that were ever reserved.
    pub fn peak(&self) -> u64 {
        self.books.root.peak()
    }

    /// From now on all peaks are of what is held from now on.
    pub fn reset_peaks(&self) {
        self.books.recall();
        self.books.reset_peaks();
    }

    /// What became of the requests of each class, in the order of [`Class::ALL`].
    pub fn counts(&self) -> Vec<Counts> {
        self.books.counts()
    }

    /// Counts requests from zero on; the last refusals stay.
    pub fn reset_counts(&self) {
        // What was cut from credit is counted when it is taken back.
        self.books.recall();
        self.books.counters.reset();
    }

    /// The last refusals, at most sixteen, oldest first.
    pub fn last_refusals(&self) -> Vec<MemoryError> {
        self.books.counters.last_refusals()
    }

    /// The bounds in force.
    pub fn limits(&self) -> Limits {
        self.books.limits_now()
    }

    /// Replaces the bounds of root, caches and classes, all or none. Caches give back what is
    /// held beyond them. While a change that ends in a refusal is under way, requests may meet
    /// the tighter bounds.
    ///
    /// # Errors
    /// [`MemoryError::LimitBelowHeld`] or
    /// [`MemoryError::LimitsChanging`]; the old bounds stand.
    pub fn set_limits(&self, limits: Limits) -> Result<()> {
        self.set_limits_and(limits, || Ok(()))
    }

    /// The same; then `then` has its say within the new bounds, and its refusal takes them back.
    pub(crate) fn set_limits_and<E: From<MemoryError>>(
        &self,
        limits: Limits,
        then: impl FnOnce() -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        self.books.set_limits_and(&limits, then)
    }

    /// Bounds what a tenant may hold; `None` leaves only the bounds of root and classes. Its
    /// caches give back what it holds beyond.
    ///
    /// # Errors
    /// [`MemoryError::LimitBelowHeld`] or
    /// [`MemoryError::LimitsChanging`]; the old bound stands.
    pub fn set_tenant_limit(&self, tenant: &Tenant, limit: Option<u64>) -> Result<()> {
        self.books.set_tenant_limit(tenant, limit.unwrap_or(u64::MAX))
    }

    /// The same, and it stands though more is held: nothing more is granted until less is.
    pub fn impose_tenant_limit(&self, tenant: &Tenant, limit: Option<u64>) {
        self.books.impose_tenant_limit(tenant, limit.unwrap_or(u64::MAX));
    }

    /// Who holds what. Takes credit back first, as [`Governor::reserved`] does.
    pub fn usage(&self) -> Usage {
        let books = &self.books;
        books.recall();
        let limits = self.limits();
        let mut tenants: Vec<TenantUsage> = books
            .accounts()
            .into_iter()
            .map(|account| TenantUsage {
                name: Arc::clone(&account.name),
                bytes: account.total.used(),
                peak: account.total.peak(),
                limit: account.total.limit(),
            })
            .filter(|tenant| tenant.bytes > 0 || tenant.limit != u64::MAX)
            .collect();
        tenants.sort_by(|a, b| (b.bytes, &a.name).cmp(&(a.bytes, &b.name)));
        let (root, drift) = (books.root.used(), books.drift.load(SeqCst));
        let held = root.max(self.peak()).saturating_add(limits.base);
        let held = held.max(root.saturating_add(limits.base).saturating_add(drift));
        Usage {
            root,
            limit: limits.root,
            base: limits.base,
            drift,
            held_peak: books.raise_held_peak(held),
            emergency: limits.emergency,
            waiting: books.queue.waiting(),
            caches: books.caches.used(),
            caches_limit: limits.caches,
            available: self.available(),
            peak: self.peak(),
            classes: Class::ALL.map(|class| (class, books.classes[class.index()].used())).to_vec(),
            tenants,
        }
    }
}
