//! Puts the server into a cgroup barely larger than its budget and loads it, from outside.
//!
//! # Layout
//! - `cgroup`, `server`: the container and what runs in it; `watch`, `metrics`: what it holds
//! - `tenants`, `vectors`: the data; `preload`: filling it in through the library
//! - `load`, `pace`, `tally`: the clients and how they fared; `truth`: whether anything
//!   was lost
//! - `checkpoint`, `slope`: what becomes of it in hours; `report`: all figures, and the promise
//! - `curve`: searches at budgets below the data; `live`: changes to a running server

#![forbid(unsafe_code)]

mod cgroup;
mod checkpoint;
mod curve;
mod live;
mod load;
mod metrics;
mod pace;
mod preload;
mod report;
mod server;
mod slope;
mod tally;
mod tenants;
mod truth;
mod vectors;
mod watch;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use vectorizer_model::bytes::ByteCount;

use crate::cgroup::Cgroup;
use crate::checkpoint::{Checkpoint, Place};
use crate::curve::CurveArgs;
use crate::live::LiveArgs;
use crate::load::{BATCH, Load};
use crate::pace::Pace;
use crate::report::{Report, Soak};
use crate::server::{Server, Start};
use crate::tally::Tally;
use crate::tenants::Tenant;
use crate::vectors::Vectors;
use crate::watch::Seen;
use vectorizer_bench::http::Connection;

/// What a soak writes each second, unless it is told: less than two cores can link.
const SOAK_WRITES: f64 = 300.0;
/// What a soak reads each second, unless it is told.
const SOAK_READS: f64 = 40.0;

/// Runs the server in a container barely larger than its memory limit, under load.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    other: Option<Other>,
    /// The server's binary.
    #[arg(long, default_value = "target/release/vectorizer")]
    server: PathBuf,
    /// What the clients do.
    #[arg(long, value_enum, default_value_t = Scenario::Mixed)]
    scenario: Scenario,
    /// The server's memory limit.
    #[arg(long, default_value = "256MiB")]
    budget: ByteCount,
    /// The container's limit in percent of the budget; 0 runs without a container.
    #[arg(long, default_value_t = 110)]
    container_percent: u64,
    /// Bytes of vectors, in percent of the budget.
    #[arg(long, default_value_t = 200)]
    data_percent: u64,
    /// Components of a vector.
    #[arg(long, default_value_t = 384)]
    dim: usize,
    /// Collections.
    #[arg(long, default_value_t = 10)]
    tenants: u64,
    /// Clients that write.
    #[arg(long, default_value_t = 2)]
    writers: usize,
    /// Clients that search.
    #[arg(long, default_value_t = 2)]
    readers: u64,
    /// Seconds under load; for `fill`, at least so many.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// A soak: hours under a steady load, in place of seconds; it tells what grew.
    #[arg(long, conflicts_with = "seconds")]
    hours: Option<f64>,
    /// Points that all writers write each second; as many as they can if absent, but in a soak.
    #[arg(long)]
    rate: Option<f64>,
    /// Searches and pages of scrolls each second; as many as can be if absent, but in a soak.
    #[arg(long)]
    read_rate: Option<f64>,
    /// Seconds from one checkpoint to the next.
    #[arg(long, default_value_t = 10)]
    checkpoint: u64,
    /// An empty folder, kept; a scratch folder if absent.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Fails if the promise was broken.
    #[arg(long)]
    check: bool,
    /// Prints one line of JSON.
    #[arg(long)]
    json: bool,
}

/// What the clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// All data is there; writes, searches, scrolls, deletes, collections come and go.
    Mixed,
    /// Nothing is there; all data is written while others search.
    Fill,
}

/// What is measured instead.
#[derive(Debug, Subcommand)]
enum Other {
    /// Searches at budgets of 100 to 5 percent of the data, by who holds the index bytes.
    Curve(CurveArgs),
    /// How long a smaller budget, evictions and the alarm of a leak take, under searches.
    Live(LiveArgs),
}

impl Args {
    fn duration(&self) -> Duration {
        self.hours.map_or(Duration::from_secs(self.seconds), |hours| {
            Duration::from_secs_f64(hours * 3600.0)
        })
    }

    fn load(&self, vectors: Arc<Vectors>, tenants: Vec<Tenant>, points: u64) -> Load {
        let full = self.scenario == Scenario::Mixed;
        let writes = self.rate(self.rate, SOAK_WRITES).map(|rate| rate / BATCH as f64);
        Load {
            vectors,
            dim: self.dim,
            tenants,
            tally: Tally::default(),
            stop: AtomicBool::new(false),
            to_write: AtomicU64::new(if full { u64::MAX } else { points * self.tenants }),
            keep: points,
            writes: Pace::new(writes),
            reads: Pace::new(self.rate(self.read_rate, SOAK_READS)),
        }
    }

    /// The rate that was given, or that of a soak.
    fn rate(&self, given: Option<f64>, of_soak: f64) -> Option<f64> {
        given.or(self.hours.is_some().then_some(of_soak))
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    match &args.other {
        Some(Other::Curve(curve)) => curve::run(curve),
        Some(Other::Live(live)) => live::run(live),
        None => under_budget(&args),
    }
}

fn under_budget(args: &Args) -> Result<()> {
    let scratch = tempfile::tempdir_in(std::env::current_dir()?)?;
    let folder = args.folder.clone().unwrap_or_else(|| scratch.path().to_path_buf());
    std::fs::create_dir_all(&folder)?;
    let report = run(args, &folder.canonicalize()?)?;
    for slope in report.soak.iter().flat_map(|soak| &soak.slopes) {
        tell(&slope.to_string());
    }
    let text = if args.json {
        serde_json::to_string(&report)?
    } else {
        serde_json::to_string_pretty(&report)?
    };
    print(&text)?;
    if args.check { report.check() } else { Ok(()) }
}

fn print(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

/// Says how it goes; nobody need listen.
fn tell(line: &str) {
    writeln!(std::io::stderr(), "{line}").ok();
}

fn run(args: &Args, folder: &Path) -> Result<Report> {
    let (budget, row) = (args.budget.0, args.dim as u64 * 4);
    let data_bytes = budget / 100 * args.data_percent;
    let points = data_bytes / row / args.tenants / BATCH * BATCH;
    let full = args.scenario == Scenario::Mixed;
    let vectors = Arc::new(Vectors::new(args.dim));
    let tenants: Vec<Tenant> = (0..args.tenants)
        .map(|number| Tenant::new(number, if full { points } else { 0 }))
        .collect();
    let data = folder.join("data");
    let preloaded =
        if full { Some(preload::preload(&data, &tenants, &vectors, args.dim)?) } else { None };
    let container = (args.container_percent > 0).then(|| budget / 100 * args.container_percent);
    let group = container.map(Cgroup::create).transpose()?;
    let server = Server::start(Start {
        binary: &args.server,
        scratch: folder,
        data: &data,
        budget,
        group: group.as_ref(),
        set: &[],
        environment: &[],
    })?;
    tell(&format!("ready: {}; log lines in {}", server.ready, server.log.display()));
    let load = args.load(Arc::clone(&vectors), tenants, points);
    if !full {
        create(&server, &load)?;
    }
    let started = Instant::now();
    let place = Place { server: &server, group: group.as_ref(), data: &data, tally: &load.tally };
    let (ingest, seen, checkpoints) = under_load(args, &load, &place);
    let mut broken = load.tally.broken();
    let seen = seen.unwrap_or_else(|error| {
        broken.push(format!("{error:#}"));
        Seen::default()
    });
    let seconds = started.elapsed().as_secs_f64();
    let lost = truth::check(&server, &load.tenants, &vectors).err();
    let counted = group.as_ref().map(Cgroup::read).transpose()?;
    if let Err(error) = server.stop() {
        broken.push(format!("{error:#}"));
    }
    Ok(Report {
        scenario: format!("{:?}", args.scenario).to_lowercase(),
        budget_bytes: budget,
        container_bytes: container,
        data_bytes: points * args.tenants * row,
        seconds,
        preloaded,
        ingest_seconds: (!full).then_some(ingest.as_secs_f64()),
        requests: load.tally.figures(seconds),
        broken,
        seen,
        counted,
        lost: lost.map(|error| format!("{error:#}")),
        soak: args.hours.map(|_| Soak::new(checkpoints, budget)),
    })
}

fn create(server: &Server, load: &Load) -> Result<()> {
    let mut connection = Connection::new(server.address);
    for tenant in &load.tenants {
        let path = format!("/collections/{}", tenant.collection());
        let body = load::create_body(load.dim);
        let answer = connection.ask("PUT", &path, body.as_bytes())?;
        ensure!(answer.status == 200, "{}", answer.json()?);
    }
    Ok(())
}

/// Runs all clients; the time until the writers ended, the most that was seen, and what was seen
/// from time to time.
fn under_load(
    args: &Args,
    load: &Load,
    place: &Place<'_>,
) -> (Duration, Result<Seen>, Vec<Checkpoint>) {
    let (started, server) = (Instant::now(), place.server);
    let watched = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers: Vec<_> =
            (0..args.writers).map(|lane| scope.spawn(move || load.write(server, lane))).collect();
        for lane in 0..args.readers {
            scope.spawn(move || load.search(server, lane));
        }
        if args.scenario == Scenario::Mixed {
            scope.spawn(|| load.scroll(server));
            scope.spawn(|| load.delete(server));
            scope.spawn(|| load.churn(server));
        }
        let watch = scope.spawn(|| watch::watch(server, &watched));
        let checkpoints = scope.spawn(|| checkpoints(args, load, place, started));
        let mut ingest = Duration::ZERO;
        if args.scenario == Scenario::Fill {
            for writer in writers {
                writer.join().unwrap_or_default();
            }
            ingest = started.elapsed();
        }
        thread::sleep(args.duration().saturating_sub(started.elapsed()));
        load.stop.store(true, Ordering::SeqCst);
        watched.store(true, Ordering::SeqCst);
        let checkpoints = checkpoints.join().unwrap_or_default();
        let seen = watch.join().unwrap_or_else(|_panic| Err(anyhow!("the watcher panicked")));
        (ingest, seen, checkpoints)
    })
}

/// Looks from time to time and tells, until told to stop.
fn checkpoints(args: &Args, load: &Load, place: &Place<'_>, started: Instant) -> Vec<Checkpoint> {
    let pause = Duration::from_secs(args.checkpoint.max(1));
    let mut connection = Connection::new(place.server.address);
    let (mut last, mut found) = (started, Vec::new());
    while !load.stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(100));
        let since = last.elapsed();
        if since < pause {
            continue;
        }
        last += since;
        let seconds = started.elapsed().as_secs_f64();
        match place.look(&mut connection, seconds, since.as_secs_f64()) {
            Ok(checkpoint) => {
                tell(&checkpoint.to_string());
                found.push(checkpoint);
            }
            Err(error) => tell(&format!("{seconds:>6.0} s  {error:#}")),
        }
    }
    found
}
