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
        if let Some(Counted { limit_hits, oom_kills, .. }) = self.counted
            && limit_hits + oom_kills > 0
        {
            broken.push(format!("the container's limit was met {limit_hits} times"));
        }
        for (kind, figures) in &self.requests {
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
        let searches = self.requests.get("search").context("no search was answered")?;
        ensure!(searches.answered > 0, "no search was answered");
        ensure!(broken.is_empty(), "the promise was broken: {broken:#?}");
        Ok(())
    }
}
