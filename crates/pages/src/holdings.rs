//! The reservations behind a pool's capacity.

use std::sync::{Arc, Mutex};

use vectorizer_memory::{Class, Governor, Reservation, Tenant};

use crate::config::Growth;
use crate::lock::lock;

/// Taken at once where there is so much to spare, so that misses seldom ask.
const STEP_BYTES: u64 = 1 << 20;

/// What a pool has reserved, and what more it may.
#[derive(Debug)]
pub(crate) struct Holdings {
    /// Kept as long as the pool is open, so that a search has room for its steps.
    floor: Reservation,
    more: Mutex<More>,
    growth: Growth,
    governor: Arc<Governor>,
}

/// What is given back when others need it.
#[derive(Debug)]
struct More {
    /// Within what caches may hold.
    cached: Reservation,
    /// Beyond.
    borrowed: Reservation,
}

impl Holdings {
    /// Reserves the floor.
    pub(crate) fn new(
        governor: &Arc<Governor>,
        floor: u64,
        growth: Growth,
    ) -> vectorizer_memory::Result<Self> {
        let take = |class, bytes| governor.reserve(class, &Tenant::system(), bytes);
        let cached = take(Class::IndexPages, 0)?;
        let borrowed = take(Class::BorrowedPages, 0)?;
        let (floor, governor) = (take(Class::Collections, floor)?, Arc::clone(governor));
        Ok(Self { floor, more: Mutex::new(More { cached, borrowed }), growth, governor })
    }

    pub(crate) fn floor(&self) -> u64 {
        self.floor.bytes()
    }

    /// Bytes that can be given back.
    pub(crate) fn reclaimable(&self) -> u64 {
        let more = lock(&self.more);
        more.cached.bytes() + more.borrowed.bytes()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.floor() + self.reclaimable()
    }

    /// Whether so many bytes more are to be had.
    pub(crate) fn can_grow(&self, bytes: u64) -> bool {
        match self.growth {
            Growth::None => false,
            Growth::Cache { headroom } | Growth::Borrow { headroom } => {
                self.governor.available() >= bytes.saturating_add(headroom)
            }
        }
    }

    /// Takes `bytes` or a little more; how many, if there are so many to spare. Never waits.
    pub(crate) fn grow(&self, bytes: u64) -> Option<u64> {
        let step = bytes.max(STEP_BYTES);
        let step = if self.can_grow(step) { step } else { bytes };
        if !self.can_grow(step) {
            return None;
        }
        let mut more = self.more.try_lock().ok()?;
        let borrows = matches!(self.growth, Growth::Borrow { .. });
        let grown =
            more.cached.try_grow(step).is_ok() || (borrows && more.borrowed.try_grow(step).is_ok());
        grown.then_some(step)
    }

    /// Releases `bytes` that the pool no longer holds, borrowed ones first.
    pub(crate) fn shrink(&self, bytes: u64) {
        let mut more = lock(&self.more);
        let borrowed = bytes.min(more.borrowed.bytes());
        more.borrowed.shrink(borrowed);
        let cached = (bytes - borrowed).min(more.cached.bytes());
        more.cached.shrink(cached);
    }
}
