//! Time to open a folder and to the first answer, and idle memory: in a new process, because this
//! one has been busy.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use vectorizer_engine::{Scratch, Select, VectorSelector};
use vectorizer_model::bytes::ByteCount;
use vectorizer_model::{CollectionName, PointId};

use crate::args::Args;
use crate::door::Door;
use crate::query;
use crate::source::{Payloads, Source};
use crate::store::{self, COLLECTION, Store};

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    data: String,
    rows: usize,
    dim: usize,
    /// After the kernel was asked to forget the folder's files.
    cold: Start,
    /// Right after that, with the files still in the page cache.
    warm: Start,
    config: serde_json::Value,
}

/// What a new process measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) open_s: f64,
    /// From the beginning to the first answer, to the vector of a stored point.
    pub(crate) first_answer_s: f64,
    points: u64,
    open: Held,
    answered: Held,
    /// With the REST door open as well.
    served: Held,
}

/// Resident bytes of a process.
#[derive(Debug, Serialize, Deserialize)]
struct Held {
    rss_bytes: u64,
    /// Of these, those of no file: only the process can give them back.
    anonymous_bytes: u64,
}

impl Held {
    fn now() -> Result<Self> {
        let memory = store::memory()?;
        Ok(Self {
            rss_bytes: memory.resident,
            anonymous_bytes: memory.anonymous.unwrap_or(memory.resident),
        })
    }
}

pub(crate) fn run(args: &Args) -> Result<Report> {
    let source = Source::load(args)?;
    let folder = Store::prepare(args, &source, Payloads::None)?.close()?;
    let cold = in_new_process(folder.path())?;
    let warm = start_process(folder.path())?;
    ensure!(cold.points == source.rows as u64, "{} points after a start", cold.points);
    Ok(Report {
        data: source.name.clone(),
        rows: source.rows,
        dim: source.dim,
        cold,
        warm,
        config: args.config(),
    })
}

/// Opens a folder that no engine has open, cold.
pub(crate) fn in_new_process(folder: &Path) -> Result<Start> {
    store::forget_cache(folder)?;
    start_process(folder)
}

fn start_process(folder: &Path) -> Result<Start> {
    let done = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .args(["--only", "reopen", "--json", "--folder"])
        .arg(folder)
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(done.status.success(), "the process that opens the folder ended: {}", done.status);
    Ok(serde_json::from_slice(&done.stdout)?)
}

/// The new process.
pub(crate) fn reopen(args: &Args) -> Result<Start> {
    let folder = args.folder.as_deref().context("no --folder")?;
    let name = CollectionName::new(COLLECTION)?;
    let started = Instant::now();
    let engine = store::open(args, folder, args.durability.into())?;
    let open_s = started.elapsed().as_secs_f64();
    let open = Held::now()?;
    let view = engine.view(&name)?;
    let select = Select { vectors: VectorSelector::Everything, ..Select::default() };
    let record = view.records(&[PointId::Num(0)], &select)?.pop().context("no point 0")?;
    let (_, vector) = record.vectors.first().context("point 0 has no vector")?;
    let hits = view.search(&query::plain(vector, args.k), &mut Scratch::new())?;
    let first_answer_s = started.elapsed().as_secs_f64();
    ensure!(!hits.is_empty(), "a reopened collection answers nothing");
    drop(view);
    let answered = Held::now()?;
    let points = engine.info(&name)?.points;
    let door = Door::open(engine)?;
    let served = Held::now()?;
    door.close()?;
    Ok(Start { open_s, first_answer_s, points, open, answered, served })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} vectors of {} components", self.data, self.rows, self.dim)?;
        writeln!(f, "cold: {}", self.cold)?;
        write!(f, "warm: {}", self.warm)
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, answer) = (self.open_s * 1e3, self.first_answer_s * 1e3);
        write!(f, "{open:.1} ms to open, {answer:.1} ms to the first answer")?;
        for (when, held) in [
            ("after opening", &self.open),
            ("after the first answer", &self.answered),
            ("with the REST door open", &self.served),
        ] {
            let (rss, anonymous) = (ByteCount(held.rss_bytes), ByteCount(held.anonymous_bytes));
            write!(f, "\n  {when}: {rss} resident, {anonymous} of them of no file")?;
        }
        Ok(())
    }
}
