//! The segments of a shard that background work is at: others leave them alone.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use vectorizer_model::SegmentId;

/// The busy segments of one shard.
#[derive(Debug, Default)]
pub(crate) struct Busy(Mutex<BTreeSet<SegmentId>>);

/// Segments that are busy until this is dropped.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    busy: &'a Busy,
    segments: Vec<SegmentId>,
}

impl Busy {
    /// Makes those segments busy that are chosen with the busy ones in view, and passes on what
    /// was chosen besides.
    pub(crate) fn take<T>(
        &self,
        choose: impl FnOnce(&BTreeSet<SegmentId>) -> Option<(Vec<SegmentId>, T)>,
    ) -> Option<(Held<'_>, T)> {
        let mut busy = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (segments, chosen) = choose(&busy)?;
        busy.extend(&segments);
        Some((Held { busy: self, segments }, chosen))
    }
}

impl Held<'_> {
    /// Leaves those segments busy for as long as the engine is open.
    pub(crate) fn keep(mut self, left_alone: impl Fn(SegmentId) -> bool) {
        self.segments.retain(|id| !left_alone(*id));
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut busy = self.busy.0.lock().unwrap_or_else(PoisonError::into_inner);
        busy.retain(|id| !self.segments.contains(id));
    }
}
