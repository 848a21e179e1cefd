//! Changes to a running server under searches, and how long each takes: a smaller budget,
//! evictions, and a leak until it is told.

mod steps;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use serde::Serialize;
use vectorizer_model::bytes::ByteCount;
use vectorizer_testkit::leak;

use self::steps::{Live, Step};
use crate::load::Load;
use crate::pace::Pace;
use crate::server::{Server, Start};
use crate::tally::{Figures, Tally};
use crate::tenants::Tenant;
use crate::vectors::Vectors;
use crate::{preload, print};

/// What is measured.
#[derive(Debug, Args)]
pub(crate) struct LiveArgs {
    /// The server's binary.
    #[arg(long, default_value = "target/release/vectorizer")]
    server: PathBuf,
    /// The server's memory limit.
    #[arg(long, default_value = "1GiB")]
    budget: ByteCount,
    /// The limit that it is given while it runs.
    #[arg(long, default_value = "256MiB")]
    shrunk: ByteCount,
    /// Bytes of vectors, in percent of the budget.
    #[arg(long, default_value_t = 60)]
    data_percent: u64,
    /// Components of a vector.
    #[arg(long, default_value_t = 384)]
    dim: usize,
    /// Clients that search without pause.
    #[arg(long, default_value_t = 2)]
    readers: u64,
    /// How often each step is measured.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// An empty folder, kept; a scratch folder if absent.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Fails if a step took longer than it may, or a search failed.
    #[arg(long)]
    check: bool,
    /// Prints one line of JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    question: &'static str,
    budget_bytes: u64,
    data_bytes: u64,
    steps: Vec<Step>,
    requests: BTreeMap<&'static str, Figures>,
    broken: Vec<String>,
}

/// Collections that are searched.
const TENANTS: u64 = 4;

pub(crate) fn run(args: &LiveArgs) -> Result<()> {
    let scratch = tempfile::tempdir_in(std::env::current_dir()?)?;
    let folder = args.folder.clone().unwrap_or_else(|| scratch.path().to_path_buf());
    std::fs::create_dir_all(&folder)?;
    let folder = folder.canonicalize()?;
    let row = args.dim as u64 * 4;
    let points = args.budget.0 / 100 * args.data_percent / row / TENANTS;
    let tenants: Vec<Tenant> = (0..TENANTS).map(|number| Tenant::new(number, points)).collect();
    let vectors = Arc::new(Vectors::new(args.dim));
    let data = folder.join("data");
    preload::preload(&data, &tenants, &vectors, args.dim)?;
    let library = leak::library(&folder)?;
    let server = Server::start(Start {
        binary: &args.server,
        scratch: &folder,
        data: &data,
        budget: args.budget.0,
        group: None,
        set: &["memory.cache.percent=50", "memory.cache.max_items=1000000"],
        environment: &[(leak::PRELOAD, &library)],
    })?;
    let load = Load {
        vectors,
        dim: args.dim,
        tenants,
        tally: Tally::default(),
        stop: AtomicBool::new(false),
        to_write: AtomicU64::new(0),
        keep: points,
        writes: Pace::new(None),
        reads: Pace::new(None),
    };
    let (steps, searched) = under_searches(args, &load, &server)?;
    let report = Report {
        question: "live",
        budget_bytes: args.budget.0,
        data_bytes: points * TENANTS * row,
        steps,
        requests: load.tally.figures(searched.as_secs_f64()),
        broken: load.tally.broken(),
    };
    server.stop()?;
    if args.json {
        print(&serde_json::to_string(&report)?)?;
    } else {
        print(&report.to_string())?;
    }
    if args.check { report.check() } else { Ok(()) }
}

/// What each step came to, and how long others searched.
fn under_searches(args: &LiveArgs, load: &Load, server: &Server) -> Result<(Vec<Step>, Duration)> {
    let mut live = Live::new(server, &load.tally, args.budget.0);
    // Answers are kept before others search: they would be the first to go for page frames.
    live.make_answers()?;
    live.keep_answers()?;
    let started = Instant::now();
    let steps = thread::scope(|scope| {
        for lane in 0..args.readers {
            scope.spawn(move || load.search(server, lane));
        }
        let steps = live.all(args.shrunk.0, args.rounds);
        load.stop.store(true, Ordering::SeqCst);
        steps
    })?;
    Ok((steps, started.elapsed()))
}

impl Report {
    fn check(&self) -> Result<()> {
        let mut broken = self.broken.clone();
        for step in &self.steps {
            if step.slowest_ms() > step.most_ms {
                broken.push(step.to_string());
            }
            broken.extend(step.missed.iter().cloned());
        }
        let searches = self.requests.values().map(|figures| figures.answered).sum::<usize>();
        ensure!(searches > 0, "no search was answered");
        for (kind, figures) in &self.requests {
            for (reason, count) in &figures.refused {
                broken.push(format!("{count} times a {kind} was refused: {reason}"));
            }
        }
        ensure!(broken.is_empty(), "the promise was broken: {broken:#?}");
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (budget, data) = (ByteCount(self.budget_bytes), ByteCount(self.data_bytes));
        writeln!(f, "budget {budget}, {data} of vectors, searches without pause")?;
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))?;
        for (kind, figures) in &self.requests {
            let Figures { answered, per_second, p50_ms, p99_ms, max_ms, refused, .. } = figures;
            let refused: u64 = refused.values().sum();
            writeln!(
                f,
                "{kind}: {answered} answered, {refused} refused, {per_second:.0}/s, \
                 p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, slowest {max_ms:.0} ms"
            )?;
        }
        self.broken.iter().try_for_each(|broken| writeln!(f, "broken: {broken}"))
    }
}
