//! What a view answers through the caches of payloads and predicates is what it answers past them.

use proptest::prelude::*;
use vectorizer_cache::CacheControl;
use vectorizer_engine::{
    Engine, LeafScroll, LeafSearch, PayloadSelector, ReadView, Record, Scratch, SearchParams,
    Select, VectorSelector,
};
use vectorizer_model::filter::{Predicate, Range, Scalar};
use vectorizer_model::operation::PointSelector;
use vectorizer_model::{
    CollectionName, Condition, Filter, KeyPath, Metric, Operation, Payload, PointId, Value,
    VectorName,
};
use vectorizer_testkit::random::Random;
use vectorizer_vfs::crash::TraceDirectory;

use crate::history::{DIM, equals, steps};
use crate::support::{batch, create, name, open, settings};

const IDS: u64 = 60;
/// Of caches that keep nothing, a handful of entries, some, and all.
const LIMITS: [u64; 4] = [0, 12 << 10, 64 << 10, 64 << 20];

fn others() -> CollectionName {
    CollectionName::new("others").expect("a name")
}

fn field(name: &str, predicate: Predicate) -> Condition {
    Condition::Field { key: KeyPath::key(name), predicate }
}

fn filters() -> Vec<Filter> {
    let v = |predicate| field("v", predicate);
    let range = Range { gte: Some(2.0), lt: Some(4.0), ..Range::default() };
    let some = || v(Predicate::Any(vec![Scalar::Int(0), Scalar::Int(4)]));
    let ids = || Condition::has_id((0..IDS).step_by(3).map(PointId::Num).collect());
    let mut filters: Vec<Filter> = (0..5).map(equals).collect();
    filters.extend([
        Filter { must: vec![v(Predicate::Range(range))], ..Filter::default() },
        Filter { must: vec![ids(), some()], ..Filter::default() },
        Filter { should: vec![ids(), some()], ..Filter::default() },
        Filter { must_not: vec![some()], ..Filter::default() },
        Filter { must: vec![Condition::IsEmpty(KeyPath::key("v"))], ..Filter::default() },
        Filter { must: vec![some(), Condition::Filter(equals(4))], ..Filter::default() },
    ]);
    filters
}

/// All that a view answers of points and predicates.
#[derive(Debug, PartialEq)]
struct Answers {
    counts: Vec<u64>,
    ids: Vec<Vec<PointId>>,
    pages: Vec<(Vec<PointId>, Option<PointId>)>,
    hits: Vec<(PointId, u32)>,
    records: Vec<Record>,
}

fn answers(view: &ReadView) -> Answers {
    let filters = filters();
    let of = |filter: &Filter| view.count(filter).expect("readable");
    let page = |filter: &Filter| {
        let page = LeafScroll { filter: filter.clone(), from: Some(PointId::Num(7)), limit: 5 };
        view.scroll(&page).expect("readable")
    };
    let mut hits = Vec::new();
    for filter in &filters {
        for exact in [false, true] {
            let search = LeafSearch {
                vector: VectorName::unnamed(),
                query: vec![1.0; DIM],
                filter: filter.clone(),
                limit: 7,
                params: SearchParams { exact, ..SearchParams::default() },
                distance_below: None,
            };
            let found = view.search(&search, &mut Scratch::new()).expect("readable");
            hits.extend(found.iter().map(|hit| (hit.id, hit.distance.to_bits())));
        }
    }
    let select = Select { payload: PayloadSelector::Everything, vectors: VectorSelector::Nothing };
    let ids: Vec<PointId> = (0..IDS).map(PointId::Num).collect();
    Answers {
        pages: filters.iter().map(page).collect(),
        hits,
        counts: filters.iter().map(of).collect(),
        ids: filters.iter().map(|filter| view.matching_ids(filter).expect("readable")).collect(),
        records: view.records(&ids, &select).expect("readable"),
    }
}

fn check(engine: &Engine) {
    for collection in [name(), others()] {
        let view = engine.view(&collection).expect("there");
        let anew = answers(&view.clone().uncached());
        assert_eq!(answers(&view), anew, "{collection}, as it is found");
        assert_eq!(answers(&view), anew, "{collection}, as it is kept");
    }
}

/// The same for the other collection, with other payloads.
fn other(operation: &Operation) -> Operation {
    let Operation::Upsert(batch) = operation else { return operation.clone() };
    let mut batch = batch.clone();
    for payload in &mut batch.payloads {
        payload.0.insert("v".to_owned(), Value::Int(i64::from(batch.ids.len() % 5 == 0)));
    }
    Operation::Upsert(batch)
}

/// The caches whose bytes the histories bound.
fn controls(engine: &Engine) -> [&dyn CacheControl; 2] {
    [engine.row_caches().payload_control(), engine.row_caches().predicate_control()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_those_without_caches(steps in steps(1..30), limit in 0..LIMITS.len()) {
        let root = TraceDirectory::new().directory();
        let open_bounded = || {
            let engine = open(&root);
            for kept in controls(&engine) {
                kept.set_limit_bytes(LIMITS[limit]);
            }
            engine
        };
        let mut engine = open_bounded();
        for collection in [name(), others()] {
            create(&engine, collection, settings(4, Metric::L2));
        }
        for step in &steps {
            engine = step.housekeep(engine, open_bounded);
            if let Some(operation) = step.operation() {
                // Dropping an index that is not there is refused; nothing changes.
                let _refused = engine.write(&name(), operation.clone()).is_err();
                let _refused = engine.write(&others(), other(&operation)).is_err();
            }
            check(&engine);
            for stats in controls(&engine).map(CacheControl::stats) {
                prop_assert!(stats.bytes <= LIMITS[limit], "{stats:?}");
            }
        }
    }
}

fn tagged(random: &mut Random) -> Payload {
    let text = "x".repeat(random.below(60));
    let tag = i64::try_from(random.below(50)).expect("small");
    let entries = [("v", Value::Int(tag)), ("text", Value::Str(text))];
    Payload(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// An engine with one segment of so many rows.
fn filled(rows: u64) -> Engine {
    let engine = open(&TraceDirectory::new().directory());
    create(&engine, name(), settings(4, Metric::L2));
    let mut random = Random::new(5);
    let points: Vec<_> = (0..rows).map(|id| (id, vec![id as f32; DIM])).collect();
    for part in points.chunks(500) {
        let payloads: Vec<Payload> = part.iter().map(|_| tagged(&mut random)).collect();
        let at = |id: u64| payloads[usize::try_from(id - part[0].0).expect("small")].clone();
        engine.write(&name(), batch(part, at)).expect("room");
    }
    engine.flush().expect("flushes");
    engine
}

#[test]
fn a_predicate_is_judged_once_for_each_row() {
    let engine = filled(3_000);
    let caches = engine.row_caches();
    let count = |value| engine.view(&name()).expect("there").count(&equals(value)).expect("read");
    let first = count(3);
    assert!(first > 20);
    assert_eq!((count(3), caches.predicate_control().stats().items), (first, 1));
    let before = engine.page_stats();
    assert_eq!((count(3), caches.predicate_control().stats().hits), (first, 1));
    let after = engine.page_stats();
    assert_eq!(format!("{before:?}"), format!("{after:?}"), "no page is asked for");
    assert!(caches.predicate_control().stats().bytes < 3_000, "few rows are listed");

    let points = PointSelector::Ids(vec![PointId::Num(17)]);
    let payload = Payload([("v".to_owned(), Value::Int(3))].into());
    let is_3 = engine.view(&name()).expect("there").matching_ids(&equals(3)).expect("read");
    let more = u64::from(!is_3.contains(&PointId::Num(17)));
    engine.write(&name(), Operation::SetPayload { points, payload, at: None }).expect("room");
    assert_eq!(count(3), first + more, "a patch is seen at once");
    engine.write(&name(), Operation::Delete(PointSelector::Filter(equals(3)))).expect("room");
    assert_eq!(count(3), 0);
}

#[test]
fn who_asks_again_judges_rows_besides() {
    let engine = filled(6_000);
    let view = engine.view(&name()).expect("there");
    let search = LeafSearch {
        vector: VectorName::unnamed(),
        query: vec![1.0; DIM],
        filter: Filter { must_not: equals(3).must, ..Filter::default() },
        limit: 7,
        params: SearchParams::default(),
        distance_below: None,
    };
    let bytes = || {
        view.search(&search, &mut Scratch::new()).expect("readable");
        engine.row_caches().predicate_control().stats().bytes
    };
    let [_, few, some, more, all] = std::array::from_fn(|_| bytes());
    assert!(few + 1_000 < some, "{few} bytes for few rows, and {some}");
    assert_eq!(more, some, "a bit for each row, twice");
    assert!(all + 700 < some, "all rows are known, and a bit for each is enough");
}

#[test]
fn payloads_that_are_read_again_are_kept_and_those_of_a_scan_are_not() {
    let engine = filled(3_000);
    let select = Select { payload: PayloadSelector::Everything, vectors: VectorSelector::Nothing };
    let view = engine.view(&name()).expect("there");
    let stats = || engine.row_caches().payload_control().stats();
    let read = |ids: std::ops::Range<u64>| {
        let ids: Vec<PointId> = ids.map(PointId::Num).collect();
        view.records(&ids, &select).expect("readable");
    };
    read(0..3_000);
    assert!(stats().items < 60, "{:?}", stats());
    let before = stats().items;
    read(10..40);
    assert!(stats().items >= before + 25, "{:?}", stats());
    let hits = stats().hits;
    read(10..40);
    assert_eq!(stats().hits, hits + 30);
}

#[test]
fn payloads_too_large_for_one_step_are_judged_in_several() {
    let engine = open(&TraceDirectory::new().directory());
    create(&engine, name(), settings(4, Metric::L2));
    let payload = |id: u64| {
        let text = "x".repeat(usize::try_from(id % 7).expect("small") * 9_000);
        let tag = Value::Int(i64::from(id.is_multiple_of(3)));
        Payload([("v".to_owned(), tag), ("text".to_owned(), Value::Str(text))].into())
    };
    let points: Vec<_> = (0..200).map(|id| (id, vec![id as f32; DIM])).collect();
    engine.write(&name(), batch(&points, payload)).expect("room");
    engine.flush().expect("flushes");
    let view = engine.view(&name()).expect("there");
    assert_eq!(view.count(&equals(1)).expect("readable"), 67);
    assert_eq!(view.count(&equals(0)).expect("readable"), 133);
}
