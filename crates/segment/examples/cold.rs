//! Graph searches of a segment that is larger than its memory: how long they take, what they read.
//!
//! ```text
//! cold FOLDER [governed|mapped] [PERCENT] [ring|threads|turn] [THREADS] [SECONDS]
//! ```
//! The folder holds the five components of one segment of 128 dimensions, or gets 200,000 rows
//! first. `PERCENT` of what searches read is the pool's size. The page cache is bounded only from
//! outside: to compare at equal memory, run each in a memory cgroup.

#![expect(clippy::print_stdout, reason = "prints a table")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use vectorizer_hnsw::{Executor, Host, Params, Scratch};
use vectorizer_memory::{Governor, Limits, Tenant};
use vectorizer_model::budget::Unbounded;
use vectorizer_model::settings::VectorSettings;
use vectorizer_model::{
    AllRows, CollectionSettings, Metric, PointId, SegmentId, SequenceNumber, VectorName,
};
use vectorizer_pages::{Config, Misses, Pool, Residency};
use vectorizer_quantize::{Levels, ScalarQuantizer};
use vectorizer_segment::{
    ComponentKind, ComponentRef, FlatColumn, FlatRow, FlatTarget, FlatWriter, Frames, Segment,
    SegmentQuery, SegmentRecord, Shortlist, Store, file_number, write_graph,
};
use vectorizer_vfs::{Access, Directory, OsDirectory};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const DIM: usize = 128;
const ROWS_WRITTEN: u32 = 200_000;
const CENTRES: usize = 1000;
const QUERIES: usize = 4096;
/// Searches that count as cold.
const COLD: usize = 200;
/// In the order of their files' numbers.
const KINDS: [ComponentKind; 5] = [
    ComponentKind::Rows,
    ComponentKind::Payload,
    ComponentKind::Vectors,
    ComponentKind::Codes,
    ComponentKind::Graph,
];

struct Threads(usize);

impl Executor for Threads {
    fn workers(&self) -> usize {
        self.0
    }

    fn run(&self, task: &(dyn Fn(usize) + Sync)) {
        thread::scope(|scope| (0..self.0).for_each(|at| drop(scope.spawn(move || task(at)))));
    }
}

struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// About normal, between -2 and 2.
    fn value(&mut self) -> f32 {
        let parts = self.next().to_le_bytes();
        parts.iter().map(|part| f32::from(*part) / 255.0 - 0.5).sum::<f32>() * 0.5
    }
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().collect();
    let argument = |at: usize, default: &str| {
        arguments.get(at).map_or_else(|| default.to_owned(), String::clone)
    };
    let directory = OsDirectory::open(Path::new(&argument(1, ".")))?;
    let residency = match argument(2, "governed").as_str() {
        "mapped" => Residency::Mapped,
        _ => Residency::Governed,
    };
    let misses = match argument(4, "ring").as_str() {
        "turn" => Misses::InTurn,
        "threads" => Misses::Threads,
        _ => Misses::Ring,
    };
    let (threads, seconds) = (argument(5, "1").parse()?, argument(6, "10").parse()?);
    if components(&*directory)?.is_empty() {
        write(&directory)?;
    }
    let components = components(&*directory)?;
    let searched = components.iter().filter(|c| c.kind != ComponentKind::Payload);
    let capacity =
        searched.map(|c| c.bytes).sum::<u64>() / 100 * argument(3, "10").parse::<u64>()?;
    let vectors = components.iter().find(|c| c.kind == ComponentKind::Vectors);
    let vectors = vectors.ok_or("the folder does not hold five components")?.clone();
    let queries = queries(&*directory, &vectors)?;
    for component in &components {
        let file = directory.open(&component.file_name(), Access::Read)?;
        file.drop_cache(0, component.bytes);
    }
    let governor = Governor::new(Limits::of_root(1 << 40));
    let config = Config {
        capacity: if residency == Residency::Governed { capacity } else { 1 << 20 },
        misses,
        ..Config::default()
    };
    let pool = Pool::new(&governor, config)?;
    let frames = Arc::new(Frames::new(Arc::clone(&pool)));
    let tenant = Tenant::system();
    let store = Store { directory, frames, residency, governor, tenant };
    let rows = u32::try_from(rows(&vectors))?;
    let record = SegmentRecord { id: SegmentId(1), rows, components };
    let segment = Segment::open(&store, &record, &settings())?;
    println!("{residency:?} {misses:?}, {capacity} bytes of pool, {rows} rows, {threads} threads");
    println!("part     searches    QPS   p50 ms   p99 ms  MiB read/search  major faults/search");
    let part = |name: &str, from: usize, end: usize| {
        let until = Instant::now() + Duration::from_secs(seconds);
        run(&segment, &queries, (name, from, end), (threads, until))
    };
    part("cold", 0, COLD)?;
    part("steady", COLD, usize::MAX)
}

fn components(directory: &dyn Directory) -> Outcome<Vec<ComponentRef>> {
    let entries = directory.list()?;
    let numbers = entries.iter().filter_map(|entry| file_number(&entry.name));
    let mut found = Vec::new();
    for (file, kind) in numbers.zip(KINDS) {
        let mut component = ComponentRef { kind, tag: String::new(), file, bytes: 0 };
        component.bytes = directory.open(&component.file_name(), Access::Read)?.len()?;
        found.push(component);
    }
    Ok(found)
}

/// Rows of a vector component, whose last page is its footer.
fn rows(vectors: &ComponentRef) -> u64 {
    (vectors.bytes - 4096) / (4 * DIM as u64)
}

/// Rows of the segment, each moved a little.
fn queries(directory: &dyn Directory, vectors: &ComponentRef) -> Outcome<Vec<Vec<f32>>> {
    let file = directory.open(&vectors.file_name(), Access::Read)?;
    let mut draws = Draws(0x9e37_79b9_7f4a_7c15);
    let mut queries = Vec::with_capacity(QUERIES);
    let mut bytes = [0; 4 * DIM];
    for _ in 0..QUERIES {
        let row = draws.next() % rows(vectors);
        file.read_exact_at(&mut bytes, row * 4 * DIM as u64)?;
        let values = bytes.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value));
        queries.push(values.map(|value| value * (1.0 + 0.1 * draws.value())).collect());
    }
    Ok(queries)
}

fn run(
    segment: &Segment,
    queries: &[Vec<f32>],
    (name, from, end): (&str, usize, usize),
    (threads, until): (usize, Instant),
) -> Outcome<()> {
    let (began, before) = (Instant::now(), taken()?);
    let turn = AtomicUsize::new(from);
    let mut times: Vec<Duration> = thread::scope(|scope| {
        let searches = || {
            let (mut scratch, mut times) = (Scratch::new(), Vec::new());
            loop {
                let at = turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if at >= end || Instant::now() > until {
                    return Ok(times);
                }
                let began = Instant::now();
                search(segment, &queries[at % queries.len()], &mut scratch)?;
                times.push(began.elapsed());
            }
        };
        let searchers: Vec<_> = (0..threads).map(|_| scope.spawn(searches)).collect();
        searchers.into_iter().try_fold(Vec::new(), |mut all, searcher| {
            let times: Outcome<Vec<_>> = searcher.join().map_err(|_panic| "a search panicked")?;
            all.extend(times?);
            Outcome::Ok(all)
        })
    })?;
    let seconds = began.elapsed().as_secs_f64();
    times.sort_unstable();
    let ms = |part: usize| {
        let at = (times.len() * part / 100).min(times.len().saturating_sub(1));
        times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    let after = taken()?;
    let each = |at: usize| (after[at] - before[at]) as f64 / times.len().max(1) as f64;
    println!(
        "{name:<8} {:>8} {:>6.1} {:>8.2} {:>8.2} {:>16.2} {:>20.1}",
        times.len(),
        times.len() as f64 / seconds,
        ms(50),
        ms(99),
        each(0) / f64::from(1 << 20),
        each(1)
    );
    Ok(())
}

fn search(segment: &Segment, query: &[f32], scratch: &mut Scratch) -> Outcome<()> {
    let vector = &VectorName::unnamed();
    let query = SegmentQuery { vector, query, limit: 10, ef: 64, rescored: 30, exact: false };
    let mut selection = AllRows { rows: u64::from(segment.rows()) };
    let shortlist = &mut Shortlist::new(query.rescored);
    let found = segment.search(&query, &mut selection, (scratch, shortlist));
    let found = found.map_err(|error| format!("{error:?}"))?;
    if found.len() == 10 { Ok(()) } else { Err("a search found too little".into()) }
}

/// Bytes that this process had read from disks, and its major faults.
fn taken() -> Outcome<[u64; 2]> {
    let io = fs::read_to_string("/proc/self/io")?;
    let read = io.lines().find_map(|line| line.strip_prefix("read_bytes: "));
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let faults = fields.split(' ').nth(9).unwrap_or_default();
    Ok([read.unwrap_or_default().parse()?, faults.parse()?])
}

fn settings() -> CollectionSettings {
    let vector = VectorSettings::new(128, Metric::L2);
    CollectionSettings::new([(VectorName::unnamed(), vector)])
}

/// Writes rows around random centres, and their graph.
fn write(directory: &Arc<dyn Directory>) -> Outcome<()> {
    let mut draws = Draws(0x2545_f491_4f6c_dd1d);
    let centres: Vec<f32> = (0..CENTRES * DIM).map(|_| draws.value()).collect();
    let row = |draws: &mut Draws| -> Vec<f32> {
        let centre = usize::try_from(draws.next() % CENTRES as u64).unwrap_or(0) * DIM;
        centres[centre..centre + DIM].iter().map(|value| value + 0.5 * draws.value()).collect()
    };
    let sample: Vec<f32> = (0..10_000).flat_map(|_| row(&mut draws)).collect();
    let name = VectorName::unnamed();
    let vector = settings().vectors[&name].clone();
    let quantizer = ScalarQuantizer::train(Metric::L2, Levels::default(), DIM, &sample, 0.99)?;
    let columns =
        vec![FlatColumn { name: name.clone(), settings: vector, quantizer: Some(quantizer) }];
    let target = FlatTarget {
        directory: Arc::clone(directory),
        segment: SegmentId(1),
        rows: ROWS_WRITTEN,
        first_file: 1,
    };
    let mut writer = FlatWriter::create(target, columns, &mut Unbounded::default())?;
    for number in 0..u64::from(ROWS_WRITTEN) {
        let values = row(&mut draws);
        writer.push(&FlatRow {
            id: PointId::Num(number),
            version: SequenceNumber(number + 1),
            vectors: &[Some(&values)],
            payload: &[],
        })?;
    }
    let (rows, components) = writer.finish()?;
    let governor = Governor::new(Limits::of_root(1 << 40));
    let frames = Arc::new(Frames::new(Pool::new(&governor, Config::default())?));
    let (directory, tenant) = (Arc::clone(directory), Tenant::system());
    let store = Store { directory, frames, residency: Residency::Mapped, governor, tenant };
    let record = SegmentRecord { id: SegmentId(1), rows, components };
    let codes =
        Segment::open(&store, &record, &settings())?.load_codes(&name)?.ok_or("no codes")?;
    let host = Host {
        executor: &Threads(thread::available_parallelism()?.get()),
        cancelled: &|| false,
        inserted: &AtomicUsize::new(0),
        hint: |_: &[AtomicU32]| {},
    };
    let graph =
        vectorizer_hnsw::build(&codes, &Params::default(), host, &mut Unbounded::default())?;
    write_graph(&*store.directory, record.head(ComponentKind::Graph, ""), 5, &graph)?;
    Ok(store.directory.sync()?)
}
