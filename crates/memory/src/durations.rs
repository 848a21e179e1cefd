//! How long things took, counted by fixed bounds: what is observed allocates nothing.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The bounds: a duration counts at the first that it does not exceed.
const BOUNDS: [Duration; 11] = [
    Duration::from_micros(10),
    Duration::from_micros(50),
    Duration::from_micros(250),
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(25),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

/// Counts of durations; each counter stands for itself.
#[derive(Debug, Default)]
pub(crate) struct Durations {
    within: [AtomicU64; BOUNDS.len()],
    beyond: AtomicU64,
    nanos: AtomicU64,
}

/// What was observed since the start or the last reset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurationCounts {
    /// How many lasted so long at most, and longer than the bound before.
    pub within: [(Duration, u64); BOUNDS.len()],
    /// How many lasted longer than all bounds.
    pub beyond: u64,
    /// How long all lasted together.
    pub sum: Duration,
}

impl Durations {
    pub(crate) fn observe(&self, lasted: Duration) {
        let at = BOUNDS.iter().position(|bound| lasted <= *bound);
        let counter = at.map_or(&self.beyond, |at| &self.within[at]);
        counter.fetch_add(1, Relaxed);
        self.nanos.fetch_add(u64::try_from(lasted.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn counts(&self) -> DurationCounts {
        DurationCounts {
            within: std::array::from_fn(|at| (BOUNDS[at], self.within[at].load(Relaxed))),
            beyond: self.beyond.load(Relaxed),
            sum: Duration::from_nanos(self.nanos.load(Relaxed)),
        }
    }

    pub(crate) fn reset(&self) {
        let others = [&self.beyond, &self.nanos];
        self.within.iter().chain(others).for_each(|counter| counter.store(0, Relaxed));
    }
}

impl DurationCounts {
    /// How many were observed.
    pub fn count(&self) -> u64 {
        self.within.iter().map(|(_, count)| count).sum::<u64>() + self.beyond
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_at_the_first_bound_that_it_does_not_exceed() {
        let durations = Durations::default();
        for millis in [0, 1, 2, 5, 6_000] {
            durations.observe(Duration::from_millis(millis));
        }
        let counts = durations.counts();
        let counted: Vec<(Duration, u64)> =
            counts.within.into_iter().filter(|(_, count)| *count > 0).collect();
        let expected = [(10_000, 1), (1_000_000, 1), (5_000_000, 2)];
        assert_eq!(counted, expected.map(|(nanos, count)| (Duration::from_nanos(nanos), count)));
        assert_eq!((counts.beyond, counts.count()), (1, 5));
        assert_eq!(counts.sum, Duration::from_millis(6_008));
        durations.reset();
        assert_eq!((durations.counts().count(), durations.counts().sum), (0, Duration::ZERO));
    }
}
