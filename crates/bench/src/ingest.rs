//! Rates of bulk writes with either durability, until acknowledged and until indexed.

use std::fmt;

use anyhow::Result;
use serde::Serialize;
use vectorizer_model::bytes::ByteCount;

use crate::args::{Args, DurabilityName};
use crate::source::{Payloads, Source};
use crate::store::{Folder, Store, disk_bytes, memory, resident_peak, restart_peak};
use crate::write::Filled;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    data: String,
    rows: usize,
    dim: usize,
    runs: Vec<Run>,
    config: serde_json::Value,
}

#[derive(Debug, Serialize)]
struct Run {
    durability: &'static str,
    #[serde(flatten)]
    filled: Filled,
    /// Files, the log's among them, once everything is indexed.
    disk_bytes: u64,
    rss_before_bytes: u64,
    /// The peak from opening the folder until everything is indexed.
    rss_bytes: u64,
}

pub(crate) fn run(args: &Args) -> Result<Report> {
    let source = Source::load(args)?;
    let durabilities = [DurabilityName::Os, DurabilityName::Fsync];
    let runs = durabilities.map(|durability| measure(args, &source, durability));
    Ok(Report {
        data: source.name.clone(),
        rows: source.rows,
        dim: source.dim,
        runs: runs.into_iter().collect::<Result<_>>()?,
        config: args.config(),
    })
}

/// Fills a folder of its own, on the disk of `--folder`.
fn measure(args: &Args, source: &Source, durability: DurabilityName) -> Result<Run> {
    restart_peak();
    let rss_before_bytes = memory()?.resident;
    let what = (source, Payloads::None);
    let mut store = Store::prepare_in(Folder::scratch(args)?, args, durability.into(), what)?;
    let rss_bytes = resident_peak()?;
    let disk_bytes = disk_bytes(store.folder.path())?;
    let filled = store.filled.take().ok_or_else(|| anyhow::anyhow!("a scratch folder was full"))?;
    store.close()?;
    Ok(Run { durability: durability.word(), filled, disk_bytes, rss_before_bytes, rss_bytes })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} vectors of {} components", self.data, self.rows, self.dim)?;
        for run in &self.runs {
            let (before, peak) = (ByteCount(run.rss_before_bytes), ByteCount(run.rss_bytes));
            write!(f, "\ndurability {}\n{}", run.durability, run.filled)?;
            write!(f, "\nmemory    {peak} peak, {before} before the folder was opened")?;
            write!(f, "\ndisk      {}, the log included", ByteCount(run.disk_bytes))?;
        }
        Ok(())
    }
}
