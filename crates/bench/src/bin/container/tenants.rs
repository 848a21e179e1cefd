//! The collections under load, and which of their points there must be.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Ids of one collection begin at a multiple of this, so that no two vectors are equal.
const KEYS_EACH: u64 = 1 << 32;

/// One collection. Points are written in the order of their ids and deleted in the same order, so
/// those there are a range.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) number: u64,
    /// The first that was not deleted.
    low: AtomicU64,
    /// The first that was not acknowledged.
    high: AtomicU64,
    writing: Mutex<()>,
    deleting: Mutex<()>,
}

impl Tenant {
    pub(crate) fn new(number: u64, points: u64) -> Self {
        let (low, high) = (AtomicU64::new(0), AtomicU64::new(points));
        Self { number, low, high, writing: Mutex::default(), deleting: Mutex::default() }
    }

    pub(crate) fn collection(&self) -> String {
        format!("tenant-{}", self.number)
    }

    /// The key of a point's vector.
    pub(crate) fn key(&self, id: u64) -> u64 {
        self.number * KEYS_EACH + id
    }

    pub(crate) fn low(&self) -> u64 {
        self.low.load(SeqCst)
    }

    pub(crate) fn high(&self) -> u64 {
        self.high.load(SeqCst)
    }

    pub(crate) fn points(&self) -> u64 {
        self.high().saturating_sub(self.low())
    }

    /// Runs the one write of this collection at a time; it says how many it had acknowledged.
    pub(crate) fn write(&self, write: impl FnOnce(u64) -> u64) {
        let _one = lock(&self.writing);
        let written = write(self.high());
        self.high.fetch_add(written, SeqCst);
    }

    /// Runs the one delete at a time of up to `count` points, which end before the write under
    /// way. It says whether it was acknowledged in the end; until then nobody may miss them.
    pub(crate) fn delete(&self, count: u64, delete: impl FnOnce(u64, u64) -> bool) {
        let _one = lock(&self.deleting);
        let (from, to) = (self.low(), self.high().min(self.low() + count));
        if from < to && delete(from, to) {
            self.low.store(to, SeqCst);
        }
    }
}

fn lock(mutex: &Mutex<()>) -> MutexGuard<'_, ()> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
