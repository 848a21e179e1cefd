//! Puts the server into a cgroup barely larger than its budget and loads it, from outside.
//!
//! # Layout
//! - `cgroup`, `server`: the container and what runs in it; `watch`: what it holds
//! - `tenants`, `vectors`: the data; `preload`: filling it in through the library
//! - `load`, `http`, `tally`: the clients and how they fared; `truth`: whether anything was lost

#![forbid(unsafe_code)]

mod cgroup;
mod http;
mod load;
mod preload;
mod server;
mod tally;
mod tenants;
mod truth;
mod vectors;
mod watch;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use serde::Serialize;
use vectorizer_model::bytes::ByteCount;

use crate::cgroup::{Cgroup, Counted};
use crate::http::Connection;
use crate::load::Load;
use crate::preload::Preloaded;
use crate::server::Server;
use crate::tally::{Figures, Tally};
use crate::tenants::Tenant;
use crate::vectors::Vectors;
use crate::watch::Seen;

/// Within this time a request that is sent again and again is admitted.
const LONGEST_REFUSED_MS: f64 = 10_000.0;

/// Runs the server in a container barely larger than its memory limit, under load.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
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

#[derive(Debug, Serialize)]
struct Report {
    scenario: String,
    budget_bytes: u64,
    container_bytes: Option<u64>,
    data_bytes: u64,
    seconds: f64,
    preloaded: Option<Preloaded>,
    /// Until everything was acknowledged.
    ingest_seconds: Option<f64>,
    requests: BTreeMap<&'static str, Figures>,
    broken: Vec<String>,
    seen: Seen,
    counted: Option<Counted>,
    lost: Option<String>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let scratch = tempfile::tempdir_in(std::env::current_dir()?)?;
    let folder = args.folder.clone().unwrap_or_else(|| scratch.path().to_path_buf());
    std::fs::create_dir_all(&folder)?;
    let report = run(&args, &folder.canonicalize()?)?;
    let text = if args.json {
        serde_json::to_string(&report)?
    } else {
        serde_json::to_string_pretty(&report)?
    };
    writeln!(std::io::stdout(), "{text}")?;
    if args.check { report.check() } else { Ok(()) }
}

/// Says how it goes; nobody need listen.
fn tell(line: &str) {
    writeln!(std::io::stderr(), "{line}").ok();
}

fn run(args: &Args, folder: &std::path::Path) -> Result<Report> {
    let (budget, row) = (args.budget.0, args.dim as u64 * 4);
    let data_bytes = budget / 100 * args.data_percent;
    let points = data_bytes / row / args.tenants / 100 * 100;
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
    let server = Server::start(&args.server, folder, budget, group.as_ref())?;
    tell(&format!("ready: {}; log lines in {}", server.ready, server.log.display()));
    let load = Load {
        vectors: Arc::clone(&vectors),
        dim: args.dim,
        tenants,
        tally: Tally::default(),
        stop: AtomicBool::new(false),
        to_write: AtomicU64::new(if full { u64::MAX } else { points * args.tenants }),
        keep: points,
    };
    if !full {
        create(&server, &load)?;
    }
    let started = Instant::now();
    let (ingest, seen) = under_load(args, &load, &server);
    let seconds = started.elapsed().as_secs_f64();
    let lost = truth::check(&server, &load.tenants, &vectors).err();
    let counted = group.as_ref().map(Cgroup::read).transpose()?;
    let mut broken = load.tally.broken();
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

/// Runs all clients; the time until the writers ended, and the most that was seen.
fn under_load(args: &Args, load: &Load, server: &Server) -> (Duration, Seen) {
    let started = Instant::now();
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
        scope.spawn(|| checkpoints(args, load, server, started));
        let least = Duration::from_secs(args.seconds);
        let mut ingest = Duration::ZERO;
        if args.scenario == Scenario::Fill {
            for writer in writers {
                writer.join().unwrap_or_default();
            }
            ingest = started.elapsed();
        }
        thread::sleep(least.saturating_sub(started.elapsed()));
        load.stop.store(true, Ordering::SeqCst);
        watched.store(true, Ordering::SeqCst);
        (ingest, watch.join().unwrap_or_default())
    })
}

/// Prints what happened since the last checkpoint, until told to stop.
fn checkpoints(args: &Args, load: &Load, server: &Server, started: Instant) {
    let pause = Duration::from_secs(args.checkpoint.max(1));
    let mut next = started + pause;
    while !load.stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(100));
        if Instant::now() < next {
            continue;
        }
        next += pause;
        let (anonymous, _) = server::resident(server.pid()).unwrap_or_default();
        let mut line = format!(
            "{:>6.0} s  {} anonymous",
            started.elapsed().as_secs_f64(),
            ByteCount(anonymous)
        );
        for (kind, (answered, p50, p99)) in load.tally.checkpoint() {
            let rate = answered as f64 / pause.as_secs_f64();
            let told = format!("  {kind} {rate:.1}/s {p50:.1} {p99:.1} ms");
            line.push_str(&told);
        }
        tell(&line);
    }
}

impl Report {
    /// Whether the promise was kept.
    fn check(&self) -> Result<()> {
        let mut broken = self.broken.clone();
        broken.extend(self.lost.clone());
        let most = self.budget_bytes + self.budget_bytes / 20;
        if self.seen.anonymous > most {
            broken.push(format!("{} anonymous bytes", self.seen.anonymous));
        }
        if self.seen.booked > self.budget_bytes {
            broken.push(format!("{} bytes reserved", self.seen.booked));
        }
        if let Some(Counted { limit_hits, oom_kills, .. }) = self.counted
            && limit_hits + oom_kills > 0
        {
            broken.push(format!("the container's limit was met {limit_hits} times"));
        }
        for (kind, figures) in &self.requests {
            if figures.longest_refused_ms > LONGEST_REFUSED_MS {
                let waited = figures.longest_refused_ms;
                broken.push(format!("a {kind} was refused again and again for {waited:.0} ms"));
            }
        }
        let searches = self.requests.get("search").context("no search was answered")?;
        ensure!(searches.answered > 0, "no search was answered");
        ensure!(broken.is_empty(), "the promise was broken: {broken:#?}");
        Ok(())
    }
}
