//! Filters that admit half of the rows of a graph, wherever the matching rows lie.

use vectorizer_engine::{Engine, LeafSearch, Scratch, SearchParams};
use vectorizer_model::operation::PointSelector;
use vectorizer_model::settings::FieldIndexKind;
use vectorizer_model::{Metric, Operation, Payload, PointId, Value, VectorName};
use vectorizer_testkit::random::Random;
use vectorizer_vfs::OsDirectory;

use crate::history::equals;
use crate::support::{batch, create, name, open, settings};

/// So many components that half of the rows are too many to be scanned.
const DIM: usize = 1024;
const ROWS: u64 = 2400;

fn tagged(side: i64) -> Payload {
    Payload([("v".to_owned(), Value::Int(side))].into())
}

/// Even ids lie on one side, odd ones on the other.
fn side(id: u64) -> i64 {
    i64::from(id % 2 == 1)
}

fn vectors() -> Vec<(u64, Vec<f32>)> {
    let mut random = Random::new(1);
    let place = |id| {
        let centre = if side(id) == 0 { 3.0 } else { -3.0 };
        let mut vector = || centre + random.below(2000) as f32 / 1000.0;
        (id, (0..DIM).map(|_| vector()).collect())
    };
    (0..ROWS).map(place).collect()
}

fn nearest(engine: &Engine, query: &[f32], side: i64, exact: bool) -> Vec<PointId> {
    let search = LeafSearch {
        vector: VectorName::unnamed(),
        query: query.to_vec(),
        filter: equals(side),
        limit: 10,
        params: SearchParams { exact, ..SearchParams::default() },
        distance_below: None,
    };
    let view = engine.view(&name()).expect("there");
    let hits = view.search(&search, &mut Scratch::new()).expect("readable");
    hits.iter().map(|hit| hit.id).collect()
}

#[test]
fn half_of_the_rows_are_found_near_and_far_patched_and_deleted() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = open(&OsDirectory::open(folder.path()).expect("opens"));
    create(&engine, name(), settings(1024, Metric::L2));
    let points = vectors();
    for part in points.chunks(400) {
        engine.write(&name(), batch(part, |id| tagged(side(id)))).expect("written");
    }
    let key = "v".parse().expect("a path");
    let index = Operation::CreateFieldIndex { key, kind: FieldIndexKind::Integer };
    engine.write(&name(), index).expect("written");
    engine.flush().expect("flushed");
    engine.settle().expect("settled");
    assert_eq!(engine.info(&name()).expect("there").indexed_rows, ROWS);

    let query = &points[0].1;
    let near = nearest(&engine, query, 0, false);
    let truth = nearest(&engine, query, 0, true);
    let found = near.iter().filter(|id| truth.contains(id)).count();
    assert!(found >= 9, "{near:?} of {truth:?}");
    assert_eq!(near[0], PointId::Num(0));

    let far = nearest(&engine, query, 1, false);
    let is_odd = |id: &PointId| matches!(id, PointId::Num(id) if side(*id) == 1);
    assert!(far.len() == 10 && far.iter().all(is_odd), "{far:?}");

    let ids = |ids: &[u64]| PointSelector::Ids(ids.iter().map(|id| PointId::Num(*id)).collect());
    let moved = Operation::SetPayload { points: ids(&[0, 2, 4]), payload: tagged(1), at: None };
    engine.write(&name(), moved).expect("written");
    engine.write(&name(), Operation::Delete(ids(&[2]))).expect("written");
    let far = nearest(&engine, query, 1, false);
    assert_eq!(far[..2], [PointId::Num(0), PointId::Num(4)]);
    assert!(far.len() == 10 && far[2..].iter().all(is_odd), "{far:?}");
    let near = nearest(&engine, query, 0, false);
    assert!(near.len() == 10 && !near.iter().any(is_odd), "{near:?}");
    assert!([0, 2, 4].iter().all(|id| !near.contains(&PointId::Num(*id))), "{near:?}");
}
