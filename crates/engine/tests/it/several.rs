//! One query over several segments and a memtable: each is searched for its share.

use std::collections::BTreeSet;

use vectorizer_engine::{Engine, EngineOptions};
use vectorizer_model::{Metric, Payload};
use vectorizer_testkit::random::Random;
use vectorizer_vfs::OsDirectory;

use crate::support::{batch, create, governor, name, options, search, settings};

/// So many components that the rows of one segment are too many to be scanned.
const DIM: u32 = 512;
const SEGMENT_ROWS: u64 = 2200;
const SEGMENTS: u64 = 3;
const LATE_ROWS: u64 = 300;
const CLUSTERS: u64 = 64;

/// Every second cluster came at once and lies in one segment; the others came all the time.
fn cluster(id: u64) -> u64 {
    let spread = id % CLUSTERS;
    if spread.is_multiple_of(2) { spread } else { (id / SEGMENT_ROWS * 21 % CLUSTERS) | 1 }
}

fn vector(id: u64) -> Vec<f32> {
    let (mut centre, mut own) = (Random::new(1000 + cluster(id)), Random::new(1_000_000 + id));
    let component = |random: &mut Random| random.below(2000) as f32 / 1000.0 - 1.0;
    (0..DIM).map(|_| component(&mut centre) + 0.5 * component(&mut own)).collect()
}

#[test]
fn rows_are_found_wherever_they_lie() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = OsDirectory::open(folder.path()).expect("opens");
    let merged_rows_max = u32::try_from(SEGMENT_ROWS).expect("few");
    let options = EngineOptions { merged_rows_max, ..options() };
    let engine = Engine::open_in(root, None, governor(), options).expect("opens");
    create(&engine, name(), settings(DIM, Metric::L2));
    let write = |ids: std::ops::Range<u64>| {
        let points: Vec<_> = ids.map(|id| (id, vector(id))).collect();
        for part in points.chunks(400) {
            engine.write(&name(), batch(part, |_| Payload::new())).expect("written");
        }
    };
    for segment in 0..SEGMENTS {
        write(segment * SEGMENT_ROWS..(segment + 1) * SEGMENT_ROWS);
        engine.flush().expect("flushed");
        engine.settle().expect("settled");
    }
    let rows = SEGMENTS * SEGMENT_ROWS;
    write(rows..rows + LATE_ROWS);
    let info = engine.info(&name()).expect("there");
    assert_eq!((info.segments as u64, info.indexed_rows), (SEGMENTS, rows));

    let mut found = 0;
    let queries: Vec<u64> = (0..rows + LATE_ROWS).step_by(61).collect();
    for &id in &queries {
        let query = vector(id);
        let truth = search(&engine, &query, 10, true);
        let near = search(&engine, &query, 10, false);
        assert_eq!(near[0], truth[0], "the row itself");
        let ids: BTreeSet<_> = truth.iter().map(|hit| hit.id).collect();
        for hit in near.iter().filter(|hit| ids.contains(&hit.id)) {
            assert!(truth.contains(hit), "{hit:?} has another distance");
            found += 1;
        }
        assert_eq!(near.len(), 10);
    }
    let recall = found as f32 / (10 * queries.len()) as f32;
    assert!(recall >= 0.97, "recall {recall}");
}
