//! Bytes reserved against bytes allocated: every buffer that grows has an owner.

use std::sync::Arc;

use vectorizer_engine::{Engine, EngineOptions};
use vectorizer_memory::{Class, Governor, OperationKind};
use vectorizer_model::operation::PointSelector;
use vectorizer_model::settings::FieldIndexKind;
use vectorizer_model::{Metric, Operation, Payload, PointId, Value};
use vectorizer_testkit::allocation::{Heap, heap_of};
use vectorizer_testkit::random::Random;
use vectorizer_vfs::OsDirectory;

use crate::support::{batch, create, governor, name, options, settings};

/// What is reserved may be so many times what is allocated: hash tables and trees are charged at
/// their worst load.
const RATIO_MAX: f64 = 2.5;
/// Allocations that do not grow: threads, names, the catalogue.
const FIXED_BYTES: i64 = 64 << 10;
const IDS: usize = 4000;

fn payload(random: &mut Random) -> Payload {
    let mut keys = Payload::new();
    for key in 0..random.below(4) {
        let text = "x".repeat(random.below(200));
        keys.0.insert(format!("key{key}"), Value::Str(text));
    }
    keys
}

/// One random write.
fn step(engine: &Engine, random: &mut Random, dim: usize) {
    let count = 1 + random.below(64);
    let ids: Vec<u64> = (0..count).map(|_| random.below(IDS) as u64).collect();
    let points = || PointSelector::Ids(ids.iter().map(|id| PointId::Num(*id)).collect());
    let operation = match random.below(10) {
        0 => Operation::Delete(points()),
        1 | 2 => Operation::SetPayload { points: points(), payload: payload(random), at: None },
        3 => Operation::OverwritePayload { points: points(), payload: payload(random) },
        _ => {
            let rows: Vec<_> = ids.iter().map(|id| (*id, vec![*id as f32; dim])).collect();
            let payloads: Vec<_> = ids.iter().map(|_| payload(random)).collect();
            let at = |id: u64| ids.iter().position(|other| *other == id).unwrap_or(0);
            batch(&rows, |id| payloads[at(id)].clone())
        }
    };
    engine.write(&name(), operation).expect("room");
}

fn check(dim: u32, seed: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let governor = governor();
    let root = OsDirectory::open(folder.path()).expect("a folder");
    let options = EngineOptions { memtable_bytes: 1 << 30, ..options() };
    let (engine, _) = heap_of(|| {
        let governor = Arc::clone(&governor);
        let engine = Engine::open_in(root, None, governor, options).expect("opens");
        let created = engine.create_collection(name(), settings(dim, Metric::L2)).expect("new");
        created.wait().expect("kept").expect("created");
        engine
    });
    let mut random = Random::new(seed);
    // The log's buffer, which is charged from the start, grows to its largest.
    let rows: Vec<_> = (0..64).map(|id| (id, vec![0.0; dim as usize])).collect();
    engine.write(&name(), batch(&rows, |_| Payload::new())).expect("room");
    engine.flush().expect("flushes");
    let start = governor.reserved();
    let mut allocated = 0;
    for round in 0..12 {
        let ((), Heap { held, .. }) = heap_of(|| {
            (0..12).for_each(|_| step(&engine, &mut random, dim as usize));
            if round % 5 == 4 {
                engine.flush().expect("flushes");
            }
        });
        allocated += held;
        let reserved = (governor.reserved() - start).cast_signed();
        let told = format!("dim {dim}, round {round}: {reserved} reserved, {allocated} allocated");
        assert!(allocated <= reserved + FIXED_BYTES, "bytes without an owner: {told}");
        let most = allocated.max(0) as f64 * RATIO_MAX + FIXED_BYTES as f64;
        assert!(reserved as f64 <= most, "reserved far too much: {told}");
    }
    let held = |class| {
        let classes = governor.usage().classes;
        classes.into_iter().find(|(of, _)| *of == class).map_or(0, |(_, bytes)| bytes)
    };
    assert!(held(Class::Memtables) > 0, "the last rounds were not flushed");
}

#[test]
fn what_is_allocated_is_reserved() {
    for (dim, seed) in [(4, 1), (128, 2), (1536, 3)] {
        check(dim, seed);
    }
}

/// A collection of one segment without a graph, whose field `a` is to be indexed.
fn to_index(
    folder: &std::path::Path,
    governor: &Arc<Governor>,
    (rows, kind): (u64, FieldIndexKind),
    value: impl Fn(u64) -> Value,
) -> Engine {
    let root = OsDirectory::open(folder).expect("a folder");
    let options = EngineOptions { memtable_bytes: 1 << 30, graph_rows_min: u32::MAX, ..options() };
    let engine = Engine::open_in(root, None, Arc::clone(governor), options).expect("opens");
    create(&engine, name(), settings(4, Metric::L2));
    for from in (0..rows).step_by(1000) {
        let ids = from..rows.min(from + 1000);
        let points: Vec<_> = ids.map(|id| (id, vec![id as f32; 4])).collect();
        let payload = |id| Payload([("a".to_owned(), value(id))].into());
        engine.write(&name(), batch(&points, payload)).expect("room");
    }
    engine.flush().expect("flushes");
    let key = "a".parse().expect("a path");
    engine.write(&name(), Operation::CreateFieldIndex { key, kind }).expect("accepted");
    engine
}

fn check_index(rows: u64, kind: FieldIndexKind, value: impl Fn(u64) -> Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let governor = governor();
    let engine = to_index(folder.path(), &governor, (rows, kind), value);
    governor.reset_peaks();
    let before = governor.reserved();
    let ((), heap) = heap_of(|| engine.settle().expect("settled"));
    let reserved = (governor.peak() - before).cast_signed();
    let told = format!("{kind:?} of {rows} rows: {reserved} bytes reserved, {heap:?}");
    assert!(heap.peak <= reserved + FIXED_BYTES, "bytes without an owner: {told}");
    let usage = engine.memory_guard().usage(OperationKind::Build);
    let built = usage.last.expect("one was built");
    assert_eq!((built.name, usage.finished, usage.outgrown), ("index", 1, 0), "{built:?}: {told}");
    let most = built.peak + built.peak / 4 + (512 << 10);
    assert!(built.estimate <= most, "estimated far too high, {built:?}: {told}");
}

#[test]
fn what_building_a_field_index_allocates_is_reserved_before_it_begins() {
    let text = |id: u64| Value::Str(format!("{id} {}", "x".repeat(40)));
    check_index(30_000, FieldIndexKind::Integer, |id| Value::Int((id % 9).cast_signed()));
    check_index(30_000, FieldIndexKind::Keyword, text);
    check_index(30_000, FieldIndexKind::Keyword, |id| text(id % 50));
    check_index(40, FieldIndexKind::Keyword, |_| Value::Str("x".repeat(400 << 10)));
    // An element takes one byte on disk.
    check_index(40, FieldIndexKind::Bool, |_| Value::Array(vec![Value::Bool(true); 20_000]));
}
