//! Segments whose graphs are larger than the memory that there is to build them in.

use std::path::Path;
use std::sync::Arc;

use vectorizer_engine::{Engine, EngineError, EngineOptions, verify};
use vectorizer_memory::{Class, Governor, Limits, Reservation, Tenant};
use vectorizer_model::bytes::MIB;
use vectorizer_model::settings::{HnswSettings, VectorSettings};
use vectorizer_model::{CollectionSettings, Metric, Payload, VectorName};
use vectorizer_testkit::random::Random;
use vectorizer_vfs::OsDirectory;

use crate::support::{batch, create, governor, name, options, search};
use crate::verify::files;

const DIM: usize = 384;
const ROWS: u64 = 24_000;
/// Numbers from which a row's components are mixed: as few as real vectors seem to have.
const LATENT: usize = 12;
/// About what a graph of all rows takes at once is 13 MB; builds may plan with three eighths of this.
const OBTAINABLE: u64 = 11 * MIB + 800 * 1024;

fn opened(folder: &Path, governor: Arc<Governor>) -> Engine {
    let mut options =
        EngineOptions { memtable_bytes: 1 << 30, log_file_bytes: 64 * MIB, ..options() };
    options.pool.capacity = 4 * MIB;
    let root = OsDirectory::open(folder).expect("a folder");
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

/// A folder with one segment that has no graph, and queries.
fn filled(folder: &Path) -> Vec<Vec<f32>> {
    let engine = opened(folder, governor());
    let mut vector = VectorSettings::new(u32::try_from(DIM).expect("small"), Metric::L2);
    vector.hnsw = Some(HnswSettings { ef_construct: 60, ..HnswSettings::default() });
    create(&engine, name(), CollectionSettings::new([(VectorName::unnamed(), vector)]));
    let mut source = Source::new();
    for from in (0..ROWS).step_by(1000) {
        let points: Vec<_> = (from..from + 1000).map(|id| (id, source.row())).collect();
        engine.write(&name(), batch(&points, |_| Payload::new())).expect("room");
    }
    engine.flush().expect("flushed");
    let info = engine.info(&name()).expect("there");
    assert_eq!((info.segments, info.backlog_rows), (1, ROWS));
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
    let queries = filled(folders[0].path());
    assert!(queries == filled(folders[1].path()));

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
