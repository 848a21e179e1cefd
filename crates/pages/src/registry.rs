//! Which governed regions are open.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use crate::frames::Frames;
use crate::lock::lock;

/// Open regions by number; numbers are never used again.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<Regions>);

#[derive(Debug, Default)]
struct Regions {
    next: u64,
    open: BTreeMap<u64, Weak<Frames>>,
}

impl Registry {
    /// A number for a region about to open.
    pub(crate) fn number(&self) -> u64 {
        let mut regions = lock(&self.0);
        regions.next += 1;
        regions.next
    }

    /// Adds a region; forgets those that closed.
    pub(crate) fn insert(&self, frames: &Arc<Frames>) {
        let mut regions = lock(&self.0);
        regions.open.retain(|_, frames| frames.strong_count() > 0);
        regions.open.insert(frames.id, Arc::downgrade(frames));
    }

    pub(crate) fn get(&self, id: u64) -> Option<Arc<Frames>> {
        lock(&self.0).open.get(&id)?.upgrade()
    }

    /// The open region with the smallest number of at least `id`.
    pub(crate) fn from(&self, id: u64) -> Option<Arc<Frames>> {
        let regions = lock(&self.0);
        regions.open.range(id..).find_map(|(_, frames)| frames.upgrade())
    }
}
