//! The nearest points of several sources: by distance, then by id.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use vectorizer_model::PointId;

use crate::leaf::Hit;

/// Keeps the nearest hits that are not too far.
#[derive(Debug)]
pub(crate) struct NearestHits {
    limit: usize,
    distance_below: Option<f32>,
    heap: BinaryHeap<ByDistance>,
}

#[derive(Debug, PartialEq)]
struct ByDistance(Hit);

impl Eq for ByDistance {}

impl Ord for ByDistance {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.distance.total_cmp(&other.0.distance).then(self.0.id.cmp(&other.0.id))
    }
}

impl PartialOrd for ByDistance {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl NearestHits {
    pub(crate) fn new(limit: usize, distance_below: Option<f32>) -> Self {
        Self { limit, distance_below, heap: BinaryHeap::with_capacity(limit.min(4096) + 1) }
    }

    /// Whether a hit at this distance could be kept.
    #[inline]
    pub(crate) fn admits(&self, distance: f32) -> bool {
        let open = self.heap.len() < self.limit;
        let near = || self.heap.peek().is_some_and(|far| distance <= far.0.distance);
        self.distance_below.is_none_or(|bound| distance < bound) && (open || near())
    }

    #[inline]
    pub(crate) fn push(&mut self, distance: f32, id: PointId) {
        // Sums that overflow in both directions have no value; such a row is as far as can be.
        let distance = if distance.is_nan() { f32::INFINITY } else { distance };
        if !self.admits(distance) {
            return;
        }
        self.heap.push(ByDistance(Hit { id, distance }));
        if self.heap.len() > self.limit {
            self.heap.pop();
        }
    }

    /// Nearest first, ties by id.
    pub(crate) fn into_sorted(self) -> Vec<Hit> {
        self.heap.into_sorted_vec().into_iter().map(|by_distance| by_distance.0).collect()
    }
}
