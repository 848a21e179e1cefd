//! How fast writes are admitted while many rows wait for a graph.
//!
//! A row without a graph is scanned by every search of its collection, so what waits is bounded,
//! for the node as a whole and by what its page frames can hold. Beyond the bound writes go on at a
//! part of the rate at which rows get into graphs, and never stop for long.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use vectorizer_model::bytes::{KIB, MIB};

/// Beyond this many times the bound, writes bring half of the bytes that get into graphs: the
/// backlog shrinks. Up to there they bring as many.
const FAR_BEYOND: u64 = 2;
const SHARE_FAR_BEYOND: u64 = 2;
/// Bytes that are admitted each second though no row gets into a graph, so that nobody waits for
/// ever.
const FLOOR_PER_SECOND: u64 = 512 * KIB;
const MICROS_PER_SECOND: u64 = 1_000_000;
/// What is not used now can be used later up to so many bytes.
const CREDIT_MAX: i64 = MIB.cast_signed();
/// What was admitted too much is waited for up to so many bytes: about eight seconds at the floor.
const DEBT_MAX: i64 = 4 * MIB.cast_signed();

/// The vectors of a node that wait for a graph.
#[derive(Debug)]
pub(crate) struct Backlog {
    /// Beyond so many bytes writes are throttled.
    bytes_max: u64,
    bytes: AtomicU64,
    /// Shards with any.
    shards: AtomicUsize,
    throttle: Mutex<Throttle>,
}

/// What waits in one shard; taken off the node's when it is dropped.
#[derive(Debug)]
pub(crate) struct ShardBacklog {
    of_node: Arc<Backlog>,
    bytes: AtomicU64,
}

/// Bytes that may be written now.
#[derive(Debug, Default)]
struct Throttle {
    /// Negative where more was admitted than earned.
    allowance: i64,
    refilled: Option<Instant>,
}

impl Throttle {
    fn earn(&mut self, bytes: u64) {
        let sum = self.allowance.saturating_add_unsigned(bytes);
        self.allowance = sum.min(CREDIT_MAX);
    }

    fn spend(&mut self, bytes: u64) {
        let rest = self.allowance.saturating_sub_unsigned(bytes);
        self.allowance = rest.max(-DEBT_MAX);
    }

    fn admits(&mut self, now: Instant) -> bool {
        let since = self.refilled.replace(now).unwrap_or(now);
        let passed = now.saturating_duration_since(since).min(Duration::from_mins(1));
        let micros = u64::try_from(passed.as_micros()).unwrap_or(u64::MAX);
        let floor = FLOOR_PER_SECOND * micros / MICROS_PER_SECOND;
        if floor == 0 {
            self.refilled = Some(since);
        }
        self.earn(floor);
        self.allowance > 0
    }
}

impl Backlog {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            bytes: AtomicU64::new(0),
            shards: AtomicUsize::new(0),
            throttle: Mutex::default(),
        }
    }

    fn throttle<T>(&self, act: impl FnOnce(&mut Throttle) -> T) -> T {
        act(&mut self.throttle.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What waits, as a part of the bound.
    pub(crate) fn fullness(&self) -> f64 {
        self.bytes.load(Ordering::Acquire) as f64 / self.bytes_max.max(1) as f64
    }

    /// Bytes that wait.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Says that rows of so many bytes were linked into a graph.
    pub(crate) fn linked(&self, bytes: u64) {
        let far = self.bytes.load(Ordering::Relaxed) / FAR_BEYOND > self.bytes_max;
        let share = if far { SHARE_FAR_BEYOND } else { 1 };
        self.throttle(|throttle| throttle.earn(bytes / share));
    }
}

impl ShardBacklog {
    pub(crate) fn new(of_node: &Arc<Backlog>) -> Self {
        Self { of_node: Arc::clone(of_node), bytes: AtomicU64::new(0) }
    }

    /// Says how many bytes wait in this shard now.
    pub(crate) fn set(&self, bytes: u64) {
        let before = self.bytes.swap(bytes, Ordering::AcqRel);
        let node = &self.of_node;
        // One change at a time: the caller holds the applier's lock.
        node.bytes.fetch_add(bytes, Ordering::AcqRel);
        node.bytes.fetch_sub(before, Ordering::AcqRel);
        match (before, bytes) {
            (0, 1..) => node.shards.fetch_add(1, Ordering::AcqRel),
            (1.., 0) => node.shards.fetch_sub(1, Ordering::AcqRel),
            _ => return,
        };
    }

    /// Bytes that wait in this shard.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// Whether the node has too much waiting, and this shard its part of it.
    fn is_throttled(&self) -> bool {
        let node = &self.of_node;
        let shards = node.shards.load(Ordering::Acquire).max(1) as u64;
        node.bytes.load(Ordering::Acquire) > node.bytes_max
            && self.bytes() > node.bytes_max / shards
    }

    /// Whether a write may come now.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        !self.is_throttled() || self.of_node.throttle(|throttle| throttle.admits(now))
    }

    /// Notes a write of so many bytes.
    pub(crate) fn note_write(&self, bytes: u64) {
        if self.is_throttled() {
            self.of_node.throttle(|throttle| throttle.spend(bytes));
        }
    }
}

impl Drop for ShardBacklog {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_beyond_the_bound_follow_the_graphs() {
        let node = Arc::new(Backlog::new(10 * MIB));
        let shard = ShardBacklog::new(&node);
        let now = Instant::now();
        shard.set(10 * MIB);
        shard.note_write(MIB);
        assert!(shard.admits(now), "within the bound nothing counts");
        shard.set(11 * MIB);
        assert!(!shard.admits(now));
        node.linked(KIB);
        assert!(shard.admits(now));
        shard.note_write(KIB);
        assert!(!shard.admits(now), "as much as was linked");
        shard.set(21 * MIB);
        node.linked(2 * KIB);
        shard.note_write(KIB);
        assert!(!shard.admits(now), "far beyond the bound half");
        shard.set(0);
        assert!(shard.admits(now));
    }

    #[test]
    fn nobody_waits_for_ever() {
        let node = Arc::new(Backlog::new(0));
        let shard = ShardBacklog::new(&node);
        shard.set(MIB);
        let mut now = Instant::now();
        assert!(!shard.admits(now));
        shard.note_write(1 << 40);
        let mut waits = 0;
        while !shard.admits(now) {
            now += Duration::from_millis(250);
            waits += 1;
            assert!(waits <= 40, "ten seconds");
        }
        assert!(waits > 20, "debts are paid");
        // Looking often does not lose the parts of a byte.
        shard.note_write(KIB);
        for _ in 0..100_000 {
            now += Duration::from_nanos(100);
            shard.admits(now);
        }
        assert!(shard.admits(now));
    }

    #[test]
    fn who_has_less_than_its_part_is_not_throttled() {
        let node = Arc::new(Backlog::new(10 * MIB));
        let (flood, neighbour) = (ShardBacklog::new(&node), ShardBacklog::new(&node));
        flood.set(100 * MIB);
        neighbour.set(5 * MIB);
        let now = Instant::now();
        assert!(!flood.admits(now));
        assert!(neighbour.admits(now));
        drop(flood);
        neighbour.set(9 * MIB);
        assert!(neighbour.admits(now), "the flood is gone");
        neighbour.set(11 * MIB);
        assert!(!neighbour.admits(now));
    }
}
