//! Collections that are opened when they are wanted and closed when they are idle.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vectorizer_engine::{Engine, EngineError, EngineOptions, Residency};
use vectorizer_memory::{Governor, Limits};
use vectorizer_model::operation::PointSelector;
use vectorizer_model::settings::{FieldIndexKind, StorageType};
use vectorizer_model::{CollectionName, Filter, Metric, Operation, Payload, PointId, Value};
use vectorizer_pages::Config as PoolConfig;
use vectorizer_testkit::random::Random;
use vectorizer_vfs::crash::{Faults, Operation as Call, TraceDirectory};
use vectorizer_vfs::{Directory, FilePool, OsDirectory};

use crate::history::equals;
use crate::support::{batch, create, governor, name, open, options, search, settings};

fn numbered(number: usize) -> CollectionName {
    CollectionName::new(&format!("c{number}")).expect("a name")
}

fn upsert(ids: std::ops::Range<u64>) -> Operation {
    let points: Vec<_> = ids.map(|id| (id, vec![id as f32, 1.0, 2.0, 3.0])).collect();
    let value = |id: u64| Value::Int(i64::try_from(id % 5).expect("small"));
    batch(&points, |id| Payload([("v".to_owned(), value(id))].into()))
}

fn opened(engine: &Engine) -> usize {
    engine.totals().open
}

/// A collection with rows, dead ones, patched ones and an index, in several segments.
fn filled(engine: &Engine) {
    create(engine, name(), settings(4, Metric::L2));
    let key = "v".parse().expect("a path");
    let index = Operation::CreateFieldIndex { key, kind: FieldIndexKind::Integer };
    engine.write(&name(), index).expect("indexed");
    for part in 0..3 {
        engine.write(&name(), upsert(part * 50..part * 50 + 60)).expect("written");
        engine.flush().expect("flushed");
    }
    let ids = |ids: &[u64]| PointSelector::Ids(ids.iter().map(|id| PointId::Num(*id)).collect());
    engine.write(&name(), Operation::Delete(ids(&[3, 70, 155]))).expect("deleted");
    let payload = Payload([("v".to_owned(), Value::Int(4))].into());
    let patch = Operation::OverwritePayload { points: ids(&[5, 80]), payload };
    engine.write(&name(), patch).expect("patched");
    engine.settle().expect("settled");
}

/// What a collection answers, by every way to ask.
fn answers(engine: &Engine) -> String {
    let hits = search(engine, &[40.2, 1.0, 2.0, 3.0], 9, false);
    let view = engine.view(&name()).expect("opens");
    let (all, some) = (Filter::default(), equals(4));
    let ids = view.matching_ids(&all).expect("readable");
    let select = vectorizer_engine::Select {
        payload: vectorizer_engine::PayloadSelector::Everything,
        vectors: vectorizer_engine::VectorSelector::Everything,
    };
    let records = view.records(&ids, &select).expect("readable");
    let counts = [&all, &some].map(|filter| view.count(filter).expect("readable"));
    format!("{hits:?} {counts:?} {records:?} {:?} {}", view.matching_ids(&some), view.seq().0)
}

#[test]
fn a_closed_collection_answers_as_before_and_its_info_opens_nothing() {
    let disk = TraceDirectory::new();
    let engine = open(&disk.directory());
    filled(&engine);
    let (before, info) = (answers(&engine), engine.info(&name()).expect("there"));
    assert!(info.open && info.points == 157, "{info:?}");
    // What was opened as a whole is charged as a whole.
    engine.unload_idle(u64::MAX);
    assert_eq!(answers(&engine), before);
    let held = engine.governor().reserved();
    let freed = engine.unload_idle(u64::MAX);
    assert!(freed > 0 && engine.governor().reserved() == held - freed, "{freed} of {held}");
    assert_eq!(opened(&engine), 0);
    let closed = engine.info(&name()).expect("there");
    assert_eq!(closed, vectorizer_engine::CollectionInfo { open: false, ..info.clone() });
    assert_eq!((opened(&engine), engine.totals().points), (0, 157));
    assert_eq!(answers(&engine), before);
    assert_eq!((opened(&engine), engine.info(&name()).expect("there")), (1, info));
    assert_eq!(engine.governor().reserved(), held);
}

#[test]
fn a_start_opens_nothing_and_knows_what_is_there() {
    let disk = TraceDirectory::new();
    let engine = open(&disk.directory());
    filled(&engine);
    let key = "v".parse().expect("a path");
    engine.write(&name(), Operation::DropFieldIndex { key }).expect("dropped");
    engine.settle().expect("settled");
    let gone = PointSelector::Ids(vec![PointId::Num(40), PointId::Num(41)]);
    engine.write(&name(), Operation::Delete(gone)).expect("deleted");
    engine.flush().expect("flushed");
    let (before, info) = (answers(&engine), engine.info(&name()).expect("there"));
    drop(engine);
    let engine = open(&disk.directory());
    let closed = engine.info(&name()).expect("there");
    assert_eq!(closed, vectorizer_engine::CollectionInfo { open: false, ..info });
    assert_eq!((opened(&engine), engine.totals().points), (0, 155));
    assert_eq!(answers(&engine), before);
}

#[test]
fn a_collection_is_prepared_on_the_search_threads_if_it_is_closed() {
    let disk = TraceDirectory::new();
    let engine = open(&disk.directory());
    filled(&engine);
    assert!(engine.prepare(&name()).expect("there").is_none(), "it is open");
    engine.unload_idle(u64::MAX);
    let opening = engine.prepare(&name()).expect("there").expect("it is closed");
    opening.wait().expect("done").expect("opened");
    assert_eq!(opened(&engine), 1);
    let refusal = engine.prepare(&numbered(1)).expect_err("it is not there");
    assert!(matches!(refusal, EngineError::CollectionNotFound { .. }), "{refusal}");
    assert!(engine.contains(&name()) && !engine.contains(&numbered(1)));
}

#[test]
fn a_few_rows_take_a_few_bytes() {
    let disk = TraceDirectory::new();
    let engine = open(&disk.directory());
    let before = engine.governor().reserved();
    create(&engine, name(), settings(4, Metric::L2));
    engine.write(&name(), upsert(0..3)).expect("written");
    let taken = engine.governor().reserved() - before;
    assert!(taken < 16 << 10, "{taken} bytes");
}

#[test]
fn whoever_holds_a_view_or_has_unflushed_writes_keeps_it_open() {
    let disk = TraceDirectory::new();
    let engine = open(&disk.directory());
    filled(&engine);
    let view = engine.view(&name()).expect("open");
    engine.unload_idle(u64::MAX);
    assert_eq!(opened(&engine), 1, "a view is alive");
    drop(view);
    engine.write(&name(), upsert(500..501)).expect("written");
    engine.unload_idle(u64::MAX);
    assert_eq!(opened(&engine), 1, "a row is in memory alone");
    engine.flush().expect("flushed");
    engine.unload_idle(u64::MAX);
    assert_eq!(opened(&engine), 1, "segments wait to be merged");
    engine.settle().expect("settled");
    engine.unload_idle(0);
    assert_eq!(opened(&engine), 1, "nothing was asked for");
    engine.unload_idle(1);
    assert_eq!(opened(&engine), 0);
    assert_eq!(engine.view(&name()).expect("opens").count(&Filter::default()).expect("read"), 158);
}

#[test]
fn what_is_pinned_in_memory_stays_open() {
    let disk = TraceDirectory::new();
    let engine = open(&disk.directory());
    let mut pinned = settings(4, Metric::L2);
    pinned.storage_type = StorageType::Memory;
    create(&engine, name(), pinned);
    engine.write(&name(), upsert(0..5)).expect("written");
    engine.settle().expect("settled");
    engine.unload_idle(u64::MAX);
    assert_eq!(opened(&engine), 1);
}

#[test]
fn a_dropped_collection_is_deleted_though_it_is_closed() {
    let disk = TraceDirectory::new();
    let root = disk.directory();
    let engine = open(&root);
    filled(&engine);
    engine.unload_idle(u64::MAX);
    engine.drop_collection(&name()).expect("accepted").wait().expect("done").expect("dropped");
    let gone = engine.view(&name()).expect_err("gone");
    assert!(matches!(gone, EngineError::CollectionNotFound { .. }), "{gone}");
    let folders = root.subdirectory("shards").expect("there").list().expect("listed");
    assert_eq!(folders, []);
    create(&engine, name(), settings(4, Metric::L2));
    assert_eq!(engine.info(&name()).expect("there").points, 0);
    drop(engine);
    assert_eq!(open(&root).info(&name()).expect("there").points, 0);
}

#[test]
fn a_collection_that_cannot_be_opened_now_can_be_later() {
    let disk = TraceDirectory::new();
    let engine = open(&disk.directory());
    filled(&engine);
    let before = answers(&engine);
    engine.unload_idle(u64::MAX);
    disk.set_faults(Faults::none().fail(Call::Open, 3));
    let refusal = engine.view(&name()).expect_err("a file cannot be opened").to_string();
    assert!(refusal.contains("Input/output error"), "{refusal}");
    assert_eq!((opened(&engine), engine.info(&name()).expect("there").failure), (0, None));
    assert_eq!(answers(&engine), before);
    engine.unload_idle(u64::MAX);

    // It would be given back to whoever opens the collection.
    engine.row_caches().payload_control().clear();
    engine.row_caches().predicate_control().clear();
    let governor = Arc::clone(engine.governor());
    let class = vectorizer_memory::Class::Operations;
    let all = governor.reserve(class, &governor.tenant("x"), governor.available()).expect("all");
    let refusal = engine.view(&name()).expect_err("no memory");
    assert!(matches!(refusal, EngineError::Memory(_)), "{refusal}");
    drop(all);
    assert_eq!(answers(&engine), before);
}

/// Cuts a component of the first shard short; which one.
fn truncated(root: &Arc<dyn Directory>) -> String {
    let shards = root.subdirectory("shards").expect("there");
    let shard = shards.subdirectory("0000000001").expect("there");
    let files = shard.list().expect("listed");
    let file = files.iter().find(|entry| entry.name.contains(".vzc")).expect("a component");
    let write = vectorizer_vfs::Access::Write;
    shard.open(&file.name, write).expect("opens").set_len(4096).expect("cut");
    format!("shards/0000000001/{}", file.name)
}

#[test]
fn a_damaged_collection_names_its_file_and_the_others_are_served() {
    let disk = TraceDirectory::new();
    let root = disk.directory();
    let engine = open(&root);
    filled(&engine);
    create(&engine, numbered(1), settings(4, Metric::L2));
    engine.write(&numbered(1), upsert(0..3)).expect("written");
    engine.settle().expect("settled");
    drop(engine);
    let file = truncated(&root);
    let engine = open(&root);
    for _ in 0..2 {
        let refusal = engine.view(&name()).expect_err("damaged").to_string();
        assert!(refusal.contains(&format!("{file} is damaged at byte 4096")), "{refusal}");
        let refusal = engine.write(&name(), upsert(7..8)).expect_err("damaged").to_string();
        assert!(refusal.contains(&file), "{refusal}");
    }
    let failure = engine.info(&name()).expect("there").failure.expect("told");
    assert!(failure.contains(&file), "{failure}");
    engine.write(&numbered(1), upsert(3..4)).expect("written");
    assert_eq!(engine.info(&numbered(1)).expect("there").points, 4);
    engine.drop_collection(&name()).expect("accepted").wait().expect("done").expect("dropped");
    assert_eq!(engine.collections(), [numbered(1)]);
}

#[test]
fn entries_of_a_damaged_collection_stay_in_the_log_until_it_is_mended() {
    let disk = TraceDirectory::new();
    let root = disk.directory();
    let engine = open(&root);
    filled(&engine);
    create(&engine, numbered(1), settings(4, Metric::L2));
    let sound = disk.position();
    engine.write(&name(), upsert(900..903)).expect("logged, not flushed");
    let killed = disk.killed(disk.position()).directory();
    assert!(disk.position() > sound);
    drop(engine);
    let file = truncated(&killed);
    let shards = killed.subdirectory("shards").expect("there");
    let shard = shards.subdirectory("0000000001").expect("there");
    let engine = open(&killed);
    let refusal = engine.view(&name()).expect_err("damaged");
    assert!(matches!(refusal, EngineError::Unopened { .. }), "{refusal}");
    let refusal = refusal.to_string();
    assert!(refusal.contains(&file) && refusal.contains("mend that and restart"), "{refusal}");
    assert!(engine.write(&name(), upsert(1..2)).is_err());
    // Log files come and go meanwhile.
    for id in 0..200 {
        engine.write(&numbered(1), upsert(id..id + 4)).expect("written");
    }
    engine.flush().expect("flushed");
    drop(engine);
    // The file comes back from a copy.
    let name_of = file.rsplit('/').next().expect("a name");
    let good = disk.directory().subdirectory("shards").expect("there");
    let good = good.subdirectory("0000000001").expect("there");
    let good = good.open(name_of, vectorizer_vfs::Access::Read).expect("there");
    let mut bytes = vec![0; usize::try_from(good.len().expect("known")).expect("small")];
    good.read_exact_at(&mut bytes, 0).expect("read");
    let mended = shard.open(name_of, vectorizer_vfs::Access::Write).expect("opens");
    mended.write_all_at(&bytes, 0).expect("written");
    mended.sync().expect("synced");
    let engine = open(&killed);
    let view = engine.view(&name()).expect("opens");
    assert_eq!(view.count(&Filter::default()).expect("readable"), 160, "the log had the rows");
}

#[test]
fn more_collections_than_page_frames_and_files_are_all_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = FilePool::new(40);
    let root = OsDirectory::open_with(folder.path(), Arc::clone(&files)).expect("opens");
    // Tables of some thirty collections fit.
    let pool = PoolConfig { capacity: 768 << 10, ..PoolConfig::default() };
    let options = EngineOptions { pool, ..options() };
    let engine = Engine::open_in(root, None, governor(), options).expect("opens");
    let count = 100;
    for number in 0..count {
        create(&engine, numbered(number), settings(4, Metric::L2));
        let ids = number as u64..number as u64 + 3;
        engine.write(&numbered(number), upsert(ids)).expect("written");
        if number % 10 == 9 {
            engine.flush().expect("flushed");
        }
    }
    let mut most = 0;
    for number in (0..count).chain((0..count).rev()) {
        let view = engine.view(&numbered(number)).expect("opens");
        let ids = view.matching_ids(&Filter::default()).expect("readable");
        assert_eq!(ids[0], PointId::Num(number as u64));
        most = most.max(opened(&engine));
        assert!(files.open_handles() <= 40);
    }
    assert!((5..60).contains(&most), "{most} were open at once");
}

#[test]
fn two_thousand_collections_open_within_the_budget() {
    const COUNT: usize = 2000;
    let disk = TraceDirectory::new();
    let budget = || Governor::new(Limits::of_root(256 << 20));
    let pool = PoolConfig { capacity: 120 << 20, ..PoolConfig::default() };
    let options = || EngineOptions { pool, log_file_bytes: 64 << 20, ..options() };
    let engine = Engine::open_in(disk.directory(), None, budget(), options()).expect("opens");
    for number in 0..COUNT {
        create(&engine, numbered(number), settings(4, Metric::L2));
        engine.write(&numbered(number), upsert(0..3)).expect("written");
        if number % 100 == 99 {
            engine.flush().expect("flushed");
            engine.unload_idle(u64::MAX);
        }
    }
    drop(engine);
    let governor = budget();
    let root = disk.directory();
    let engine = Engine::open_in(root, None, Arc::clone(&governor), options()).expect("opens");
    let closed = governor.reserved();
    assert_eq!(engine.totals().points, 3 * COUNT as u64);
    for number in 0..COUNT {
        drop(engine.view(&numbered(number)).expect("opens"));
    }
    let open = governor.reserved();
    assert_eq!(opened(&engine), COUNT);
    assert!(open <= 256 << 20);
    engine.unload_idle(u64::MAX);
    assert_eq!((opened(&engine), governor.reserved()), (0, closed));
    let fixed = Engine::open_in(TraceDirectory::new().directory(), None, budget(), options());
    let fixed = fixed.expect("opens").governor().reserved();
    let each = |bytes: u64| (bytes - fixed) / COUNT as u64;
    assert!(each(closed) < 10 << 10, "{} bytes of a closed one", each(closed));
    assert!(each(open) < 50 << 10, "{} bytes of an open one", each(open));
}

#[test]
fn an_idle_collection_is_closed_and_a_used_one_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = OsDirectory::open(folder.path()).expect("opens");
    let idle_unload = Duration::from_millis(1500);
    let options = EngineOptions { background: true, idle_unload, ..options() };
    let engine = Engine::open_in(root, None, governor(), options).expect("opens");
    for number in 0..2 {
        create(&engine, numbered(number), settings(4, Metric::L2));
        engine.write(&numbered(number), upsert(0..3)).expect("written");
    }
    engine.settle().expect("settled");
    let mut left = 400;
    while opened(&engine) == 2 && left > 0 {
        drop(engine.view(&numbered(0)).expect("open"));
        engine.info(&numbered(1)).expect("there");
        std::thread::sleep(Duration::from_millis(25));
        left -= 1;
    }
    assert!(left > 0, "nothing was closed in ten seconds");
    assert!(engine.info(&numbered(0)).expect("there").open);
    assert!(!engine.info(&numbered(1)).expect("there").open);
}

/// One thread's part in the crowd: writes to its own collections, reads all.
fn jostle(engine: &Engine, seed: u64, rounds: u64) {
    let mut random = Random::new(seed);
    let mine = |kind: usize| numbered(usize::try_from(seed).expect("small") * 10 + kind);
    let mut written = [0_u64; 3];
    for round in 0..rounds {
        let kind = random.below(3);
        match random.below(8) {
            0 => {
                let dropped = engine.drop_collection(&mine(kind)).expect("accepted");
                dropped.wait().expect("done").expect("dropped");
                create(engine, mine(kind), settings(4, Metric::L2));
                written[kind] = 0;
            }
            1 => drop(engine.info(&mine(kind)).expect("mine")),
            2 => engine.flush().expect("flushed"),
            3..=5 => {
                let first = written[kind];
                engine.write(&mine(kind), upsert(first..first + 3)).expect("written");
                written[kind] += 3;
            }
            _ => {
                let other = random.below(4) * 10 + random.below(3);
                if let Ok(view) = engine.view(&numbered(other)) {
                    let ids = view.matching_ids(&Filter::default()).expect("readable");
                    let next =
                        ids.iter().enumerate().all(|(at, id)| *id == PointId::Num(at as u64));
                    assert!(next, "round {round}: {ids:?}");
                }
            }
        }
        let view = engine.view(&mine(kind)).expect("mine");
        assert_eq!(view.count(&Filter::default()).expect("readable"), written[kind]);
    }
}

#[test]
fn searches_writes_drops_and_unloads_go_on_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = FilePool::new(96);
    let root = OsDirectory::open_with(folder.path(), files).expect("opens");
    let idle_unload = Duration::ZERO;
    let pool = PoolConfig { capacity: 2 << 20, ..PoolConfig::default() };
    let options = EngineOptions { background: true, idle_unload, pool, ..options() };
    let durability = vectorizer_engine::Durability::Os;
    let options = EngineOptions { durability, residency: Residency::Governed, ..options };
    let engine = Engine::open_in(root, None, governor(), options).expect("opens");
    for number in (0..4).flat_map(|thread| (0..3).map(move |kind| thread * 10 + kind)) {
        create(&engine, numbered(number), settings(4, Metric::L2));
    }
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let unloader = scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                engine.unload_idle(u64::MAX);
                std::thread::yield_now();
            }
        });
        let crowd: Vec<_> = (0..4)
            .map(|seed| {
                scope.spawn({
                    let engine = &engine;
                    move || jostle(engine, seed, 150)
                })
            })
            .collect();
        let outcomes: Vec<_> = crowd.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        ended.store(true, Ordering::Relaxed);
        unloader.join().expect("ends");
        for outcome in outcomes {
            outcome.expect("no promise was broken");
        }
    });
}
