//! What is kept from one look at memory to the next.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// When memory was last looked at.
#[derive(Debug, Default)]
pub(crate) struct MemoryChecks {
    last: Mutex<Option<Duration>>,
}

impl MemoryChecks {
    /// It is looked at now.
    pub(crate) fn note(&self, now: Duration) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    pub(crate) fn last(&self) -> Option<Duration> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
