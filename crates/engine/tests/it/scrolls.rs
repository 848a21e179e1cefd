//! Pages in the order of ids, of rows that lie in another.

use std::collections::BTreeMap;
use std::sync::Arc;

use vectorizer_engine::{Engine, LeafScroll};
use vectorizer_model::filter::{Predicate, Range, Scalar};
use vectorizer_model::operation::PointSelector;
use vectorizer_model::settings::FieldIndexKind;
use vectorizer_model::{Condition, Filter, KeyPath, Metric, Operation, Payload, PointId, Value};
use vectorizer_payload::matches;
use vectorizer_testkit::random::Random;
use vectorizer_vfs::OsDirectory;
use vectorizer_vfs::crash::TraceDirectory;

use crate::history::DIM;
use crate::support::{batch, create, governor, name, open, options, search, settings};

type Model = BTreeMap<PointId, Payload>;

/// A rare tag, a number that most ids come early with or late, and bytes that pages are filled with.
fn payload(id: u64) -> Payload {
    let mut random = Random::new(id);
    let fields = [
        ("indexed", Value::Int(random.below(40).cast_signed() as i64)),
        ("rare", Value::Int(random.below(400).cast_signed() as i64)),
        ("late", Value::Int(id.cast_signed() / 10)),
        ("text", Value::Str("x".repeat(300))),
    ];
    Payload(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn equals(key: &str, value: i64) -> Condition {
    let predicate = Predicate::Match(Scalar::Int(value));
    Condition::Field { key: KeyPath::key(key), predicate }
}

fn from(key: &str, value: i64) -> Condition {
    let range = Range { gte: Some(value as f64), ..Range::default() };
    Condition::Field { key: KeyPath::key(key), predicate: Predicate::Range(range) }
}

fn must(conditions: impl IntoIterator<Item = Condition>) -> Filter {
    Filter { must: conditions.into_iter().collect(), ..Filter::default() }
}

/// Writes points in a mixed order, with vectors that say nothing of their ids.
fn write(engine: &Engine, model: &mut Model, ids: impl Iterator<Item = u64>, seed: u64) {
    let mut random = Random::new(seed);
    let mut vector = || (0..DIM).map(|_| random.below(1_000) as f32).collect::<Vec<f32>>();
    let points: Vec<_> = ids.map(|id| (id, vector())).collect();
    for part in points.chunks(100) {
        engine.write(&name(), batch(part, payload)).expect("room");
    }
    model.extend(points.iter().map(|(id, _)| (PointId::Num(*id), payload(*id))));
}

fn delete(engine: &Engine, model: &mut Model, filter: Filter) {
    model.retain(|id, payload| !matches(&filter, *id, payload));
    engine.write(&name(), Operation::Delete(PointSelector::Filter(filter))).expect("room");
}

fn expected(model: &Model, filter: &Filter) -> Vec<PointId> {
    let admitted = model.iter().filter(|(id, payload)| matches(filter, **id, payload));
    admitted.map(|(id, _)| *id).collect()
}

/// All pages of a filter, each of which is as long as it may be.
fn scrolled(engine: &Engine, filter: &Filter, limit: usize, cached: bool) -> Vec<PointId> {
    let view = engine.view(&name()).expect("there");
    let view = if cached { view } else { view.uncached() };
    let mut scroll = LeafScroll { filter: filter.clone(), from: None, limit };
    let mut all = Vec::new();
    loop {
        let (ids, next) = view.scroll(&scroll).expect("readable");
        all.extend_from_slice(&ids);
        assert!(next.is_none() || ids.len() == limit, "{} of {limit}", ids.len());
        scroll.from = next;
        if scroll.from.is_none() {
            return all;
        }
    }
}

#[test]
fn pages_are_in_the_order_of_ids_however_rows_are_found() {
    let engine = open(&TraceDirectory::new().directory());
    create(&engine, name(), settings(4, Metric::L2));
    let (key, kind) = (KeyPath::key("indexed"), FieldIndexKind::Integer);
    engine.write(&name(), Operation::CreateFieldIndex { key, kind }).expect("accepted");
    let mut model = Model::new();
    write(&engine, &mut model, (0..3_000).map(|id| id * 3), 1);
    engine.flush().expect("room");
    engine.settle().expect("room");
    write(&engine, &mut model, (0..1_200).map(|id| id * 7 + 1), 2);
    engine.flush().expect("room");
    write(&engine, &mut model, (0..50).map(|id| id * 97), 3);
    assert_eq!(engine.info(&name()).expect("there").segments, 2);

    let filters = [
        must([]),
        must([equals("indexed", 3)]),
        must([equals("rare", 5)]),
        must([equals("indexed", 4), from("late", 300)]),
        must([from("late", 600)]),
        must([from("late", 5_000)]),
        must([from("indexed", 2), equals("rare", 7)]),
        Filter { should: vec![equals("indexed", 9), equals("rare", 8)], ..Filter::default() },
        Filter { must_not: vec![from("late", 40)], ..Filter::default() },
    ];
    let check = |model: &Model| {
        for (number, filter) in filters.iter().enumerate() {
            let expected = expected(model, filter);
            for (limit, cached) in [(1_000, false), (70, true), (9, true), (10_000, true)] {
                let found = scrolled(&engine, filter, limit, cached);
                assert!(found == expected, "filter {number}, pages of {limit}");
            }
        }
    };
    check(&model);
    delete(&engine, &mut model, must([equals("rare", 11)]));
    delete(&engine, &mut model, must([equals("indexed", 12), from("late", 100)]));
    delete(&engine, &mut model, must([from("late", 850)]));
    check(&model);
    engine.flush().expect("room");
    engine.settle().expect("room");
    check(&model);
}

/// Of rows that lie apart few are read one by one where most would have to be.
#[test]
fn a_page_of_few_reads_a_segment_as_it_lies() {
    const ROWS: u64 = 6_000;
    let folder = tempfile::tempdir().expect("a folder");
    let root = OsDirectory::open(folder.path()).expect("opens");
    let engine = open(&root);
    create(&engine, name(), settings(4, Metric::L2));
    let mut model = Model::new();
    write(&engine, &mut model, 0..ROWS, 1);
    engine.flush().expect("room");
    drop(engine);
    for filter in [must([equals("rare", 5)]), must([from("late", 10_000)])] {
        let mut options = options();
        // A quarter of the payloads.
        options.pool.capacity = 512 << 10;
        let engine = Engine::open_in(Arc::clone(&root), None, governor(), options).expect("opens");
        let before = engine.page_stats().bytes_read;
        let scroll = LeafScroll { filter: filter.clone(), from: None, limit: 100 };
        let (ids, _) = engine.view(&name()).expect("there").scroll(&scroll).expect("readable");
        assert_eq!(ids, expected(&model, &filter));
        let bytes = engine.page_stats().bytes_read - before;
        assert!(bytes < 8 << 20, "{bytes} bytes were read");
    }
}

/// Whatever request for memory a merge is refused, it fails whole, or does without.
#[test]
fn a_merge_that_is_refused_memory_keeps_ids_and_their_order() {
    let mut merged = 0;
    for request in 1.. {
        let (root, governor) = (TraceDirectory::new().directory(), governor());
        let options = vectorizer_engine::EngineOptions { graph_rows_min: 10_000, ..options() };
        let opened = Engine::open_in(root, None, Arc::clone(&governor), options);
        let engine = opened.expect("opens");
        create(&engine, name(), settings(4, Metric::L2));
        let mut model = Model::new();
        for half in 0..2 {
            write(&engine, &mut model, (0..150).map(|id| id * 2 + half), half);
            engine.flush().expect("room");
        }
        delete(&engine, &mut model, must([from("late", 28)]));
        governor.fail_request(request);
        let done = engine.settle();
        let left = governor.requests_until_failure();
        governor.fail_request(0);
        let segments = engine.info(&name()).expect("there").segments;
        merged += usize::from(done.is_ok() && left == 0 && segments == 1);
        let ids = expected(&model, &must([]));
        for filter in [must([]), must([from("late", 7)])] {
            assert_eq!(scrolled(&engine, &filter, 7, true), expected(&model, &filter));
        }
        let found = search(&engine, &[500.0; DIM], 1_000, true);
        let mut found: Vec<PointId> = found.into_iter().map(|hit| hit.id).collect();
        found.sort_unstable();
        assert_eq!(found, ids, "request {request}");
        if left > 0 {
            break;
        }
    }
    assert!(merged > 0, "none did without");
}
