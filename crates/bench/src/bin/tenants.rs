//! A tenant that floods at a fixed rate beside one that does not: what the neighbour's searches take
//! alone and then, and how many of its repeated questions the query cache still answers.
//!
//! Server and load share this process, so that figures of a small machine hold the load's work too. The
//! flood's clients make their requests when the cores have nothing else to do, and the neighbour's is let in
//! at once when an answer is there: other machines' cores would do both.

#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use vectorizer_bench::http::{Connection, request};
use vectorizer_engine::{Engine, EngineOptions};
use vectorizer_memory::{Governor, Limits};
use vectorizer_model::bytes::MIB;
use vectorizer_model::operation::PointBatch;
use vectorizer_model::settings::VectorSettings;
use vectorizer_model::vector::VectorColumn;
use vectorizer_model::{
    CollectionName, CollectionSettings, Metric, Operation, PointId, TenantName, VectorName,
};
use vectorizer_server::ServerConfig;
use vectorizer_server::config::TenantSettings;
use vectorizer_vfs::{Niceness, take_short_turns};

const DIM: usize = 64;
const BATCH: u64 = 1_000;
/// Searches of one request of the flood.
const FLOOD_BATCH: u64 = 10;
/// Every second question of the neighbour's is one of so many.
const REPEATED: u64 = 200;

/// A flood of one tenant beside another.
#[derive(Parser)]
struct Args {
    /// Rows of each collection.
    #[arg(long, default_value_t = 20_000)]
    rows: u64,
    /// Seconds of each part.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Searches of the neighbour's each second.
    #[arg(long, default_value_t = 100)]
    rate: u64,
    /// Searches of the flood each second.
    #[arg(long, default_value_t = 1_000)]
    flood_rate: u64,
    /// Connections of the flood.
    #[arg(long, default_value_t = 8)]
    flood_lanes: u64,
    /// Rounds of both parts, one after the other.
    #[arg(long, default_value_t = 3)]
    rounds: u64,
    /// Caches may hold so many MiB.
    #[arg(long, default_value_t = 8)]
    cache_mib: u64,
    /// Whether all requests are one tenant's, for comparison.
    #[arg(long)]
    one_tenant: bool,
}

/// A connection that shows a tenant.
struct Lane {
    connection: Connection,
    tenant_header: String,
}

impl Lane {
    fn new(address: SocketAddr, tenant: &str) -> Self {
        let tenant_header = format!("x-tenant-id: {tenant}\r\n");
        Self { connection: Connection::new(address), tenant_header }
    }

    /// Whether it was answered; otherwise it was refused for now.
    fn post(&mut self, path: &str, body: &str) -> Result<bool> {
        let request = request("POST", path, &self.tenant_header, body.as_bytes());
        let answer = self.connection.send(&request)?;
        match answer.status {
            200 => Ok(true),
            429 | 503 => Ok(false),
            status => bail!("{status}: {}", String::from_utf8_lossy(&answer.body)),
        }
    }
}

/// A vector, always the same for the same number.
fn vector(number: u64) -> Vec<f32> {
    let component = |at: u64| {
        let mut mixed = (number << 16 | at).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        f32::from(u16::try_from(mixed >> 48).unwrap_or(0)) / 65_536.0
    };
    (0..DIM as u64).map(component).collect()
}

fn question(number: u64) -> String {
    format!(r#"{{"query":{:?},"limit":10,"params":{{"exact":true}}}}"#, vector(number))
}

fn fill(engine: &Engine, tenant: &str, rows: u64) -> Result<()> {
    let name = CollectionName::new(tenant)?;
    let dim = u32::try_from(DIM)?;
    let vectors = [(VectorName::unnamed(), VectorSettings::new(dim, Metric::Dot))];
    let settings = CollectionSettings::new(vectors);
    engine.create_collection_of(TenantName::new(tenant)?, name.clone(), settings)?.wait()??;
    for from in (0..rows).step_by(usize::try_from(BATCH)?) {
        let ids = from..(from + BATCH).min(rows);
        let column = VectorColumn {
            name: VectorName::unnamed(),
            dim,
            values: ids.clone().flat_map(vector).collect(),
            present: Vec::new(),
        };
        let ids = ids.map(PointId::Num).collect();
        let batch = PointBatch { ids, vectors: vec![column], payloads: Vec::new() };
        engine.write(&name, Operation::Upsert(batch))?;
    }
    Ok(engine.settle()?)
}

/// Serves for as long as the process lives.
fn serve(engine: Engine, one_tenant: bool) -> Result<SocketAddr> {
    let quotas = [(TenantName::new("flood")?, 256 * MIB)].into();
    let tenants = TenantSettings { enabled: !one_tenant, quotas, ..TenantSettings::default() };
    let config = ServerConfig { rest_port: 0, tenants, ..ServerConfig::default() };
    let (ready, address) = std::sync::mpsc::channel();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().on_thread_start(take_short_turns).build()?;
    std::thread::spawn(move || {
        let ready = move |address| ready.send(address).unwrap_or_default();
        runtime.block_on(vectorizer_server::run(config, engine, ready, std::future::pending()))
    });
    address.recv().context("the server ended before it was ready")
}

/// What the neighbour saw.
#[derive(Default)]
struct Seen {
    latencies: Vec<Duration>,
    refused: u64,
    repeated: u64,
    hits: u64,
}

/// Asks at a fixed rate; latencies count from when a question was due.
fn ask(address: SocketAddr, engine: &Engine, args: &Args, fresh: &mut u64) -> Result<Seen> {
    let mut lane = Lane::new(address, "neighbour");
    let (before, mut seen) = (hits(engine), Seen::default());
    let (started, pause) = (Instant::now(), Duration::from_secs(1) / u32::try_from(args.rate)?);
    for number in 0..args.rate * args.seconds {
        let due = started + pause * u32::try_from(number)?;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let repeats = number % 2 == 0;
        seen.repeated += u64::from(repeats);
        *fresh += 1;
        let which = if repeats { number / 2 % REPEATED } else { *fresh << 12 };
        let answered = lane.post("/collections/neighbour/points/query", &question(which))?;
        seen.refused += u64::from(!answered);
        seen.latencies.push(due.elapsed());
    }
    seen.hits = hits(engine) - before;
    Ok(seen)
}

fn hits(engine: &Engine) -> u64 {
    let caches = engine.caches().caches();
    caches.iter().find(|cache| cache.name() == "query").map_or(0, |cache| cache.figures().hits)
}

/// Searches of the flood that were answered and refused.
#[derive(Default)]
struct Flood {
    next: AtomicU64,
    answered: AtomicU64,
    refused: AtomicU64,
    stop: AtomicBool,
}

impl Flood {
    fn lane(&self, address: SocketAddr, args: &Args) -> Result<()> {
        Niceness::Idle.apply();
        let mut lane = Lane::new(address, "flood");
        let each = args.flood_lanes * FLOOD_BATCH * 1_000_000 / args.flood_rate.max(1);
        let mut due = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            due += Duration::from_micros(each);
            let from = (1 << 40) + self.next.fetch_add(FLOOD_BATCH, Ordering::Relaxed);
            let searches: Vec<String> = (from..from + FLOOD_BATCH).map(question).collect();
            let body = format!(r#"{{"searches":[{}]}}"#, searches.join(","));
            let answered = lane.post("/collections/flood/points/query/batch", &body)?;
            let counter = if answered { &self.answered } else { &self.refused };
            counter.fetch_add(FLOOD_BATCH, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn percentile(latencies: &[Duration], percent: usize) -> f64 {
    let at = (latencies.len() * percent / 100).min(latencies.len().saturating_sub(1));
    latencies.get(at).map_or(0.0, |latency| latency.as_secs_f64() * 1_000.0)
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its results")]
fn show(what: &str, mut seen: Seen) -> f64 {
    seen.latencies.sort_unstable();
    let [p50, p95, p99] = [50, 95, 99].map(|percent| percentile(&seen.latencies, percent));
    let hits = seen.hits as f64 * 100.0 / seen.repeated.max(1) as f64;
    let (asked, refused) = (seen.latencies.len(), seen.refused);
    println!(
        "{what:<8}{asked:>8} asked {refused:>4} refused  p50 {p50:>7.2}  p95 {p95:>7.2}  \
         p99 {p99:>7.2} ms  {hits:>5.1} % of repeated questions cached"
    );
    p99
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its results")]
fn main() -> Result<()> {
    let args = Args::parse();
    let folder = tempfile::tempdir()?;
    let limits = Limits::of_root(1 << 30).with_cache_limit(args.cache_mib * MIB);
    let engine = Engine::open(folder.path(), Governor::new(limits), EngineOptions::default())?;
    for tenant in ["flood", "neighbour"] {
        fill(&engine, tenant, args.rows)?;
    }
    let address = serve(engine.clone(), args.one_tenant)?;
    take_short_turns();
    let mut fresh = 0;
    // Warms up, and fills the cache with what is repeated.
    ask(address, &engine, &args, &mut fresh)?;
    let mut ratios = Vec::new();
    // No question of the flood is asked twice, so that every hit is the neighbour's.
    let flood = Flood::default();
    for _ in 0..args.rounds {
        let alone = show("alone", ask(address, &engine, &args, &mut fresh)?);
        flood.stop.store(false, Ordering::Relaxed);
        let started = Instant::now();
        let seen = std::thread::scope(|scope| {
            let lanes: Vec<_> =
                (0..args.flood_lanes).map(|_| scope.spawn(|| flood.lane(address, &args))).collect();
            let seen = ask(address, &engine, &args, &mut fresh);
            flood.stop.store(true, Ordering::Relaxed);
            for lane in lanes {
                lane.join().map_err(|_panic| anyhow::anyhow!("a lane panicked"))??;
            }
            seen
        })?;
        let seconds = started.elapsed().as_secs_f64();
        let beside = show("flooded", seen);
        let [answered, refused] = [&flood.answered, &flood.refused]
            .map(|of| of.swap(0, Ordering::Relaxed) as f64 / seconds);
        println!(
            "        of the flood {answered:.0} answered and {refused:.0} refused each second"
        );
        ratios.push(beside / alone);
    }
    let shown: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
    println!("p99 beside the flood / alone: {}", shown.join(", "));
    Ok(())
}
