//! What a cache holds: its own bounds, and for each tenant one reservation that entries have parts
//! of. A part is given back when the last reference to its entry goes, and only then.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vectorizer_memory::{Reservation, Tenant};

/// A counter with a bound.
#[derive(Debug)]
pub(crate) struct Bounded {
    used: AtomicU64,
    limit: AtomicU64,
}

impl Bounded {
    pub(crate) fn new(limit: u64) -> Self {
        Self { used: AtomicU64::new(0), limit: AtomicU64::new(limit) }
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(SeqCst)
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit.load(SeqCst)
    }

    pub(crate) fn set_limit(&self, limit: u64) {
        self.limit.store(limit, SeqCst);
    }

    /// How much there is above the limit.
    pub(crate) fn excess(&self) -> u64 {
        self.used().saturating_sub(self.limit())
    }

    /// Takes so much if it fits, else says how much is short.
    pub(crate) fn claim(&self, amount: u64) -> Result<(), u64> {
        let mut current = self.used();
        loop {
            let (next, limit) = (current.saturating_add(amount), self.limit());
            if next > limit {
                return Err(next - limit);
            }
            match self.used.compare_exchange_weak(current, next, SeqCst, SeqCst) {
                Ok(_) => return Ok(()),
                Err(seen) => current = seen,
            }
        }
    }

    pub(crate) fn release(&self, amount: u64) {
        let before = self.used.fetch_sub(amount, SeqCst);
        debug_assert!(before >= amount, "{amount} released of {before}");
    }
}

/// The bounds of one cache.
#[derive(Debug)]
pub(crate) struct Account {
    /// Bytes charged or about to be: entries, also those that are only referenced any more, and
    /// what the cache needs to find them.
    pub(crate) bytes: Bounded,
    /// Entries that can be found or are about to be.
    pub(crate) items: Bounded,
}

impl Account {
    pub(crate) fn new(limit_bytes: u64, limit_items: u64) -> Self {
        Self { bytes: Bounded::new(limit_bytes), items: Bounded::new(limit_items) }
    }
}

/// A tenant's part of a cache.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// Its number within the cache.
    pub(crate) id: u32,
    pub(crate) tenant: Tenant,
    /// Bytes in all caches below which others give up entries first.
    pub(crate) guarantee: AtomicU64,
    /// Bytes of entries that can be found, by shard.
    pub(crate) found: Box<[AtomicU64]>,
    held: Mutex<Option<Reservation>>,
    account: Arc<Account>,
}

impl Ledger {
    pub(crate) fn new(id: u32, tenant: &Tenant, shards: usize, account: &Arc<Account>) -> Self {
        Self {
            id,
            tenant: tenant.clone(),
            guarantee: AtomicU64::new(0),
            found: (0..shards).map(|_| AtomicU64::new(0)).collect(),
            held: Mutex::default(),
            account: Arc::clone(account),
        }
    }

    /// Bytes of entries that can be found.
    pub(crate) fn found_bytes(&self) -> u64 {
        self.found.iter().map(|bytes| bytes.load(SeqCst)).sum()
    }

    /// What its tenant holds in all caches, over what that is guaranteed in all of them; without a
    /// guarantee what it holds here.
    pub(crate) fn standing(&self) -> (u64, u64) {
        match self.guarantee.load(SeqCst) {
            0 => (self.found_bytes(), 0),
            guarantee => (self.tenant.cached_bytes(), guarantee),
        }
    }

    /// Bytes of entries that can be found beyond the part of the guarantee that falls to this
    /// cache: that of what the tenant holds in caches.
    pub(crate) fn beyond_guarantee(&self) -> u64 {
        let (found, guarantee) = (self.found_bytes(), self.guarantee.load(SeqCst));
        let held = self.tenant.cached_bytes().max(found);
        if guarantee == 0 {
            return found;
        }
        let part = u128::from(found) * u128::from(guarantee.min(held));
        let kept = part.div_ceil(u128::from(held.max(1)));
        found.saturating_sub(u64::try_from(kept).unwrap_or(u64::MAX))
    }

    /// Takes over what was claimed of the account and granted by the governor.
    pub(crate) fn take_over(self: &Arc<Self>, mut granted: Reservation) -> Charge {
        let bytes = granted.bytes();
        let mut held = self.lock();
        match held.as_mut() {
            Some(held) => {
                let merged = held.merge(&mut granted);
                debug_assert!(merged.is_ok(), "same governor, class and tenant: {merged:?}");
            }
            None => *held = Some(granted),
        }
        Charge { ledger: Arc::clone(self), bytes }
    }

    /// A part without bytes, to grow from.
    pub(crate) fn charge_of_none(self: &Arc<Self>) -> Charge {
        Charge { ledger: Arc::clone(self), bytes: 0 }
    }

    /// What its reservation holds.
    pub(crate) fn reserved(&self) -> u64 {
        self.lock().as_ref().map_or(0, Reservation::bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Reservation>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A part of a ledger's reservation. Dropping it is the only release.
#[derive(Debug)]
pub(crate) struct Charge {
    ledger: Arc<Ledger>,
    bytes: u64,
}

impl Charge {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes over the other part of the same ledger.
    pub(crate) fn merge(&mut self, mut other: Self) {
        debug_assert!(Arc::ptr_eq(&self.ledger, &other.ledger), "parts of one reservation");
        self.bytes += std::mem::take(&mut other.bytes);
    }

    /// Parts with so many bytes, at most all.
    pub(crate) fn split(&mut self, bytes: u64) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { ledger: Arc::clone(&self.ledger), bytes }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        if let Some(held) = self.ledger.lock().as_mut() {
            held.shrink(self.bytes);
        }
        self.ledger.account.bytes.release(self.bytes);
    }
}
