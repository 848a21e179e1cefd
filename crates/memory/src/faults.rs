//! Failures on demand: a test has the governor refuse one request that it would grant.

use crate::sync::{AtomicU64, SeqCst};

/// How many requests there are until one is refused, that one included; 0 if none is to be.
#[derive(Debug)]
pub(crate) struct Faults(AtomicU64);

impl Faults {
    pub(crate) fn none() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(crate) fn set(&self, requests: u64) {
        self.0.store(requests, SeqCst);
    }

    pub(crate) fn left(&self) -> u64 {
        self.0.load(SeqCst)
    }

    /// Counts a request. Returns whether it is the one to be refused.
    #[inline]
    pub(crate) fn strikes(&self) -> bool {
        self.left() > 0 && self.count()
    }

    #[cold]
    fn count(&self) -> bool {
        let counted = self.0.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        counted == Ok(1)
    }
}
