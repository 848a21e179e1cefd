//! The reservations behind a pool's capacity.

use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vectorizer_memory::{Class, Governor, Reservation, Tenant};

use crate::config::Growth;

/// Taken at once where there is so much to spare, so that misses seldom ask.
const STEP_BYTES: u64 = 1 << 20;
/// Where caches are warned of, unless that is told.
const LINE: u16 = 800;

/// What a pool has reserved, and what more it may.
#[derive(Debug)]
pub(crate) struct Holdings {
    /// Kept as long as the pool is open, so that a search has room for its steps.
    floor: Reservation,
    more: Mutex<More>,
    growth: Growth,
    governor: Arc<Governor>,
    /// Thousandths.
    line: AtomicU16,
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
        let more = Mutex::new(More { cached, borrowed });
        Ok(Self { floor, more, growth, governor, line: AtomicU16::new(LINE) })
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
        let cached = self.is_below_line(step);
        let mut more = self.more.try_lock().ok()?;
        let borrows = matches!(self.growth, Growth::Borrow { .. });
        let grown = (cached && more.cached.try_grow(step).is_ok())
            || (borrows && more.borrowed.try_grow(step).is_ok());
        grown.then_some(step)
    }

    /// Bytes held for a class.
    pub(crate) fn held(&self, class: Class) -> u64 {
        let more = lock(&self.more);
        if class == Class::BorrowedPages { more.borrowed.bytes() } else { more.cached.bytes() }
    }

    /// Where the caches are too full to grow among them, in thousandths of their limit.
    pub(crate) fn set_line(&self, permille: u16) {
        self.line.store(permille, Relaxed);
    }

    /// Whether all caches would stay below the line.
    fn is_below_line(&self, bytes: u64) -> bool {
        let limit = self.governor.limits().caches;
        let line = u128::from(limit) * u128::from(self.line.load(Relaxed)) / 1000;
        limit == u64::MAX || u128::from(self.governor.caches_used()) + u128::from(bytes) < line
    }

    /// Releases `bytes` that the pool no longer holds, those of one class first.
    pub(crate) fn shrink(&self, bytes: u64, first: Class) {
        let mut more = lock(&self.more);
        let More { cached, borrowed } = &mut *more;
        let (first, then) =
            if first == Class::BorrowedPages { (borrowed, cached) } else { (cached, borrowed) };
        let of_first = bytes.min(first.bytes());
        first.shrink(of_first);
        let of_then = (bytes - of_first).min(then.bytes());
        then.shrink(of_then);
    }
}

fn lock(more: &Mutex<More>) -> MutexGuard<'_, More> {
    more.lock().unwrap_or_else(PoisonError::into_inner)
}
