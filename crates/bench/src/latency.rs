//! How long calls take: one after the other, and at a fixed rate.
//!
//! A closed loop asks again when the answer is there, so that one slow answer delays those after it
//! and hides what they would have waited. An open loop asks by the clock, whether or not the answer
//! before is there, and counts from the time when a call was due (Tene: coordinated omission).

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

/// This long before a call is due its thread stops sleeping: a sleep ends late by as much.
const WAKE_EARLY: Duration = Duration::from_micros(150);
/// The open loop's rate as a share of the closed loop's, unless it is given: far from full, so that
/// waiting comes from slow answers and not from too many questions.
const OPEN_SHARE: f64 = 0.1;

/// How long calls took.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Latency {
    pub(crate) calls: usize,
    /// Calls per second that were answered.
    pub(crate) qps: f64,
    pub(crate) p50_us: f64,
    pub(crate) p95_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) max_us: f64,
    /// Calls of an open loop that were due but not begun at its end. They count among the times
    /// above with what they had waited by then, which is too little.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) unanswered: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Latency {
    /// What samples in microseconds come to.
    pub(crate) fn of(mut samples: Vec<f64>, elapsed: Duration) -> Self {
        samples.sort_by(f64::total_cmp);
        // The smallest sample that so many percent of all do not exceed.
        let at = |percent: usize| {
            let rank = (samples.len() * percent).div_ceil(100).max(1);
            samples.get(rank - 1).copied().unwrap_or(f64::NAN)
        };
        Self {
            calls: samples.len(),
            qps: samples.len() as f64 / elapsed.as_secs_f64(),
            p50_us: at(50),
            p95_us: at(95),
            p99_us: at(99),
            max_us: at(100),
            unanswered: 0,
        }
    }
}

pub(crate) const HEADER: &str = "     calls        QPS    p50 us    p95 us    p99 us    max us";

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>10} {:>10.0} {:>9.1} {:>9.1} {:>9.1} {:>9.0}",
            self.calls, self.qps, self.p50_us, self.p95_us, self.p99_us, self.max_us
        )?;
        if self.unanswered > 0 {
            write!(f, "  {} not answered in time: too high a rate", self.unanswered)?;
        }
        Ok(())
    }
}

/// The same calls both ways.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Loops {
    pub(crate) closed: Latency,
    /// Calls per second that were due in the open loop.
    pub(crate) open_rate: f64,
    pub(crate) open: Latency,
}

impl Loops {
    /// Runs a closed loop and then an open one: at `rate`, or at a share of the closed one's.
    pub(crate) fn run(
        seconds: f64,
        rate: Option<f64>,
        mut call: impl FnMut(usize) -> Result<()>,
    ) -> Result<Self> {
        let closed = closed_loop(seconds, &mut call)?;
        let open_rate = rate.unwrap_or(closed.qps * OPEN_SHARE).max(1.0);
        let open = open_loop(open_rate, seconds, &mut call)?;
        Ok(Self { closed, open_rate, open })
    }
}

impl fmt::Display for Loops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = format!("open, {:.0}/s", self.open_rate);
        writeln!(f, "{:<16}{HEADER}", "loop")?;
        writeln!(f, "{:<16}{}", "closed", self.closed)?;
        write!(f, "{name:<16}{}", self.open)
    }
}

/// Calls one after the other for so many seconds, at least once.
pub(crate) fn closed_loop(
    seconds: f64,
    mut call: impl FnMut(usize) -> Result<()>,
) -> Result<Latency> {
    let started = Instant::now();
    let mut samples = Vec::new();
    while samples.is_empty() || started.elapsed().as_secs_f64() < seconds {
        let asked = Instant::now();
        call(samples.len())?;
        samples.push(microseconds(asked.elapsed()));
    }
    Ok(Latency::of(samples, started.elapsed()))
}

/// So many calls one after the other.
pub(crate) fn repeat(calls: usize, mut call: impl FnMut(usize) -> Result<()>) -> Result<Latency> {
    let started = Instant::now();
    let mut samples = Vec::with_capacity(calls);
    for number in 0..calls {
        let asked = Instant::now();
        call(number)?;
        samples.push(microseconds(asked.elapsed()));
    }
    Ok(Latency::of(samples, started.elapsed()))
}

/// Calls at a fixed rate for so many seconds, at least once; times count from when a call was due.
pub(crate) fn open_loop(
    rate: f64,
    seconds: f64,
    mut call: impl FnMut(usize) -> Result<()>,
) -> Result<Latency> {
    let started = Instant::now();
    let end = started + Duration::from_secs_f64(seconds);
    let dues = (0_u32..).map(|number| started + Duration::from_secs_f64(f64::from(number) / rate));
    let mut dues = dues.take_while(|due| *due <= started || *due < end);
    let mut samples = Vec::new();
    while samples.is_empty() || Instant::now() < end {
        let Some(due) = dues.next() else { break };
        wait_until(due);
        call(samples.len())?;
        samples.push(microseconds(due.elapsed()));
    }
    let (elapsed, answered) = (started.elapsed(), samples.len());
    samples.extend(dues.map(|due| microseconds(due.elapsed())));
    let latency = Latency::of(samples, elapsed);
    Ok(Latency {
        qps: answered as f64 / elapsed.as_secs_f64(),
        unanswered: latency.calls - answered,
        ..latency
    })
}

fn wait_until(due: Instant) {
    if let Some(sleep) = due.checked_duration_since(Instant::now() + WAKE_EARLY) {
        std::thread::sleep(sleep);
    }
    while Instant::now() < due {
        std::hint::spin_loop();
    }
}

pub(crate) fn microseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_by_rank() {
        let of = |samples: &[f64]| Latency::of(samples.to_vec(), Duration::from_secs(2));
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        let latency = of(&hundred);
        let found = [latency.p50_us, latency.p95_us, latency.p99_us, latency.max_us, latency.qps];
        assert_eq!(found.map(|value| format!("{value:.0}")), ["50", "95", "99", "100", "50"]);
        assert!((of(&[7.0]).p50_us - 7.0).abs() < f64::EPSILON);
    }

    #[test]
    fn calls_that_a_full_open_loop_never_made_are_counted() {
        let slow = |_| {
            std::thread::sleep(Duration::from_millis(10));
            Ok(())
        };
        let latency = open_loop(1000.0, 0.1, slow).unwrap();
        assert_eq!(latency.calls, 100);
        assert!(latency.unanswered >= 85, "{latency}");
        assert!(latency.p50_us > 10_000.0 && latency.qps <= 100.0, "{latency}");
    }

    /// One call that takes 60 ms delays those that fall due meanwhile; a closed loop sees one.
    #[test]
    fn an_open_loop_counts_the_wait_behind_a_slow_call() {
        let slow = |number: usize| {
            if number == 3 {
                std::thread::sleep(Duration::from_millis(60));
            }
            Ok(())
        };
        let open = open_loop(1000.0, 0.1, slow).unwrap();
        assert_eq!(open.calls, 100);
        assert!(open.p50_us >= 5_000.0, "{open}");
        // Even if this machine stops for a moment, most calls of a closed loop take no time.
        assert!(closed_loop(0.1, slow).unwrap().p50_us < 5_000.0);
    }
}
