//! Latency of searches while another thread writes, beside that of the same collection at rest.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;
use vectorizer_engine::{LeafSearch, Scratch};

use crate::args::Args;
use crate::latency::Loops;
use crate::query;
use crate::source::{Payloads, Source};
use crate::store::{Folder, Store};
use crate::write::{Filled, Writer, upsert, wait_until_indexed};

/// A stream waits while this part of the rows that were there before has no graph,
const BACKLOG_PART: u64 = 10;
/// but not at fewer rows than a few memtables hold.
const BACKLOG_ROWS_MIN: u64 = 20_000;
/// How often the backlog is looked at.
const SAMPLE_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    data: String,
    rows: usize,
    dim: usize,
    filled: Filled,
    streamed: Streamed,
    steady: Loops,
    /// What the writer was to reach, in vectors per second.
    write_rate: f64,
    loaded: Loops,
    written: Written,
    /// p95 under load divided by steady p95.
    closed_p95_ratio: f64,
    open_p95_ratio: f64,
    config: serde_json::Value,
}

/// What a stream of writes comes to that waits whenever too many rows have no graph.
#[derive(Debug, Clone, Copy, Serialize)]
struct Streamed {
    rows: u64,
    /// Rows without a graph that it waits at.
    backlog_rows_max: u64,
    /// Rows per second, until graphs cover all of them and merging has come to rest.
    rate: f64,
}

#[derive(Debug, Serialize)]
struct Written {
    rows: u64,
    /// What the writer reached.
    rate: f64,
    backlog_rows_max: u64,
    backlog: Vec<Backlog>,
}

/// Rows that searches scan because no graph covers them yet.
#[derive(Debug, Serialize)]
struct Backlog {
    at_s: f64,
    rows: u64,
}

/// Fills a folder of its own, on the disk of `--folder`.
pub(crate) fn run(args: &Args) -> Result<Report> {
    let source = Source::load(args)?;
    let what = (&source, Payloads::None);
    let mut store = Store::prepare_in(Folder::scratch(args)?, args, args.durability.into(), what)?;
    let filled = store.filled.take().context("a scratch folder was full")?;
    let streamed = stream(&store, args, &source)?;
    let write_rate = args.write_rate.unwrap_or(streamed.rate / 2.0);
    let searches = query::plain_searches(&source, args.k);
    let steady = Loops::run(args.seconds, args.rate, searcher(&store, &searches))?;
    let enough = AtomicBool::new(false);
    let first = source.rows as u64 + streamed.rows;
    let (loaded, written) = std::thread::scope(|scope| {
        let writing = scope.spawn(|| write(&store, args, &source, (first, write_rate), &enough));
        let rate = Some(steady.open_rate);
        let loaded = Loops::run(args.seconds, rate, searcher(&store, &searches));
        enough.store(true, Ordering::Relaxed);
        (loaded, writing.join())
    });
    let loaded = loaded?;
    let written = written.map_err(|_panic| anyhow::anyhow!("the writer panicked"))??;
    store.close()?;
    Ok(Report {
        data: source.name.clone(),
        rows: source.rows,
        dim: source.dim,
        filled,
        streamed,
        write_rate,
        closed_p95_ratio: loaded.closed.p95_us / steady.closed.p95_us,
        open_p95_ratio: loaded.open.p95_us / steady.open.p95_us,
        steady,
        loaded,
        written,
        config: args.config(),
    })
}

/// Takes a new view for each search, as whoever wants the newest answer does.
fn searcher(store: &Store, searches: &[LeafSearch]) -> impl FnMut(usize) -> Result<()> {
    let mut scratch = Scratch::new();
    move |number| {
        let view = store.engine.view(&store.name)?;
        view.search(&searches[number % searches.len()], &mut scratch)?;
        Ok(())
    }
}

/// Writes new rows for a phase, as fast as the background work keeps up.
fn stream(store: &Store, args: &Args, source: &Source) -> Result<Streamed> {
    let backlog_rows_max = (source.rows as u64 / BACKLOG_PART).max(BACKLOG_ROWS_MIN);
    let started = Instant::now();
    let mut writer = Writer::new(&store.engine, &store.name);
    let mut rows = 0;
    while started.elapsed().as_secs_f64() < args.seconds {
        if store.engine.info(&store.name)?.scanned_rows > backlog_rows_max {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        let first = source.rows as u64 + rows;
        writer.send(|| upsert(source, Payloads::None, first, args.batch as u64))?;
        rows += args.batch as u64;
    }
    writer.finish()?;
    wait_until_indexed(&store.engine, &store.name, args)?;
    Ok(Streamed { rows, backlog_rows_max, rate: rows as f64 / started.elapsed().as_secs_f64() })
}

/// Writes new rows from the first on at a fixed rate until it is enough.
fn write(
    store: &Store,
    args: &Args,
    source: &Source,
    (first, rate): (u64, f64),
    enough: &AtomicBool,
) -> Result<Written> {
    let started = Instant::now();
    let mut writer = Writer::new(&store.engine, &store.name);
    let (mut rows, mut backlog) = (0, Vec::new());
    let mut sample_due = Duration::ZERO;
    while !enough.load(Ordering::Relaxed) {
        writer.send(|| upsert(source, Payloads::None, first + rows, args.batch as u64))?;
        rows += args.batch as u64;
        if started.elapsed() >= sample_due {
            sample_due = started.elapsed() + SAMPLE_EVERY;
            let rows = store.engine.info(&store.name)?.scanned_rows;
            backlog.push(Backlog { at_s: started.elapsed().as_secs_f64(), rows });
        }
        let due = started + Duration::from_secs_f64(rows as f64 / rate);
        // Short sleeps, so that a low rate does not hold up the end.
        while !enough.load(Ordering::Relaxed)
            && let Some(early) = due.checked_duration_since(Instant::now())
        {
            std::thread::sleep(early.min(Duration::from_millis(20)));
        }
    }
    writer.finish()?;
    Ok(Written {
        rows,
        rate: rows as f64 / started.elapsed().as_secs_f64(),
        backlog_rows_max: backlog.iter().map(|sample| sample.rows).max().unwrap_or(0),
        backlog,
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} vectors of {} components", self.data, self.rows, self.dim)?;
        writeln!(f, "{}", self.filled)?;
        let Streamed { rows, backlog_rows_max, rate } = self.streamed;
        writeln!(
            f,
            "stream    {rate:.0} vectors/s, {rows} rows, until all were indexed; it waited while \
             more than {backlog_rows_max} rows had no graph"
        )?;
        writeln!(f, "at rest\n{}", self.steady)?;
        let Written { rows, rate, backlog_rows_max, backlog } = &self.written;
        writeln!(
            f,
            "while {:.0} vectors/s are written (reached {rate:.0}, {rows} rows)\n{}",
            self.write_rate, self.loaded
        )?;
        let shown = backlog.iter().step_by(backlog.len().div_ceil(10).max(1));
        let shown: Vec<String> =
            shown.map(|sample| format!("{:.0} s: {}", sample.at_s, sample.rows)).collect();
        writeln!(f, "rows without a graph: at most {backlog_rows_max} ({})", shown.join(", "))?;
        let (closed, open) = (self.closed_p95_ratio, self.open_p95_ratio);
        write!(f, "p95 beside p95 at rest: {closed:.2} closed, {open:.2} open")
    }
}
