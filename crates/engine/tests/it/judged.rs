//! Judging rows by their payloads: what it reads, what it keeps, and whom a damaged row concerns.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use vectorizer_cache::CacheControl;
use vectorizer_engine::{Engine, Hit, LeafScroll, LeafSearch, ReadView, Scratch, SearchParams};
use vectorizer_engine::{PayloadSelector, Select, VectorSelector};
use vectorizer_model::operation::PointSelector;
use vectorizer_model::{Condition, Filter, Metric, Operation, Payload, PointId, Value, VectorName};
use vectorizer_vfs::crash::TraceDirectory;
use vectorizer_vfs::{Directory, OsDirectory};

use crate::history::{DIM, equals};
use crate::support::{batch, create, name, open, settings};
use crate::verify::files;

/// An engine with one segment, and no graph, of rows with a tag and a text.
fn filled(root: &Arc<dyn Directory>, rows: u64, payload: impl Fn(u64) -> Payload) -> Engine {
    let engine = open(root);
    create(&engine, name(), settings(4, Metric::L2));
    let points: Vec<_> = (0..rows).map(|id| (id, vec![id as f32; DIM])).collect();
    for part in points.chunks(100) {
        engine.write(&name(), batch(part, &payload)).expect("room");
    }
    engine.flush().expect("flushes");
    engine
}

fn tagged(tag: u64, text: String) -> Payload {
    let entries = [("v", Value::Int(tag.cast_signed())), ("text", Value::Str(text))];
    Payload(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn view(engine: &Engine) -> ReadView {
    engine.view(&name()).expect("there")
}

fn tag(tag: i64) -> Condition {
    Condition::Filter(equals(tag))
}

/// The nearest row with a tag.
fn search(view: &ReadView, tag: i64) -> vectorizer_engine::error::Result<Vec<Hit>> {
    search_for(view, equals(tag))
}

/// The nearest row that a filter admits.
fn search_for(view: &ReadView, filter: Filter) -> vectorizer_engine::error::Result<Vec<Hit>> {
    let search = LeafSearch {
        vector: VectorName::unnamed(),
        query: vec![0.0; DIM],
        filter,
        limit: 1,
        params: SearchParams::default(),
        distance_below: None,
    };
    view.search(&search, &mut Scratch::new())
}

fn point(id: u64) -> PointSelector {
    PointSelector::Ids(vec![PointId::Num(id)])
}

/// Spoils a row's text where it is stored.
fn damage(folder: &Path, id: u64) {
    let mark = format!("text of {id:03}");
    let mut found = 0;
    for path in files(folder).iter().filter(|path| !path.starts_with(folder.join("log"))) {
        let mut bytes = fs::read(path).expect("read");
        if let Some(at) = bytes.windows(mark.len()).position(|of| of == mark.as_bytes()) {
            bytes[at] = 0xff;
            fs::write(path, bytes).expect("written");
            found += 1;
        }
    }
    assert_eq!(found, 1, "{mark}");
}

#[test]
fn a_damaged_payload_concerns_those_who_ask_for_it() {
    const GONE: [u64; 2] = [7, 17];
    const PATCHED: u64 = 40;
    const ASKED: u64 = 200;
    let folder = tempfile::tempdir().expect("a folder");
    let root = OsDirectory::open(folder.path()).expect("opens");
    let engine = filled(&root, 300, |id| tagged(id % 3, format!("text of {id:03}")));
    for id in GONE {
        engine.write(&name(), Operation::Delete(point(id))).expect("room");
    }
    let payload = tagged(1, "new".to_owned());
    let patch = Operation::OverwritePayload { points: point(PATCHED), payload };
    engine.write(&name(), patch).expect("room");
    engine.flush().expect("flushes");
    drop(engine);

    GONE.into_iter().chain([PATCHED]).for_each(|id| damage(folder.path(), id));
    let engine = open(&root);
    for cached in [false, true, true, true] {
        let view = if cached { view(&engine) } else { view(&engine).uncached() };
        assert_eq!(view.count(&equals(1)).expect("sound"), 99, "cached: {cached}");
        assert_eq!(view.matching_ids(&equals(1)).expect("sound").len(), 99, "cached: {cached}");
        let hits = search(&view, 1).expect("sound");
        assert_eq!(hits[0].id, PointId::Num(1), "cached: {cached}");
    }
    engine.write(&name(), Operation::Delete(PointSelector::Filter(equals(1)))).expect("sound");
    drop(engine);

    damage(folder.path(), ASKED);
    let engine = open(&root);
    let view = view(&engine);
    let page = LeafScroll { filter: equals(2), from: None, limit: 5 };
    for _ in 0..3 {
        let (ids, _) = view.scroll(&page).expect("sound so far");
        assert_eq!(ids, [2, 5, 8, 11, 14].map(PointId::Num));
        assert_eq!(search(&view, 2).expect("sound so far")[0].id, PointId::Num(2));
    }
    let refusal = view.count(&equals(2)).expect_err("damaged").to_string();
    assert!(refusal.contains(&format!("row {ASKED}")), "{refusal}");
}

#[test]
fn a_query_reads_few_bytes_besides_its_own_work() {
    const TEXT: usize = 100 << 10;
    let folder = tempfile::tempdir().expect("a folder");
    let root = OsDirectory::open(folder.path()).expect("opens");
    let engine = filled(&root, 300, |id| {
        let bytes = if id == 100 { 20 * TEXT } else { TEXT };
        tagged(1, "x".repeat(bytes))
    });
    drop(engine);
    let engine = open(&root);
    let read = || {
        let before = engine.page_stats().bytes_read;
        search(&view(&engine), 1).expect("readable");
        usize::try_from(engine.page_stats().bytes_read - before).expect("small")
    };
    read();
    read();
    for _ in 0..3 {
        let bytes = read();
        assert!(bytes > 5 * TEXT, "goes on: {bytes} bytes");
        assert!(bytes < 15 * TEXT, "{bytes} bytes");
    }
    let page = LeafScroll { filter: equals(1), from: None, limit: 5 };
    let before = engine.page_stats().bytes_read;
    view(&engine).scroll(&page).expect("readable");
    assert_eq!(engine.page_stats().bytes_read, before, "a page of rows that are known");
    // Past what is larger than all that may be read besides.
    (0..60).for_each(|_| assert!(read() < 15 * TEXT));
    assert_eq!(read(), 0, "all others are known");
}

#[test]
fn a_search_for_few_rows_judges_all_in_turn() {
    let root = TraceDirectory::new().directory();
    let engine = filled(&root, 6_000, |id| tagged(id % 100, String::new()));
    let verdicts = || engine.row_caches().predicate_control().stats();
    let page_asks = || {
        let before = engine.page_stats();
        assert_eq!(search(&view(&engine), 7).expect("readable")[0].id, PointId::Num(7));
        let after = engine.page_stats();
        after.hits + after.misses - before.hits - before.misses
    };
    let first = page_asks();
    assert!(first < 1_000, "{first} pages, and not some for each row");
    assert_eq!(verdicts().items, 0, "what is asked once is not kept");
    page_asks();
    assert_eq!(verdicts().items, 1);
    assert!(verdicts().bytes < 2_000, "all rows are known, and few are listed");
    let third = page_asks();
    assert!(third < 50, "{third} pages: neither payloads nor the vectors of all rows");
}

#[test]
fn payloads_that_were_replaced_are_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = OsDirectory::open(folder.path()).expect("opens");
    let engine = filled(&root, 100, |_| tagged(1, "x".repeat(10_000)));
    let ids: Vec<PointId> = (0..100).map(PointId::Num).collect();
    let overwrite = |points, tag| {
        let payload = tagged(tag, String::new());
        let patch = Operation::OverwritePayload { points, payload };
        engine.write(&name(), patch).expect("room");
    };
    overwrite(PointSelector::Ids(ids[..50].to_vec()), 2);
    engine.flush().expect("flushes");
    overwrite(PointSelector::Ids(ids[50..].to_vec()), 2);
    drop(engine);
    let engine = open(&root);
    let view = view(&engine);
    let before = engine.page_stats().bytes_read;
    let select = Select { payload: PayloadSelector::Everything, vectors: VectorSelector::Nothing };
    assert_eq!(view.records(&ids, &select).expect("readable").len(), 100);
    assert_eq!(search(&view, 2).expect("readable")[0].id, PointId::Num(0));
    let bytes = engine.page_stats().bytes_read - before;
    assert!(bytes < 100_000, "{bytes} bytes");
}

#[test]
fn what_is_gone_is_not_kept() {
    let root = TraceDirectory::new().directory();
    let payload = |id: u64| tagged(id % 3, format!("text of {id}"));
    let engine = filled(&root, 300, payload);
    let select = Select { payload: PayloadSelector::Everything, vectors: VectorSelector::Nothing };
    let ids: Vec<PointId> = (0..300).map(PointId::Num).collect();
    let caches = engine.row_caches();
    let kept = || {
        [caches.payload_control(), caches.predicate_control()]
            .map(|of: &dyn CacheControl| of.stats().items)
    };
    let ask = |items| {
        for _ in 0..2 {
            view(&engine).records(&ids, &select).expect("readable");
            view(&engine).count(&equals(1)).expect("readable");
        }
        assert_eq!(kept(), items);
    };
    ask([300, 1]);
    let points: Vec<_> = (0..100).map(|id| (id, vec![id as f32; DIM])).collect();
    engine.write(&name(), batch(&points, payload)).expect("room");
    engine.flush().expect("flushes");
    ask([400, 2]);
    let before = view(&engine);
    engine.settle().expect("merges");
    engine.flush().expect("room");
    assert_eq!(kept(), [400, 2], "a view may ask for it");
    drop(before);
    engine.settle().expect("room");
    engine.write(&name(), Operation::Delete(point(0))).expect("room");
    engine.flush().expect("room");
    assert_eq!(kept(), [0, 0], "two segments were merged");
    assert_eq!(view(&engine).records(&ids, &select).expect("readable").len(), 299);
    view(&engine).records(&ids, &select).expect("readable");
    assert_eq!(kept(), [299, 0]);
    engine.drop_collection(&name()).expect("accepted").wait().expect("done").expect("dropped");
    engine.flush().expect("room");
    assert_eq!(kept(), [0, 0]);
}

/// Rows whose ids a predicate names are judged by these, each by its own, however often it is asked.
#[test]
fn a_predicate_that_names_ids_asks_each_row_for_its_own() {
    const ROWS: u64 = 6_000;
    let engine =
        filled(&TraceDirectory::new().directory(), ROWS, |id| tagged(id % 3, String::new()));
    let seventh = || Condition::has_id((0..ROWS).step_by(7).map(PointId::Num).collect());
    let both = || Condition::Filter(Filter { must: vec![seventh(), tag(1)], ..Filter::default() });
    let either = Filter { should: vec![seventh(), tag(1)], ..Filter::default() };
    let is_admitted = |number: usize, id: u64| match number {
        0 => !id.is_multiple_of(7) || id % 3 != 1,
        _ => id.is_multiple_of(7) && id % 3 == 2,
    };
    let filters = [
        Filter { must_not: vec![both()], ..Filter::default() },
        Filter { must: vec![Condition::Filter(either), tag(2)], ..Filter::default() },
    ];
    for (number, filter) in filters.into_iter().enumerate() {
        let expected: Vec<PointId> =
            (0..ROWS).filter(|id| is_admitted(number, *id)).map(PointId::Num).collect();
        for _ in 0..2 {
            let page = LeafScroll { filter: filter.clone(), from: None, limit: 30 };
            let (ids, _) = view(&engine).scroll(&page).expect("readable");
            assert_eq!(ids, expected[..30]);
        }
        for time in 0..4 {
            let hits = search_for(&view(&engine), filter.clone()).expect("readable");
            assert_eq!(hits.first().map(|hit| hit.id), expected.first().copied(), "time {time}");
        }
        for time in 0..3 {
            let found = view(&engine).matching_ids(&filter).expect("readable");
            assert!(found == expected, "{} of {}, time {time}", found.len(), expected.len());
        }
    }
}
