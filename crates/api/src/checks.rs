//! What is kept from one look at memory to the next.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The most that counted as held, and when that was last looked at.
#[derive(Debug, Default)]
pub(crate) struct MemoryChecks {
    peak: AtomicU64,
    last: Mutex<Option<Duration>>,
}

impl MemoryChecks {
    /// Takes in what counts as held now.
    pub(crate) fn note(&self, held: u64, now: Duration) {
        self.peak.fetch_max(held, SeqCst);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(SeqCst)
    }

    pub(crate) fn last(&self) -> Option<Duration> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the peak is of what is held from now on.
    pub(crate) fn reset_peak(&self) {
        self.peak.store(0, SeqCst);
    }
}
