//! Segments whose graphs are larger than the memory that there is to build them in.

use std::path::Path;
use std::sync::Arc;

use vectorizer_engine::{Engine, EngineError, EngineOptions, verify};
use vectorizer_memory::{Class, Governor, Limits, Reservation, Tenant};
use vectorizer_model::bytes::MIB;
use vectorizer_model::settings::{HnswSettings, VectorSettings};
use vectorizer_model::{CollectionSettings, Metric, Payload, VectorName};
use vectorizer_testkit::random::Random;
use vectorizer_vfs::crash::{Effect, TraceDirectory};
use vectorizer_vfs::{Directory, OsDirectory, Space};

use crate::support::{batch, create, governor, name, options, search};
use crate::verify::files;

const DIM: usize = 384;
const ROWS: u64 = 24_000;
/// Numbers from which a row's components are mixed: as few as real vectors seem to have.
const LATENT: usize = 12;
/// About what a graph of all rows takes at once is 13 MB; builds may plan with three eighths of this.
const OBTAINABLE: u64 = 11 * MIB + 800 * 1024;

fn opened(folder: &Path, governor: Arc<Governor>) -> Engine {
    opened_in(OsDirectory::open(folder).expect("a folder"), governor, 1 << 30)
}

fn opened_in(root: Arc<dyn Directory>, governor: Arc<Governor>, memtable_bytes: u64) -> Engine {
    let mut options = EngineOptions { memtable_bytes, log_file_bytes: 64 * MIB, ..options() };
    options.pool.capacity = 4 * MIB;
    Engine::open_in(root, None, governor, options).expect("opens")
}

/// From -0.5 to 0.5.
fn centred(random: &mut Random) -> f32 {
    random.below(1 << 20) as f32 / (1 << 20) as f32 - 0.5
}

/// Rows around centres, and what mixes them.
struct Source {
    random: Random,
    mixing: Vec<f32>,
    centres: Vec<f32>,
}

impl Source {
    fn new() -> Self {
        let mut random = Random::new(7);
        let mut draw = |count: usize| (0..count).map(|_| centred(&mut random)).collect::<Vec<_>>();
        let (mixing, centres) = (draw(LATENT * DIM), draw(LATENT * 60));
        Self { random, mixing, centres }
    }

    fn row(&mut self) -> Vec<f32> {
        let centre = self.random.below(60) * LATENT;
        let latent: Vec<f32> = (0..LATENT)
            .map(|at| 2.0 * self.centres[centre + at] + centred(&mut self.random))
            .collect();
        let mixed =
            |d: usize| latent.iter().enumerate().map(|(at, z)| z * self.mixing[at * DIM + d]).sum();
        (0..DIM).map(mixed).collect()
    }
}

/// Makes so many segments that have no graph, and closes the engine; returns queries.
fn fill(engine: &Engine, segments: u64) -> Vec<Vec<f32>> {
    let mut vector = VectorSettings::new(u32::try_from(DIM).expect("small"), Metric::L2);
    vector.hnsw = Some(HnswSettings { ef_construct: 60, ..HnswSettings::default() });
    create(engine, name(), CollectionSettings::new([(VectorName::unnamed(), vector)]));
    let mut source = Source::new();
    for from in (0..ROWS).step_by(1000) {
        let points: Vec<_> = (from..from + 1000).map(|id| (id, source.row())).collect();
        engine.write(&name(), batch(&points, |_| Payload::new())).expect("room");
        if (from + 1000).is_multiple_of(ROWS / segments) {
            engine.flush().expect("flushed");
        }
    }
    let info = engine.info(&name()).expect("there");
    assert_eq!((info.segments as u64, info.backlog_rows), (segments, ROWS));
    engine.close().expect("closed");
    (0..60).map(|_| source.row()).collect()
}

fn recall(engine: &Engine, queries: &[Vec<f32>]) -> f64 {
    let mut found = 0;
    for query in queries {
        let exact = search(engine, query, 10, true);
        let hits = search(engine, query, 10, false);
        found += exact.iter().filter(|near| hits.iter().any(|hit| hit.id == near.id)).count();
    }
    found as f64 / (10 * queries.len()) as f64
}

/// Takes all that can be had but so much.
fn leave(governor: &Arc<Governor>, bytes: u64) -> Reservation {
    let taken = governor.available() - bytes;
    governor.reserve(Class::Operations, &Tenant::system(), taken).expect("available")
}

#[test]
fn a_segment_too_large_for_one_build_gets_its_graph_in_parts() {
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let [queries, same] = [0, 1].map(|at| fill(&opened(folders[at].path(), governor()), 1));
    assert!(queries == same);

    let engine = opened(folders[0].path(), governor());
    engine.settle().expect("settled");
    let whole = recall(&engine, &queries);
    drop(engine);

    let cramped = Governor::new(Limits::of_root(64 * MIB));
    let engine = opened(folders[1].path(), Arc::clone(&cramped));
    let (reserved, little) = (cramped.reserved(), leave(&cramped, MIB));
    let refused = engine.settle();
    assert!(matches!(refused, Err(EngineError::Memory(_))), "too little even so: {refused:?}");
    drop(little);
    let others = leave(&cramped, OBTAINABLE);
    engine.settle().expect("settled in parts");
    let info = engine.info(&name()).expect("there");
    assert_eq!((info.segments, info.indexed_rows, info.backlog_rows), (1, ROWS, 0));
    drop(others);
    let held = cramped.reserved() - reserved;
    assert!(held < 4 * MIB, "{held} bytes are held when all is done");
    let recall = recall(&engine, &queries);
    assert!(recall >= whole - 0.01, "recall {recall}, {whole} when built at once");
    engine.close().expect("closed");
    drop(engine);
    let mut visited = Vec::new();
    let report =
        verify(folders[1].path(), &mut |file| visited.push(file.to_owned())).expect("read");
    assert_eq!((report.damages, report.segments), (Vec::new(), 1));
    let drafts = files(folders[1].path()).len() - visited.len();
    assert_eq!(drafts, 0, "{visited:?}");
}

#[test]
fn a_merge_begins_when_the_draft_of_its_graph_has_room_too() {
    let disk = TraceDirectory::new();
    drop(fill(&opened_in(disk.directory(), governor(), 1 << 30), 4));
    let cramped = Governor::new(Limits::of_root(64 * MIB));
    let engine = opened_in(disk.directory(), Arc::clone(&cramped), 4 * MIB);
    engine.view(&name()).expect("opens");
    let _others = leave(&cramped, OBTAINABLE);
    let (total, kept) = (1 << 40, 2 * 4 * MIB);
    disk.set_space(Space { total, available: kept });
    let refusal = engine.settle().expect_err("no room");
    let EngineError::NoRoomToMerge { needed_bytes, .. } = refusal else { panic!("{refusal}") };
    let begun = disk.position();
    disk.set_space(Space { total, available: kept + needed_bytes - 1 });
    let refusal = engine.settle().expect_err("one byte short");
    assert!(matches!(refusal, EngineError::NoRoomToMerge { .. }), "{refusal}");
    let created = |effect: &&Effect| matches!(effect, Effect::Create { .. });
    assert_eq!(disk.trace()[begun..].iter().find(created), None);
    disk.set_space(Space { total, available: kept + needed_bytes });
    engine.settle().expect("merged");
    let info = engine.info(&name()).expect("there");
    assert_eq!((info.segments, info.indexed_rows), (1, ROWS));
}
