//! One point at a time: read by id, and written with either durability.

use std::collections::VecDeque;
use std::fmt;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use vectorizer_engine::{PayloadSelector, Select, VectorSelector};
use vectorizer_model::operation::PointSelector;
use vectorizer_model::{Operation, PointId};
use vectorizer_testkit::random::Random;

use crate::args::{Args, DurabilityName};
use crate::latency::{HEADER, Latency, repeat};
use crate::source::{Payloads, Source};
use crate::store::{Folder, Store};
use crate::write::upsert;

/// Points read.
const READS: usize = 20_000;
/// Points written with each durability.
const WRITES: usize = 5_000;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    data: String,
    rows: usize,
    dim: usize,
    get: Latency,
    /// The same ids once more.
    get_again: Latency,
    insert_os: Latency,
    insert_fsync: Latency,
    config: serde_json::Value,
}

pub(crate) fn run(args: &Args) -> Result<Report> {
    let source = Source::load(args)?;
    let store = Store::prepare(args, &source, Payloads::None)?;
    let (get, get_again) = (read(&store, &source)?, read(&store, &source)?);
    let (insert_os, folder) = reopened(args, &source, store.close()?, DurabilityName::Os)?;
    let (insert_fsync, _folder) = reopened(args, &source, folder, DurabilityName::Fsync)?;
    Ok(Report {
        data: source.name.clone(),
        rows: source.rows,
        dim: source.dim,
        get,
        get_again,
        insert_os,
        insert_fsync,
        config: args.config(),
    })
}

/// Reads points by random ids, with payload and vector.
fn read(store: &Store, source: &Source) -> Result<Latency> {
    let select =
        Select { payload: PayloadSelector::Everything, vectors: VectorSelector::Everything };
    let mut random = Random::new(3);
    repeat(READS, |_| {
        let id = PointId::Num(random.below(source.rows) as u64);
        let records = store.engine.view(&store.name)?.records(&[id], &select)?;
        ensure!(records.len() == 1, "point {id} is not there");
        Ok(())
    })
}

fn reopened(
    args: &Args,
    source: &Source,
    folder: Folder,
    durability: DurabilityName,
) -> Result<(Latency, Folder)> {
    let what = (source, Payloads::None);
    let store = Store::prepare_in(folder, args, durability.into(), what)?;
    let latency = insert(&store, source)?;
    Ok((latency, store.close()?))
}

/// Writes new points, each after the acknowledgement of the one before, and takes them away.
fn insert(store: &Store, source: &Source) -> Result<Latency> {
    let ids = (source.rows as u64..).take(WRITES);
    let operation = |id| upsert(source, Payloads::None, id, 1);
    let mut operations: VecDeque<Operation> = ids.clone().map(operation).collect();
    let latency = repeat(WRITES, |_| {
        let operation = operations.pop_front().context("an operation for each write")?;
        store.engine.write(&store.name, operation)?;
        Ok(())
    })?;
    let written = PointSelector::Ids(ids.map(PointId::Num).collect());
    store.engine.write(&store.name, Operation::Delete(written))?;
    Ok(latency)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} vectors of {} components", self.data, self.rows, self.dim)?;
        writeln!(f, "{:<14}{HEADER}", "")?;
        writeln!(f, "{:<14}{}", "get by id", self.get)?;
        writeln!(f, "{:<14}{}", "  again", self.get_again)?;
        writeln!(f, "{:<14}{}", "insert, os", self.insert_os)?;
        write!(f, "{:<14}{}", "insert, fsync", self.insert_fsync)
    }
}
