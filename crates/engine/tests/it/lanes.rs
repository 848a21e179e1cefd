//! Writers, readers, flushes, and both lanes of background work at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;

use vectorizer_engine::{Engine, EngineOptions, TaskQueue};
use vectorizer_memory::Tenant;
use vectorizer_model::Metric;
use vectorizer_vfs::{Directory, OsDirectory};

use crate::history::{Model, Step, check};
use crate::support::{governor, name, options, search, settings};

const WRITERS: u64 = 2;
const STEPS: u64 = 600;
const IDS: u64 = 3_000;

/// So small that segments are flushed, indexed and merged all the time.
fn busy_options() -> EngineOptions {
    EngineOptions {
        background: true,
        memtable_bytes: 16 << 10,
        graph_rows_min: 100,
        merged_rows_max: 2_500,
        build_threads: 2,
        ..options()
    }
}

fn open(root: &Arc<dyn Directory>) -> Engine {
    Engine::open_in(Arc::clone(root), None, governor(), busy_options()).expect("opens")
}

/// Splitmix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn step(number: u64, state: &mut u64, writer: u64) -> Step {
    let mut id = || next(state) % (IDS / WRITERS) * WRITERS + writer;
    let few: Vec<u64> = (0..8).map(|_| id()).collect();
    match number % 6 {
        3 => Step::Delete(few),
        5 => Step::SetPayload(few, i64::try_from(number % 5).expect("small")),
        _ => {
            let ids: Vec<u64> = (0..40).map(|_| id()).collect();
            let points = ids.into_iter().map(|id| {
                let bytes = next(state).to_le_bytes();
                (id, [bytes[0], bytes[1], bytes[2], bytes[3]].map(u8::cast_signed))
            });
            Step::Upsert(points.collect())
        }
    }
}

/// Writes to ids of its own, and keeps its own model.
fn run_writer(engine: &Engine, writer: u64) -> Model {
    let (mut model, mut state) = (Model::default(), writer);
    for number in 0..STEPS {
        let operation = step(number, &mut state, writer).operation().expect("a write");
        let applied = engine.write(&name(), operation.clone()).expect("written");
        model.apply(applied.seq.0, &operation);
    }
    model
}

#[test]
fn both_lanes_work_beside_writers_and_readers() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = OsDirectory::open(folder.path()).expect("opens");
    let engine = open(&root);
    let created = engine.create_collection(name(), settings(4, Metric::L2)).expect("accepted");
    created.wait().expect("done").expect("created");

    let done = AtomicBool::new(false);
    let mut model = Model::default();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                scope.spawn({
                    let engine = &engine;
                    move || run_writer(engine, writer)
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                for exact in [true, false] {
                    let hits = search(&engine, &[1.0, 2.0, 3.0, 4.0], 10, exact);
                    let ids: std::collections::BTreeSet<_> = hits.iter().map(|h| h.id).collect();
                    assert_eq!(ids.len(), hits.len(), "a point is found once");
                }
            }
        });
        let models: Vec<_> = writers.into_iter().map(ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Release);
        for written in models {
            model.0.extend(written.expect("no writer failed").0);
        }
    });

    check(&engine, &model);
    engine.flush().expect("flushed");
    engine.settle().expect("settled");
    check(&engine, &model);
    let info = engine.info(&name()).expect("there");
    assert!(info.indexed_rows * 2 > info.points, "{info:?}");
    engine.close().expect("closed");
    drop(engine);
    check(&open(&root), &model);
}

/// Whoever passes requests on waits for no search where both want the same core.
#[test]
#[cfg(target_os = "linux")]
fn searches_let_other_threads_go_first() {
    let nice = || -> i64 {
        let shown = std::fs::read_to_string("/proc/thread-self/stat").expect("there");
        // The name, in brackets, may have spaces; niceness is 17 fields after it.
        let (_, fields) = shown.rsplit_once(") ").expect("a name");
        fields.split(' ').nth(16).and_then(|of| of.parse().ok()).expect("a number")
    };
    let usual = nice();
    let engine = Engine::open_in(
        vectorizer_vfs::crash::TraceDirectory::new().directory(),
        None,
        governor(),
        options(),
    );
    let engine = engine.expect("opens");
    let queue = TaskQueue { tenant: Tenant::system(), collection: 1 };
    let searching = engine.spawn(&queue, nice).expect("room").wait().expect("done");
    assert_eq!(searching, 10.max(usual));
}
