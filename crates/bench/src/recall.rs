//! Recall and speed over candidate lists, with ingest, build, start, memory and disk.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use anyhow::Result;
use serde::Serialize;
use vectorizer_engine::{LeafSearch, ReadView, Scratch, SearchParams};
use vectorizer_model::bytes::ByteCount;
use vectorizer_testkit::data::Matrix;
use vectorizer_testkit::oracle::Neighbour;

use crate::args::Args;
use crate::latency::{self, Latency, Loops};
use crate::source::{Payloads, Source};
use crate::store::{Store, disk_bytes, resident_peak};
use crate::write::{Filled, bar};
use crate::{open, query};

/// Rounds of all queries; the median counts.
const ROUNDS: usize = 5;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    peer: &'static str,
    data: String,
    rows: usize,
    dim: usize,
    k: usize,
    #[serde(flatten)]
    filled: Option<Filled>,
    segments: usize,
    points: Vec<Point>,
    default_recall: f64,
    default: Loops,
    open_s: f64,
    first_answer_s: f64,
    rss_bytes: u64,
    rss_data_bytes: u64,
    disk_bytes: u64,
    component_bytes: BTreeMap<&'static str, u64>,
    config: serde_json::Value,
}

/// What one candidate list gave.
#[derive(Debug, Serialize)]
struct Point {
    ef: usize,
    recall: f64,
    qps: f64,
    p50_us: f64,
    p95_us: f64,
    p99_us: f64,
}

/// The answers that are right.
struct Oracle<'a> {
    source: &'a Source,
    base: &'a Matrix,
    truth: Vec<Vec<Neighbour>>,
    k: usize,
}

pub(crate) fn run(args: &Args) -> Result<Report> {
    let source = Source::load(args)?;
    let base = source.base();
    let truth = source.truth(&base, args.k);
    let oracle = Oracle { source: &source, base: &base, truth, k: args.k };
    let rss_data_bytes = resident_peak()?;
    let store = Store::prepare(args, &source, Payloads::None)?;
    let view = store.engine.view(&store.name)?;
    let points = sweep(&view, &oracle, args)?;
    let (default_recall, default) = on_defaults(&view, &oracle, args)?;
    drop(view);
    let info = store.engine.info(&store.name)?;
    let rss_bytes = resident_peak()?;
    let filled = store.filled.clone();
    let folder = store.close()?;
    let disk_bytes = disk_bytes(folder.path())?;
    let start = open::in_new_process(folder.path())?;
    Ok(Report {
        peer: "vectorizer",
        data: source.name.clone(),
        rows: source.rows,
        dim: source.dim,
        k: args.k,
        filled,
        segments: info.segments,
        points,
        default_recall,
        default,
        open_s: start.open_s,
        first_answer_s: start.first_answer_s,
        rss_bytes,
        rss_data_bytes,
        disk_bytes,
        component_bytes: info.bytes,
        config: args.config(),
    })
}

/// Measures every candidate list.
fn sweep(view: &ReadView, oracle: &Oracle<'_>, args: &Args) -> Result<Vec<Point>> {
    let progress = bar(args.ef.len() as u64, "searched", args);
    let mut points = Vec::new();
    for &ef in &args.ef {
        let params = SearchParams {
            ef: Some(ef),
            oversampling: Some(args.oversampling),
            ..SearchParams::default()
        };
        let mut searches = query::plain_searches(oracle.source, oracle.k);
        for search in &mut searches {
            search.params = params;
        }
        points.push(point(view, oracle, &searches, ef)?);
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(points)
}

fn point(
    view: &ReadView,
    oracle: &Oracle<'_>,
    searches: &[LeafSearch],
    ef: usize,
) -> Result<Point> {
    // The answers of the first round say what the recall is; it warms caches up besides.
    let recall = recall(view, oracle, searches)?;
    let mut scratch = Scratch::new();
    let (mut rounds, mut samples) = (Vec::new(), Vec::new());
    let measured = Instant::now();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        for search in searches {
            let asked = Instant::now();
            view.search(search, &mut scratch)?;
            samples.push(latency::microseconds(asked.elapsed()));
        }
        rounds.push(searches.len() as f64 / started.elapsed().as_secs_f64());
    }
    let all = Latency::of(samples, measured.elapsed());
    rounds.sort_by(f64::total_cmp);
    Ok(Point {
        ef,
        recall,
        qps: rounds[rounds.len() / 2],
        p50_us: all.p50_us,
        p95_us: all.p95_us,
        p99_us: all.p99_us,
    })
}

fn recall(view: &ReadView, oracle: &Oracle<'_>, searches: &[LeafSearch]) -> Result<f64> {
    let mut scratch = Scratch::new();
    let answers: Result<Vec<_>, _> =
        searches.iter().map(|search| view.search(search, &mut scratch)).collect();
    Ok(query::recall(oracle.source, oracle.base, &answers?, (&oracle.truth, oracle.k)))
}

/// What a user gets who sets nothing: recall, and latency in a closed and in an open loop.
fn on_defaults(view: &ReadView, oracle: &Oracle<'_>, args: &Args) -> Result<(f64, Loops)> {
    let searches = query::plain_searches(oracle.source, oracle.k);
    let recall = recall(view, oracle, &searches)?;
    let mut scratch = Scratch::new();
    let loops = Loops::run(args.seconds, args.rate, |number| {
        view.search(&searches[number % searches.len()], &mut scratch)?;
        Ok(())
    })?;
    Ok((recall, loops))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} vectors of {} components", self.data, self.rows, self.dim)?;
        match &self.filled {
            Some(filled) => writeln!(f, "{filled}")?,
            None => writeln!(f, "ingest    the folder was full already")?,
        }
        let ms = |seconds: f64| seconds * 1e3;
        let (open, answer) = (ms(self.open_s), ms(self.first_answer_s));
        writeln!(f, "start     {open:.0} ms to open, {answer:.0} ms to the first answer, cold")?;
        let (peak, before) = (ByteCount(self.rss_bytes), ByteCount(self.rss_data_bytes));
        writeln!(f, "memory    {peak} peak, of which {before} before the engine was opened")?;
        let (disk, segments) = (ByteCount(self.disk_bytes), self.segments);
        writeln!(f, "disk      {disk}, {segments} segments; bytes per vector:")?;
        for (component, bytes) in self.component_bytes.iter().filter(|(_, bytes)| **bytes > 0) {
            let each = *bytes as f64 / self.rows.max(1) as f64;
            writeln!(f, "  {component:<10} {each:>8.1}")?;
        }
        let at = format!("recall@{}", self.k);
        writeln!(
            f,
            "{:>6} {at:>9} {:>10} {:>9} {:>9} {:>9}",
            "ef", "QPS", "p50 us", "p95 us", "p99 us"
        )?;
        for Point { ef, recall, qps, p50_us, p95_us, p99_us } in &self.points {
            writeln!(
                f,
                "{ef:>6} {recall:>9.4} {qps:>10.0} {p50_us:>9.1} {p95_us:>9.1} {p99_us:>9.1}"
            )?;
        }
        writeln!(f, "on default settings, {at} {:.4}:", self.default_recall)?;
        write!(f, "{}", self.default)
    }
}
