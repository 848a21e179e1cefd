//! Whether anything grows for hours: straight lines through checkpoints.

use std::fmt;

use serde::Serialize;

use crate::checkpoint::Checkpoint;

/// This part of the time is for warming up: caches fill, the first merges are done.
const WARM_UP_PART: f64 = 3.0;
/// A line through fewer checkpoints says nothing.
const CHECKPOINTS_MIN: usize = 8;
/// What memory may rise over the time that counts, in percent of the budget.
const MEMORY_PERCENT: f64 = 5.0;
/// What the disk in use may rise, in percent of its mean: merges make it go up and down.
const DISK_PERCENT: f64 = 10.0;
/// What the open files may rise.
const FILES: f64 = 32.0;
/// What the threads may rise.
const THREADS: f64 = 8.0;

/// How something changes with time.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Slope {
    pub(crate) what: &'static str,
    pub(crate) mean: f64,
    /// By least squares over all checkpoints after the warm-up.
    pub(crate) per_hour: f64,
    /// A steeper rise fails a check.
    pub(crate) most_per_hour: f64,
}

/// The slopes of all that should not grow; none if there are too few checkpoints.
pub(crate) fn slopes(checkpoints: &[Checkpoint], budget: u64) -> Vec<Slope> {
    let end = checkpoints.last().map_or(0.0, |last| last.seconds);
    let warm = |at: &&Checkpoint| at.seconds >= end / WARM_UP_PART;
    let counted: Vec<&Checkpoint> = checkpoints.iter().filter(warm).collect();
    if counted.len() < CHECKPOINTS_MIN {
        return Vec::new();
    }
    let hours = (end - counted[0].seconds) / 3600.0;
    let memory = budget as f64 / 100.0 * MEMORY_PERCENT;
    let slope = |what, value: fn(&Checkpoint) -> u64, rise: Option<f64>| {
        let of = |at: &&Checkpoint| (at.seconds / 3600.0, value(at) as f64);
        let points: Vec<(f64, f64)> = counted.iter().map(of).collect();
        let Line { mean, slope } = line(&points);
        let rise = rise.unwrap_or(mean / 100.0 * DISK_PERCENT);
        Slope { what, mean, per_hour: slope, most_per_hour: rise / hours }
    };
    vec![
        slope("bytes not cached", bytes_not_cached, Some(memory)),
        slope("drift bytes", |at| at.drift_bytes, Some(memory)),
        slope("unreclaimable bytes", |at| at.unreclaimable_bytes, Some(memory)),
        slope("disk bytes", |at| at.disk_bytes, None),
        slope("open files", |at| at.open_files, Some(FILES)),
        slope("threads", |at| at.threads, Some(THREADS)),
    ]
}

/// Anonymous bytes beside those of caches and page frames, which take what is free.
fn bytes_not_cached(at: &Checkpoint) -> u64 {
    let cached = at.held_bytes.saturating_sub(at.unreclaimable_bytes);
    at.anonymous_bytes.saturating_sub(cached)
}

impl Slope {
    pub(crate) fn is_steep(&self) -> bool {
        self.per_hour > self.most_per_hour
    }
}

impl fmt::Display for Slope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, mean, per_hour, most_per_hour } = self;
        let word = if self.is_steep() { "STEEP" } else { "ok" };
        write!(
            f,
            "{what:<20} mean {mean:>14.0}  slope {per_hour:>+14.1} per hour  \
             (at most {most_per_hour:.1})  {word}"
        )
    }
}

#[derive(Debug, PartialEq)]
struct Line {
    mean: f64,
    slope: f64,
}

/// The straight line with the least squares of vertical distances. The slope of points above one
/// another is 0.
fn line(points: &[(f64, f64)]) -> Line {
    let count = points.len() as f64;
    let mean_of = |pick: fn(&(f64, f64)) -> f64| points.iter().map(pick).sum::<f64>() / count;
    let (x_mean, mean) = (mean_of(|point| point.0), mean_of(|point| point.1));
    let both: f64 = points.iter().map(|(x, y)| (x - x_mean) * (y - mean)).sum();
    let squares: f64 = points.iter().map(|(x, _)| (x - x_mean).powi(2)).sum();
    Line { mean, slope: if squares > 0.0 { both / squares } else { 0.0 } }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An hour, with what is held in each minute of it.
    fn run(anonymous: impl Fn(u32) -> u32) -> Vec<Checkpoint> {
        let at = |minute: u32| {
            let anonymous_bytes = anonymous(minute).into();
            Checkpoint {
                seconds: f64::from(minute) * 60.0,
                anonymous_bytes,
                ..Checkpoint::default()
            }
        };
        (1..=60).map(at).collect()
    }

    #[test]
    fn a_line_goes_through_its_points() {
        assert_eq!(line(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]), Line { mean: 3.0, slope: 2.0 });
        assert_eq!(line(&[(0.0, 4.0), (1.0, 0.0), (2.0, 4.0)]).slope.to_bits(), 0_f64.to_bits());
        assert_eq!(line(&[(1.0, 4.0), (1.0, 6.0)]).slope.to_bits(), 0_f64.to_bits());
    }

    #[test]
    fn a_leak_is_steep_and_what_goes_up_and_down_is_not() {
        let budget = 256_000_000;
        // 30 MB in an hour; two thirds of it count, which may gain 12.8 MB.
        let leak = slopes(&run(|minute| 100_000_000 + minute * 500_000), budget);
        assert_eq!(leak[0].what, "bytes not cached");
        assert!((leak[0].per_hour - 3e7).abs() < 1e3, "{}", leak[0]);
        assert!(leak[0].is_steep() && leak[0].to_string().ends_with("STEEP"));
        assert!(leak[1..].iter().all(|slope| !slope.is_steep()), "{leak:?}");
        let sawtooth = slopes(&run(|minute| 100_000_000 + minute % 5 * 6_000_000), budget);
        assert!(sawtooth.iter().all(|slope| !slope.is_steep()), "{sawtooth:?}");
        let warming_up = slopes(&run(|minute| 6_000_000 * minute.min(18)), budget);
        assert!(!warming_up[0].is_steep(), "{}", warming_up[0]);
        // Frames that fill up are no leak.
        let mut filling = run(|minute| 100_000_000 + minute * 500_000);
        for at in &mut filling {
            at.held_bytes = at.anonymous_bytes;
        }
        assert!(!slopes(&filling, budget)[0].is_steep());
        // A leak is drift, which is held and cannot be given back.
        let mut leak = run(|minute| 100_000_000 + minute * 500_000);
        for at in &mut leak {
            at.drift_bytes = at.anonymous_bytes - 100_000_000;
            at.unreclaimable_bytes = 40_000_000 + at.drift_bytes;
            at.held_bytes = at.anonymous_bytes;
        }
        let leak = slopes(&leak, budget);
        assert!((leak[0].per_hour - 3e7).abs() < 1e3, "{}", leak[0]);
        assert_eq!(slopes(&run(|_| 1)[..9], budget).len(), 0, "too few");
    }
}
