//! Writing rows in batches, and waiting until graphs cover them.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use vectorizer_engine::{Applied, Engine, EngineError, Ticket};
use vectorizer_model::operation::PointBatch;
use vectorizer_model::vector::VectorColumn;
use vectorizer_model::{CollectionName, Operation, Payload, PointId, RequestId, Value, VectorName};

use crate::args::Args;
use crate::source::{FIELD, Payloads, Source};

/// Writes that may wait for their acknowledgement at once.
const AHEAD: usize = 16;

/// How a filling went.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Filled {
    /// Until the last row was acknowledged: durable and searchable.
    pub(crate) ingest_s: f64,
    pub(crate) ingest_rate: f64,
    /// Rows that no graph covered then.
    pub(crate) backlog_rows_at_ack: u64,
    /// From the first write until graphs cover every row and merging has come to rest.
    pub(crate) build_s: f64,
    /// All rows by that time.
    pub(crate) sustained_rate: f64,
}

/// Writes every row of the source; each is durable and searchable when it is acknowledged.
pub(crate) fn fill(
    engine: &Engine,
    name: &CollectionName,
    args: &Args,
    (source, payloads): (&Source, Payloads),
) -> Result<Filled> {
    let rows = source.rows as u64;
    let progress = bar(rows, "written", args);
    let started = Instant::now();
    let mut writer = Writer::new(engine, name);
    for first in (0..rows).step_by(args.batch.max(1)) {
        let batch = rows.min(first + args.batch as u64) - first;
        writer.send(|| upsert(source, payloads, first, batch))?;
        progress.inc(batch);
    }
    writer.finish()?;
    let ingest_s = started.elapsed().as_secs_f64();
    progress.finish_and_clear();
    let backlog_rows_at_ack = engine.info(name)?.scanned_rows;
    wait_until_indexed(engine, name, args)?;
    let build_s = started.elapsed().as_secs_f64();
    let (ingest_rate, sustained_rate) = (rows as f64 / ingest_s, rows as f64 / build_s);
    Ok(Filled { ingest_s, ingest_rate, backlog_rows_at_ack, build_s, sustained_rate })
}

/// Hands over batches, a few ahead of their acknowledgement.
pub(crate) struct Writer<'a> {
    engine: &'a Engine,
    name: &'a CollectionName,
    tickets: VecDeque<Ticket<Result<Applied, EngineError>>>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(engine: &'a Engine, name: &'a CollectionName) -> Self {
        Self { engine, name, tickets: VecDeque::new() }
    }

    /// Hands over an operation; waits while writes are paced.
    pub(crate) fn send(&mut self, operation: impl Fn() -> Operation) -> Result<()> {
        let ticket = loop {
            match self.engine.submit(self.name, operation(), RequestId::default()) {
                Err(EngineError::Paced { .. }) => std::thread::sleep(Duration::from_millis(1)),
                submitted => break submitted?,
            }
        };
        self.tickets.push_back(ticket);
        if self.tickets.len() > AHEAD
            && let Some(ticket) = self.tickets.pop_front()
        {
            ticket.wait()??;
        }
        Ok(())
    }

    /// Waits until everything is acknowledged.
    pub(crate) fn finish(self) -> Result<()> {
        for ticket in self.tickets {
            ticket.wait()??;
        }
        Ok(())
    }
}

/// The write of `count` rows of the source from `first` on.
pub(crate) fn upsert(source: &Source, payloads: Payloads, first: u64, count: u64) -> Operation {
    let rows = first..first + count;
    let mut values = Vec::with_capacity(source.dim * usize::try_from(count).unwrap_or(0));
    rows.clone().for_each(|row| source.append(row, &mut values));
    let payload = |row| {
        let bucket = Value::Int(Source::bucket(row).into());
        Payload([(FIELD.to_owned(), bucket)].into())
    };
    Operation::Upsert(PointBatch {
        ids: rows.clone().map(PointId::Num).collect(),
        vectors: vec![VectorColumn {
            name: VectorName::unnamed(),
            dim: u32::try_from(source.dim).unwrap_or(u32::MAX),
            values,
            present: Vec::new(),
        }],
        payloads: match payloads {
            Payloads::None => Vec::new(),
            Payloads::Bucket => rows.map(payload).collect(),
        },
    })
}

/// Waits until graphs cover every row and merging has come to rest.
pub(crate) fn wait_until_indexed(
    engine: &Engine,
    name: &CollectionName,
    args: &Args,
) -> Result<()> {
    let progress = bar(engine.info(name)?.points, "indexed", args);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                if let Ok(info) = engine.info(name) {
                    progress.set_position(info.indexed_rows);
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let settled = settle(engine, name);
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        settled
    })?;
    progress.finish_and_clear();
    Ok(())
}

/// The engine's own threads may hold a piece of work that settling passes over.
fn settle(engine: &Engine, name: &CollectionName) -> Result<()> {
    loop {
        let before = engine.info(name)?.segments;
        engine.settle()?;
        let after = engine.info(name)?;
        if after.backlog_rows == 0 && after.memtable_bytes == 0 && after.segments == before {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A bar on the standard error; none where lines of JSON are wanted.
pub(crate) fn bar(length: u64, what: &'static str, args: &Args) -> ProgressBar {
    if args.json {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{msg:>10} {wide_bar} {human_pos} of {human_len}, {eta}");
    let bar = ProgressBar::new(length).with_message(what);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

impl fmt::Display for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ingest_s, ingest_rate, backlog_rows_at_ack, build_s, sustained_rate } = self;
        write!(
            f,
            "ingest    {ingest_rate:.0} vectors/s acknowledged, durable and searchable \
             ({ingest_s:.2} s; {backlog_rows_at_ack} rows without a graph then)\n\
             indexed   {build_s:.2} s after the first write: {sustained_rate:.0} vectors/s sustained"
        )
    }
}
