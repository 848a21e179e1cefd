//! All figures of a run, and whether the promise was kept.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::cgroup::Counted;
use crate::checkpoint::Checkpoint;
use crate::preload::Preloaded;
use crate::slope::{Slope, slopes};
use crate::tally::Figures;
use crate::watch::Seen;

/// Within this time a request that is sent again and again is admitted.
const LONGEST_REFUSED_MS: f64 = 10_000.0;

#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) scenario: String,
    pub(crate) budget_bytes: u64,
    pub(crate) container_bytes: Option<u64>,
    pub(crate) data_bytes: u64,
    pub(crate) seconds: f64,
    pub(crate) preloaded: Option<Preloaded>,
    /// Until everything was acknowledged.
    pub(crate) ingest_seconds: Option<f64>,
    pub(crate) requests: BTreeMap<&'static str, Figures>,
    pub(crate) broken: Vec<String>,
    pub(crate) seen: Seen,
    pub(crate) counted: Option<Counted>,
    pub(crate) lost: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) soak: Option<Soak>,
}

/// What became of a steady load.
#[derive(Debug, Serialize)]
pub(crate) struct Soak {
    pub(crate) slopes: Vec<Slope>,
    checkpoints: Vec<Checkpoint>,
}

impl Soak {
    pub(crate) fn new(checkpoints: Vec<Checkpoint>, budget: u64) -> Self {
        Self { slopes: slopes(&checkpoints, budget), checkpoints }
    }
}

impl Report {
    /// Whether the promise was kept.
    pub(crate) fn check(&self) -> Result<()> {
        let mut broken = self.broken.clone();
        broken.extend(self.lost.clone());
        let most = self.budget_bytes + self.budget_bytes / 20;
        if self.seen.anonymous > most {
            broken.push(format!("{} anonymous bytes", self.seen.anonymous));
        }
        if self.seen.booked > self.budget_bytes {
            broken.push(format!("{} bytes reserved", self.seen.booked));
        }
        if self.seen.told <= self.seen.silent {
            let (told, silent) = (self.seen.told, self.seen.silent);
            broken.push(format!("it told of itself {told} times and did not {silent} times"));
        }
        if let Some(Counted { limit_hits, oom_kills, .. }) = self.counted
            && limit_hits + oom_kills > 0
        {
            broken.push(format!(
                "the container's limit was met {limit_hits} times, {oom_kills} processes were killed"
            ));
        }
        for (kind, figures) in &self.requests {
            if figures.answered == 0 {
                broken.push(format!("no {kind} was answered"));
            }
            if figures.longest_refused_ms > LONGEST_REFUSED_MS {
                let waited = figures.longest_refused_ms;
                broken.push(format!("a {kind} was refused again and again for {waited:.0} ms"));
            }
        }
        if let Some(soak) = &self.soak {
            ensure!(!soak.slopes.is_empty(), "too few checkpoints; give less for --checkpoint");
            let steep = soak.slopes.iter().filter(|slope| slope.is_steep());
            broken.extend(steep.map(ToString::to_string));
        }
        self.requests.get("search").context("nobody searched")?;
        ensure!(broken.is_empty(), "the promise was broken: {broken:#?}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Break = fn(&mut Report);

    fn figures(answered: usize, longest_refused_ms: f64) -> Figures {
        let (per_second, p50_ms, p99_ms, max_ms) = Default::default();
        let refused = BTreeMap::new();
        Figures { answered, per_second, p50_ms, p99_ms, max_ms, refused, longest_refused_ms }
    }

    fn kept() -> Report {
        Report {
            budget_bytes: 100,
            seen: Seen { anonymous: 105, booked: 100, told: 1, ..Seen::default() },
            counted: Some(Counted::default()),
            requests: [("search", figures(1, 10_000.0))].into(),
            ..Report::default()
        }
    }

    #[test]
    fn each_way_to_break_the_promise_is_told() {
        assert!(kept().check().is_ok());
        let breaks: [(Break, &str); 9] = [
            (|report| report.seen.anonymous = 106, "106 anonymous"),
            (|report| report.seen.booked = 101, "101 bytes reserved"),
            (|report| report.seen.told = 0, "told of itself 0 times"),
            (
                |report| report.counted = Some(Counted { limit_hits: 3, ..Counted::default() }),
                "met 3",
            ),
            (
                |report| report.counted = Some(Counted { oom_kills: 1, ..Counted::default() }),
                ", 1 processes",
            ),
            (|report| report.lost = Some("point 7".to_owned()), "point 7"),
            (|report| report.broken = vec!["search: 500".to_owned()], "search: 500"),
            (|report| drop(report.requests.insert("write", figures(0, 0.0))), "no write"),
            (|report| drop(report.requests.insert("write", figures(1, 10_001.0))), "a write was"),
        ];
        for (break_it, told) in breaks {
            let mut report = kept();
            break_it(&mut report);
            let error = report.check().unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
        let mut nobody = kept();
        nobody.requests.clear();
        assert!(nobody.check().is_err());
    }
}
