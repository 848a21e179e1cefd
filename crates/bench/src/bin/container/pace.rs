//! Requests at a steady rate.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Turns that were missed longer ago are not made up for: what follows a pause is no burst.
const SLACK: Duration = Duration::from_secs(1);
/// How long is slept at once, so that whoever is told to stop does.
const NAP: Duration = Duration::from_millis(100);

/// Gives turns to all who share it, so many a second; without a rate whoever asks has one.
#[derive(Debug)]
pub(crate) struct Pace {
    each: Option<Duration>,
    next: Mutex<Instant>,
}

impl Pace {
    pub(crate) fn new(per_second: Option<f64>) -> Self {
        let each = per_second.filter(|rate| *rate > 0.0).map(|rate| 1.0 / rate);
        Self { each: each.map(Duration::from_secs_f64), next: Mutex::new(Instant::now()) }
    }

    /// Waits for the next turn, or until told to stop.
    pub(crate) fn wait(&self, stopped: impl Fn() -> bool) {
        let Some(due) = self.due(Instant::now()) else { return };
        while let Some(left) = due.checked_duration_since(Instant::now())
            && !stopped()
        {
            thread::sleep(left.min(NAP));
        }
    }

    fn due(&self, now: Instant) -> Option<Instant> {
        let each = self.each?;
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let due = now.checked_sub(SLACK).map_or(*next, |oldest| oldest.max(*next));
        *next = due + each;
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_even_and_a_pause_is_not_made_up_for() {
        let pace = Pace::new(Some(10.0));
        let start = Instant::now();
        let first = pace.due(start).unwrap();
        assert_eq!(pace.due(start).unwrap() - first, Duration::from_millis(100));
        assert_eq!(pace.due(start).unwrap() - first, Duration::from_millis(200));
        let later = start + Duration::from_mins(1);
        let after = pace.due(later).unwrap();
        assert_eq!(later - after, SLACK);
        assert_eq!(pace.due(later).unwrap() - after, Duration::from_millis(100));
        assert_eq!(Pace::new(None).due(start), None);
    }

    #[test]
    fn whoever_is_stopped_does_not_wait_for_a_turn() {
        let pace = Pace::new(Some(0.001));
        pace.wait(|| false);
        pace.wait(|| true);
    }
}
