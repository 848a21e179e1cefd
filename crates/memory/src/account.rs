//! One node's counter: charged by compare-and-swap against its limit.

use crate::sync::{AtomicU64, SeqCst};

/// Bytes held, the most there ever were, and the bound.
///
/// Sequentially consistent throughout: a lowered limit and a concurrent charge must agree on
/// which came first (see [`Account::set_limit`]).
#[derive(Debug)]
pub(crate) struct Account {
    /// Bytes held, and above them how often the limit was set, so that no swap succeeds that
    /// was decided by an earlier limit.
    used: AtomicU64,
    peak: AtomicU64,
    limit: AtomicU64,
}

/// The largest sum of bytes: 256 TiB.
pub(crate) const BYTES_MAX: u64 = LIMIT_SET - 1;
const LIMIT_SET: u64 = 1 << 48;

/// What of an account a charge may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    /// The most that it could ever hold for such charges.
    pub(crate) most: u64,
    /// The most that it may hold now.
    pub(crate) now: u64,
}

impl View {
    /// All of the limit.
    pub(crate) fn whole(limit: u64) -> Self {
        Self { most: limit, now: limit }
    }
}

/// Why a charge did not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The most that could ever be held.
    pub(crate) limit: u64,
    /// Bytes that would have fitted.
    pub(crate) available: u64,
    /// Bytes that must be given back before it fits.
    pub(crate) short: u64,
}

impl Account {
    pub(crate) fn new(limit: u64) -> Self {
        Self { used: AtomicU64::new(0), peak: AtomicU64::new(0), limit: AtomicU64::new(limit) }
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(SeqCst) & BYTES_MAX
    }

    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(SeqCst)
    }

    /// From now on the peak is the most that is held from now on.
    pub(crate) fn reset_peak(&self) {
        self.peak.store(0, SeqCst);
        // After the store: a charge that raised the peak before is held, or given back.
        self.peak.fetch_max(self.used(), SeqCst);
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit.load(SeqCst)
    }

    /// Publishes a limit. The caller then reads [`Account::used`] and takes the limit back if
    /// more is held: whoever charges later sees the new limit, because a swap that began before
    /// fails.
    pub(crate) fn set_limit(&self, limit: u64) {
        self.limit.store(limit, SeqCst);
        // Above the bytes, where it wraps by itself.
        self.used.fetch_add(LIMIT_SET, SeqCst);
    }

    /// The same if the limit is still `from`.
    pub(crate) fn replace_limit(&self, from: u64, limit: u64) {
        if self.limit.compare_exchange(from, limit, SeqCst, SeqCst).is_ok() {
            self.used.fetch_add(LIMIT_SET, SeqCst);
        }
    }

    /// Adds `bytes` if they fit into what `view` makes of the limit. Returns what is held then, for
    /// [`Account::raise_peak`] once the whole charge is admitted.
    pub(crate) fn try_charge(
        &self,
        bytes: u64,
        view: impl Fn(u64) -> View,
    ) -> Result<u64, Refusal> {
        let mut current = self.used.load(SeqCst);
        loop {
            let held = current & BYTES_MAX;
            let View { most, now } = view(self.limit());
            let next = held.checked_add(bytes).filter(|next| *next <= now.min(BYTES_MAX));
            let Some(next) = next else {
                let available = now.saturating_sub(held);
                let short = held.saturating_add(bytes).saturating_sub(now);
                return Err(Refusal { limit: most, available, short });
            };
            match self.used.compare_exchange(current, current + bytes, SeqCst, SeqCst) {
                Ok(_) => return Ok(next),
                Err(seen) => current = seen,
            }
        }
    }

    /// So many bytes were held.
    pub(crate) fn raise_peak(&self, held: u64) {
        // Most charges raise nothing, and a read is cheaper than a write.
        if self.peak.load(SeqCst) < held {
            self.peak.fetch_max(held, SeqCst);
        }
    }

    /// Takes `bytes` off. Releasing more than is held is a bug of ours.
    pub(crate) fn release(&self, bytes: u64) {
        subtract(&self.used, bytes);
    }
}

/// Adds to a counter that has no bound of its own.
pub(crate) fn add(counter: &AtomicU64, bytes: u64) {
    let mut current = counter.load(SeqCst);
    loop {
        let next = current.checked_add(bytes);
        debug_assert!(next.is_some(), "{current} + {bytes} bytes overflow");
        let next = next.unwrap_or(u64::MAX);
        match counter.compare_exchange_weak(current, next, SeqCst, SeqCst) {
            Ok(_) => return,
            Err(seen) => current = seen,
        }
    }
}

/// Takes off a counter; below zero is a bug, loud in debug builds and zero in others.
pub(crate) fn subtract(counter: &AtomicU64, bytes: u64) {
    let mut current = counter.load(SeqCst);
    loop {
        let held = current & BYTES_MAX;
        debug_assert!(bytes <= held, "{bytes} bytes released, {held} held");
        let next = current - bytes.min(held);
        match counter.compare_exchange_weak(current, next, SeqCst, SeqCst) {
            Ok(_) => return,
            Err(seen) => current = seen,
        }
    }
}
