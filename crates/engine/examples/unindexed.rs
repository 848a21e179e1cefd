//! What a filter on a field without an index costs a search, under a budget of half the data.
//!
//! `cargo run --release -p vectorizer-engine --example unindexed`. Each value of the field is
//! asked for again and again with another vector: past the caches, while they fill, and filled.

#![expect(clippy::print_stdout, reason = "a measurement prints what it measured")]

use std::error::Error;
use std::time::{Duration, Instant};

use vectorizer_engine::{
    Durability, Engine, EngineOptions, LeafSearch, PayloadSelector, ReadView, Residency, Scratch,
    SearchParams, Select,
};
use vectorizer_memory::{Governor, Limits};
use vectorizer_model::filter::{Predicate, Scalar};
use vectorizer_model::operation::PointBatch;
use vectorizer_model::settings::VectorSettings;
use vectorizer_model::vector::VectorColumn;
use vectorizer_model::{
    CollectionName, CollectionSettings, Condition, Filter, KeyPath, Metric, Operation, Payload,
    PointId, Value, VectorName,
};
use vectorizer_testkit::random::Random;

const ROOT: u64 = 128 << 20;
const CACHES: u64 = 32 << 20;
const ROWS: u64 = 200_000;
const BATCH: u64 = 1_000;
const DIM: usize = 128;
const VALUES: u64 = 10;
const SEARCHES: usize = 400;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let governor = Governor::new(Limits::of_root(ROOT).with_cache_limit(CACHES));
    let options = EngineOptions {
        residency: Residency::Governed,
        durability: Durability::Os,
        ..EngineOptions::default()
    };
    let engine = Engine::open(folder.path(), governor, options)?;
    let things = CollectionName::new("things")?;
    let vector = VectorSettings::new(u32::try_from(DIM)?, Metric::L2);
    let settings = CollectionSettings::new([(VectorName::unnamed(), vector)]);
    engine.create_collection(things.clone(), settings)?.wait()??;
    let mut random = Random::new(1);
    for first in (0..ROWS).step_by(usize::try_from(BATCH)?) {
        engine.write(&things, batch(first, &mut random)?)?;
    }
    engine.flush()?;
    engine.settle()?;
    let view = engine.view(&things)?;
    println!("{ROWS} rows of {DIM}, {} segments", engine.info(&things)?.segments);
    let past = view.clone().uncached();
    for (what, view) in [("past caches", &past), ("filling", &view), ("filled", &view)] {
        println!("{what}: {}", run(view)?);
    }
    println!("records past caches: {}", read(&past)?);
    read(&view)?;
    println!("records kept: {}", read(&view)?);
    println!("{:?}", engine.row_caches().predicate_stats());
    println!("{:?}", engine.row_caches().payload_stats());
    Ok(())
}

fn batch(first: u64, random: &mut Random) -> Outcome<Operation> {
    let tag = |id: u64| Ok::<_, std::num::TryFromIntError>(Value::Int(i64::try_from(id % VALUES)?));
    let payload = |id: u64| -> Outcome<Payload> {
        let text = Value::Str(format!("a text that belongs to {id}; {}", "x".repeat(120)));
        Ok(Payload([("tag".to_owned(), tag(id)?), ("text".to_owned(), text)].into()))
    };
    let ids = first..first + BATCH;
    let values = ids.clone().flat_map(|_| vector(random)).collect();
    let column =
        VectorColumn { name: VectorName::unnamed(), dim: 128, values, present: Vec::new() };
    Ok(Operation::Upsert(PointBatch {
        ids: ids.clone().map(PointId::Num).collect(),
        vectors: vec![column],
        payloads: ids.map(payload).collect::<Outcome<_>>()?,
    }))
}

fn vector(random: &mut Random) -> Vec<f32> {
    (0..DIM).map(|_| random.below(1_000) as f32).collect()
}

/// Searches with a filter each, which admits one row of [`VALUES`].
fn run(view: &ReadView) -> Outcome<String> {
    let mut random = Random::new(2);
    let mut times = Vec::new();
    for number in 0..SEARCHES {
        let tag = i64::try_from(number)? % i64::try_from(VALUES)?;
        let predicate = Predicate::Match(Scalar::Int(tag));
        let is_it = Condition::Field { key: KeyPath::key("tag"), predicate };
        let search = LeafSearch {
            vector: VectorName::unnamed(),
            query: vector(&mut random),
            filter: Filter { must: vec![is_it], ..Filter::default() },
            limit: 10,
            params: SearchParams::default(),
            distance_below: None,
        };
        let start = Instant::now();
        view.search(&search, &mut Scratch::new())?;
        times.push(start.elapsed());
    }
    Ok(shown(times))
}

/// Reads ten records at a time of some that are asked for again and again.
fn read(view: &ReadView) -> Outcome<String> {
    let select = Select { payload: PayloadSelector::Everything, ..Select::default() };
    let mut random = Random::new(3);
    let mut times = Vec::new();
    for _ in 0..SEARCHES * 4 {
        let id = |_| PointId::Num(random.below(2_000) as u64 * 97);
        let ids: Vec<PointId> = (0..10).map(id).collect();
        let start = Instant::now();
        view.records(&ids, &select)?;
        times.push(start.elapsed());
    }
    Ok(shown(times))
}

fn shown(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    format!("p50 {:?}, p90 {:?}, p99 {:?}", at(50), at(90), at(99))
}
