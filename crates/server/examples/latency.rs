//! What a query over HTTP takes beside the same query in the library: `latency FOLDER [ROUNDS]`.
//!
//! One client, one connection, one query after the other. Both ways take turns in short rounds, so
//! that whatever else the machine does falls on both alike. The folder is filled once, with 100,000
//! vectors of 128 components in 1000 clusters.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use vectorizer_engine::{Engine, EngineOptions, LeafSearch, Scratch, SearchParams, Select};
use vectorizer_memory::{Governor, Limits};
use vectorizer_model::operation::PointBatch;
use vectorizer_model::settings::VectorSettings;
use vectorizer_model::vector::VectorColumn;
use vectorizer_model::{
    CollectionName, CollectionSettings, Filter, Metric, Operation, PointId, VectorName,
};
use vectorizer_server::ServerConfig;

type Failure = Box<dyn Error + Send + Sync>;

const DIM: u32 = 128;
const POINTS: u64 = 100_000;
const QUERIES: u64 = 1_000;
const ROUND: usize = 100;
const LIMIT: usize = 10;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().ok_or("give a folder")?;
    let rounds: usize = args.next().map_or(Ok(50), |rounds| rounds.parse())?;
    let governor = Governor::new(Limits::of_root(2 << 30));
    let engine = Engine::open(folder, governor, EngineOptions::default())?;
    let name = CollectionName::new("latency")?;
    if engine.collections().is_empty() {
        fill(&engine, &name)?;
    }
    let mut http = Http::connect(serve(engine.clone())?)?;
    let queries: Vec<Vec<f32>> = (POINTS..POINTS + QUERIES).map(vector).collect();
    let (mut library, mut over_http) = (Vec::new(), Vec::new());
    let mut scratch = Scratch::default();
    for round in 0..=rounds {
        let (mut inside, mut outside) = (Vec::new(), Vec::new());
        let turn = queries.iter().cycle().skip(round * ROUND % queries.len()).take(ROUND);
        for query in turn.clone() {
            inside.push(in_library(&engine, &name, query, &mut scratch)?);
        }
        for query in turn {
            outside.push(http.query(query)?);
        }
        // The first round warms up.
        if round > 0 {
            library.append(&mut inside);
            over_http.append(&mut outside);
        }
    }
    let (inside, outside) = (percentiles(library), percentiles(over_http));
    let mut out = std::io::stdout();
    writeln!(out, "{} queries each way, limit {LIMIT}, milliseconds", rounds * ROUND)?;
    writeln!(out, "            p50     p95     p99")?;
    for (shown, of) in [("library", inside), ("http", outside)] {
        writeln!(out, "{shown:<8}{:>7.3} {:>7.3} {:>7.3}", of[0], of[1], of[2])?;
    }
    writeln!(out, "added   {:>7.3}", outside[0] - inside[0])?;
    Ok(())
}

/// A vector of one of 1000 clusters, always the same for the same number.
fn vector(number: u64) -> Vec<f32> {
    let component = |seed: u64| {
        let mut mixed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        f32::from(u16::try_from(mixed >> 48).unwrap_or(0)) / 65_536.0
    };
    let (centre, own) = ((number % 1000) << 20, (number + 1) << 32);
    (0..u64::from(DIM)).map(|at| component(centre + at) + 0.3 * component(own + at)).collect()
}

fn fill(engine: &Engine, name: &CollectionName) -> Result<(), Failure> {
    let vector = VectorSettings::new(DIM, Metric::L2);
    let settings = CollectionSettings::new([(VectorName::unnamed(), vector)]);
    engine.create_collection(name.clone(), settings)?.wait()??;
    let numbers: Vec<u64> = (0..POINTS).collect();
    for chunk in numbers.chunks(1000) {
        let column = VectorColumn {
            name: VectorName::unnamed(),
            dim: DIM,
            values: chunk.iter().flat_map(|&number| self::vector(number)).collect(),
            present: Vec::new(),
        };
        let batch = PointBatch {
            ids: chunk.iter().map(|&number| PointId::Num(number)).collect(),
            vectors: vec![column],
            payloads: Vec::new(),
        };
        engine.write(name, Operation::Upsert(batch))?;
    }
    Ok(engine.settle()?)
}

/// Serves in this process, on a runtime of its own, until the process ends.
fn serve(engine: Engine) -> Result<SocketAddr, Failure> {
    let (ready, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let config = ServerConfig { rest_port: 0, ..ServerConfig::default() };
        let told = move |address| ready.send(address).unwrap_or_default();
        Ok(runtime.block_on(vectorizer_server::run(
            config,
            engine,
            told,
            std::future::pending(),
        ))?)
    });
    Ok(address.recv()?)
}

fn in_library(
    engine: &Engine,
    name: &CollectionName,
    query: &[f32],
    scratch: &mut Scratch,
) -> Result<Duration, Failure> {
    let started = Instant::now();
    let view = engine.view(name)?;
    let leaf = LeafSearch {
        vector: VectorName::unnamed(),
        query: query.to_vec(),
        filter: Filter::default(),
        limit: LIMIT,
        params: SearchParams::default(),
        distance_below: None,
    };
    let ids: Vec<PointId> = view.search(&leaf, scratch)?.iter().map(|hit| hit.id).collect();
    let records = view.records(&ids, &Select::default())?;
    if records.len() == LIMIT { Ok(started.elapsed()) } else { Err("too few found".into()) }
}

/// One connection that is kept.
struct Http {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Http {
    fn connect(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: vec![0; 64 << 10] })
    }

    fn query(&mut self, query: &[f32]) -> Result<Duration, Failure> {
        let body = serde_json::json!({ "query": query, "limit": LIMIT }).to_string();
        let request = format!(
            "POST /collections/latency/points/query HTTP/1.1\r\nhost: x\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let started = Instant::now();
        self.stream.write_all(request.as_bytes())?;
        let mut received = 0;
        loop {
            let read = self.stream.read(&mut self.received[received..])?;
            received += read;
            let text = std::str::from_utf8(&self.received[..received])?;
            if is_whole(text) {
                let took = started.elapsed();
                return if text.contains("\"score\"") { Ok(took) } else { Err(text.into()) };
            }
            if read == 0 {
                return Err("the server went away".into());
            }
        }
    }
}

/// Whether all of an answer is there.
fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.and_then(|length| length.parse().ok()) == Some(body.len())
}

/// The median and the latencies that 5 and 1 percent exceed, in milliseconds.
fn percentiles(mut latencies: Vec<Duration>) -> [f64; 3] {
    latencies.sort_unstable();
    [50, 95, 99].map(|percent| {
        let at = latencies.len() * percent / 100;
        latencies.get(at).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    })
}
