//! Recall and speed where a share of the rows matches a filter, on default settings.

use std::fmt;

use anyhow::{Result, bail, ensure};
use serde::Serialize;
use vectorizer_engine::Scratch;
use vectorizer_model::PointId;

use crate::args::Args;
use crate::latency::{HEADER, Latency, closed_loop};
use crate::query;
use crate::source::{BUCKETS, Payloads, Source};
use crate::store::Store;
use crate::write::{Filled, bar};

/// Buckets of [`BUCKETS`] that the filters admit: 100, 50, 10, 1 and 0.1 percent of the rows.
const ADMITTED: [u32; 5] = [BUCKETS, BUCKETS / 2, BUCKETS / 10, BUCKETS / 100, BUCKETS / 1000];

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    data: String,
    rows: usize,
    dim: usize,
    k: usize,
    filled: Option<Filled>,
    shares: Vec<Share>,
    config: serde_json::Value,
}

#[derive(Debug, Serialize)]
struct Share {
    /// What the filter is made to admit; 100 is a search without one.
    percent: f64,
    matching_rows: usize,
    recall: f64,
    latency: Latency,
}

pub(crate) fn run(args: &Args) -> Result<Report> {
    let source = Source::load(args)?;
    let store = Store::prepare(args, &source, Payloads::Bucket)?;
    let base = source.base();
    let view = store.engine.view(&store.name)?;
    let mut scratch = Scratch::new();
    let mut shares = Vec::new();
    let progress = bar(ADMITTED.len() as u64, "filtered", args);
    for bound in ADMITTED {
        let admits = |row: u32| Source::bucket(row.into()) < bound;
        let truth = source.truth_among(&base, args.k, admits);
        let mut searches = query::plain_searches(&source, args.k);
        if bound < BUCKETS {
            for search in &mut searches {
                search.filter = query::below(bound);
            }
        }
        let answers: Result<Vec<_>, _> =
            searches.iter().map(|search| view.search(search, &mut scratch)).collect();
        let answers = answers?;
        // Recall counts what is near enough, so it would praise a near row that does not match.
        for hit in answers.iter().flatten() {
            let PointId::Num(row) = hit.id else { bail!("point {} was never stored", hit.id) };
            ensure!(Source::bucket(row) < bound, "point {row} does not match the filter");
        }
        let rows = u32::try_from(source.rows).unwrap_or(u32::MAX);
        shares.push(Share {
            percent: f64::from(bound) * 100.0 / f64::from(BUCKETS),
            matching_rows: (0..rows).filter(|row| admits(*row)).count(),
            recall: query::recall(&source, &base, &answers, (&truth, args.k)),
            latency: closed_loop(args.seconds, |number| {
                view.search(&searches[number % searches.len()], &mut scratch)?;
                Ok(())
            })?,
        });
        progress.inc(1);
    }
    progress.finish_and_clear();
    drop(view);
    let filled = store.filled.clone();
    store.close()?;
    Ok(Report {
        data: source.name.clone(),
        rows: source.rows,
        dim: source.dim,
        k: args.k,
        filled,
        shares,
        config: args.config(),
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} vectors of {} components", self.data, self.rows, self.dim)?;
        if let Some(filled) = &self.filled {
            writeln!(f, "{filled}")?;
        }
        let at = format!("recall@{}", self.k);
        write!(f, "{:>10} {:>10} {at:>9}{HEADER}", "percent", "rows")?;
        for Share { percent, matching_rows, recall, latency } in &self.shares {
            write!(f, "\n{percent:>10} {matching_rows:>10} {recall:>9.4}{latency}")?;
        }
        Ok(())
    }
}
