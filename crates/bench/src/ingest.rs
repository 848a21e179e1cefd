//! Writing all vectors, and waiting until a graph covers them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::ProgressBar;
use vectorizer_engine::{Engine, EngineError};
use vectorizer_model::operation::PointBatch;
use vectorizer_model::vector::VectorColumn;
use vectorizer_model::{CollectionName, Operation, PointId, RequestId, VectorName};

use crate::args::Args;
use crate::data::Data;
use crate::seconds;

/// Writes that may wait for their acknowledgement at once.
const AHEAD: usize = 16;

pub(crate) struct Ingest {
    pub(crate) started: Instant,
    /// Until the last write was acknowledged.
    pub(crate) seconds: f64,
    /// Rows that no graph covered then.
    pub(crate) backlog_rows: u64,
}

/// Writes every row in batches; each is durable and searchable when it is acknowledged.
pub(crate) fn run(
    engine: &Engine,
    name: &CollectionName,
    data: &Data,
    args: &Args,
) -> Result<Ingest> {
    let progress = bar(data.base.rows(), args.json);
    let started = Instant::now();
    let mut tickets = VecDeque::new();
    let (dim, mut next) = (data.base.dim, 0);
    for values in data.base.values.chunks(dim * args.batch) {
        let rows = values.len() / dim;
        tickets.push_back(submit(engine, name, || upsert(next, dim, values))?);
        next += rows as u64;
        progress.inc(rows as u64);
        if tickets.len() > AHEAD
            && let Some(ticket) = tickets.pop_front()
        {
            ticket.wait()??;
        }
    }
    for ticket in tickets {
        ticket.wait()??;
    }
    let seconds = seconds(started.elapsed());
    progress.finish_and_clear();
    let info = engine.info(name)?;
    Ok(Ingest { started, seconds, backlog_rows: info.points - info.indexed_rows.min(info.points) })
}

fn upsert(first: u64, dim: usize, values: &[f32]) -> Operation {
    let rows = values.len() / dim;
    Operation::Upsert(PointBatch {
        ids: (first..first + rows as u64).map(PointId::Num).collect(),
        vectors: vec![VectorColumn {
            name: VectorName::unnamed(),
            dim: u32::try_from(dim).unwrap_or(u32::MAX),
            values: values.to_vec(),
            present: Vec::new(),
        }],
        payloads: Vec::new(),
    })
}

fn submit(
    engine: &Engine,
    name: &CollectionName,
    operation: impl Fn() -> Operation,
) -> Result<vectorizer_engine::Ticket<Result<vectorizer_engine::Applied, EngineError>>> {
    loop {
        match engine.submit(name, operation(), RequestId::default()) {
            Err(EngineError::Paced { .. }) => std::thread::sleep(Duration::from_millis(1)),
            submitted => return Ok(submitted?),
        }
    }
}

/// Seconds since the first write until graphs cover every row and merging has come to rest.
pub(crate) fn wait_until_indexed(
    engine: &Engine,
    name: &CollectionName,
    started: Instant,
) -> Result<f64> {
    engine.flush()?;
    loop {
        let at = seconds(started.elapsed());
        engine.settle()?;
        let info = engine.info(name)?;
        if info.backlog_rows == 0 && info.segments <= 2 {
            return Ok(seconds(started.elapsed()).max(at));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn bar(rows: usize, quiet: bool) -> ProgressBar {
    if quiet { ProgressBar::hidden() } else { ProgressBar::new(rows as u64) }
}
