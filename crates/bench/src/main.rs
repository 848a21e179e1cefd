//! Measures the engine in process: ingest, indexing, search, start, memory and disk, with recall
//! beside every speed.

#![forbid(unsafe_code)]

mod args;
mod data;
mod ingest;
mod report;
mod search;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use vectorizer_engine::{Engine, EngineOptions};
use vectorizer_memory::{Governor, Limits};
use vectorizer_model::CollectionName;

use crate::args::Args;
use crate::data::Data;
use crate::report::Report;

fn main() -> Result<()> {
    let args = Args::parse();
    let data = Data::load(&args)?;
    let scratch;
    let folder = if let Some(folder) = &args.folder {
        folder.as_path()
    } else {
        scratch = tempfile::tempdir().context("a scratch folder")?;
        scratch.path()
    };
    let report = measure(&args, &data, folder)?;
    report::print(&args, &report)
}

fn open(args: &Args, folder: &std::path::Path) -> Result<Engine> {
    let governor = Governor::new(Limits::of_root(args.memory.0));
    let options = EngineOptions {
        durability: args.durability.into(),
        residency: args.residency.into(),
        build_threads: args.threads,
        ..EngineOptions::default()
    };
    Ok(Engine::open(folder, governor, options)?)
}

fn measure(args: &Args, data: &Data, folder: &std::path::Path) -> Result<Report> {
    let name = CollectionName::new("bench")?;
    let rss_data_bytes = resident_peak()?;
    let engine = open(args, folder)?;
    let settings = data.settings(args);
    engine.create_collection(name.clone(), settings)?.wait()??;
    let ingest = ingest::run(&engine, &name, data, args)?;
    let indexed = ingest::wait_until_indexed(&engine, &name, ingest.started)?;
    let points = search::sweep(&engine, &name, data, args)?;
    let info = engine.info(&name)?;
    let rss_bytes = resident_peak()?;
    engine.close()?;
    drop(engine);
    let started = Instant::now();
    let engine = open(args, folder)?;
    let open_s = seconds(started.elapsed());
    search::one(&engine, &name, data)?;
    let first_answer_s = seconds(started.elapsed());
    Ok(Report {
        peer: "vectorizer",
        data: data.name.clone(),
        rows: data.base.rows(),
        dim: data.base.dim,
        ingest_s: ingest.seconds,
        ingest_rate: data.base.rows() as f64 / ingest.seconds,
        backlog_rows_at_ack: ingest.backlog_rows,
        build_s: indexed,
        segments: info.segments,
        points,
        open_s,
        first_answer_s,
        rss_bytes,
        rss_data_bytes,
        disk_bytes: info.bytes.values().sum(),
        component_bytes: info.bytes,
        config: args.config(),
    })
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

/// The most memory that was resident so far, in bytes.
fn resident_peak() -> Result<u64> {
    Ok(vectorizer_vfs::process_memory(std::path::Path::new("/"))?.resident_peak.unwrap_or(0))
}
