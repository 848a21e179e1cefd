//! What could not be done after it was logged stops what comes after it, until the next start.

use std::sync::Arc;

use vectorizer_engine::{Engine, EngineError, Select, VectorSelector};
use vectorizer_model::{CollectionName, Filter, Metric, Operation, Payload, PointId};
use vectorizer_vfs::Directory;
use vectorizer_vfs::crash::{Faults, Operation as Call, TraceDirectory};

use crate::support::{batch, name, open, settings};

fn upsert(points: &[(u64, f32)]) -> Operation {
    let points: Vec<_> = points.iter().map(|(id, x)| (*id, vec![*x, 0.0, 0.0, 0.0])).collect();
    batch(&points, |_| Payload::new())
}

fn create(engine: &Engine, name: CollectionName) -> Result<(), EngineError> {
    let ticket = engine.create_collection(name, settings(4, Metric::L2))?;
    ticket.wait()?.map(|_| ())
}

/// The first components of all points, by id.
fn firsts(engine: &Engine) -> Vec<(PointId, f32)> {
    let view = engine.view(&name()).expect("there");
    let ids = view.matching_ids(&Filter::default()).expect("readable");
    let select = Select { vectors: VectorSelector::Everything, ..Select::default() };
    let records = view.records(&ids, &select).expect("readable");
    records.iter().map(|record| (record.id, record.vectors[0].1[0])).collect()
}

fn num(points: &[(u64, f32)]) -> Vec<(PointId, f32)> {
    points.iter().map(|(id, x)| (PointId::Num(*id), *x)).collect()
}

/// A disk with points 1 and 2 in a segment of which no page is in memory.
fn cold() -> (TraceDirectory, Arc<dyn Directory>, Engine) {
    let disk = TraceDirectory::new();
    let root = disk.directory();
    let engine = open(&root);
    create(&engine, name()).expect("created");
    engine.write(&name(), upsert(&[(1, 1.0), (2, 2.0)])).expect("written");
    engine.settle().expect("settled");
    drop(engine);
    let engine = open(&root);
    drop(engine.view(&name()).expect("opens"));
    (disk, root, engine)
}

#[test]
fn a_shard_that_cannot_apply_a_write_stops_and_keeps_what_it_had() {
    let (disk, root, engine) = cold();
    disk.set_faults(Faults::none().fail(Call::Read, 0));
    // The new point is applied before the page of the old one fails.
    let refusal = engine.write(&name(), upsert(&[(9, 9.0), (2, 20.0)])).expect_err("unreadable");
    assert!(!refusal.is_callers() && !matches!(refusal, EngineError::Closed { .. }), "{refusal}");
    // The disk is sound again, and what comes later would succeed.
    for _ in 0..2 {
        let refusal = engine.write(&name(), upsert(&[(3, 3.0)])).expect_err("stopped");
        assert!(matches!(refusal, EngineError::Closed { .. }), "{refusal}");
        let text = refusal.to_string();
        assert!(text.contains("Input/output error") && text.contains("restart"), "{text}");
    }
    assert!(engine.info(&name()).expect("there").failure.is_some());
    assert_eq!(firsts(&engine), num(&[(1, 1.0), (2, 2.0)]), "reads go on, and see none of it");
    engine.flush().expect_err("a manifest would go past what was not applied");
    engine.settle().expect_err("likewise");
    drop(engine);
    let engine = open(&root);
    assert_eq!(firsts(&engine), num(&[(1, 1.0), (2, 20.0), (9, 9.0)]), "it was logged");
    engine.write(&name(), upsert(&[(3, 3.0)])).expect("written");
}

#[test]
fn a_failed_sync_of_the_log_refuses_every_write_until_the_next_start() {
    let (disk, root, engine) = cold();
    disk.set_faults(Faults::none().fail(Call::SyncFile, 0));
    let refusal = engine.write(&name(), upsert(&[(3, 3.0)])).expect_err("not durable");
    assert!(matches!(refusal, EngineError::LogFailed { .. }), "{refusal}");
    for _ in 0..2 {
        let refusal = engine.write(&name(), upsert(&[(4, 4.0)])).expect_err("stopped").to_string();
        assert!(refusal.contains("fdatasync") && refusal.contains("open it again"), "{refusal}");
    }
    create(&engine, CollectionName::new("other").expect("a name")).expect_err("stopped");
    assert_eq!(firsts(&engine), num(&[(1, 1.0), (2, 2.0)]));
    drop(engine);
    let engine = open(&root);
    engine.write(&name(), upsert(&[(4, 4.0)])).expect("written");
    assert!(firsts(&engine).contains(&(PointId::Num(4), 4.0)));
}

#[test]
fn a_failed_sync_of_a_folder_stops_its_shard_alone() {
    let (disk, root, engine) = cold();
    let other = CollectionName::new("other").expect("a name");
    create(&engine, other.clone()).expect("created");
    engine.write(&name(), upsert(&[(3, 3.0)])).expect("written");
    engine.write(&other, upsert(&[(3, 3.0)])).expect("written");
    // The first sync of a folder is the other's: collections go by name.
    disk.set_faults(Faults::none().fail(Call::SyncDirectory, 0));
    engine.flush().expect_err("one of them");
    let refusal = engine.write(&other, upsert(&[(4, 4.0)])).expect_err("stopped").to_string();
    assert!(refusal.contains("fsync /shards/0000000002"), "{refusal}");
    engine.write(&name(), upsert(&[(4, 4.0)])).expect("this one goes on");
    let before = disk.position();
    engine.settle().expect_err("one is stopped");
    let folder = |engine: &Engine| engine.info(&name()).expect("there").memtable_bytes;
    assert_eq!(folder(&engine), 0, "the other was flushed");
    assert!(disk.position() > before);
    drop(engine);
    let engine = open(&root);
    engine.write(&other, upsert(&[(4, 4.0)])).expect("written");
    assert_eq!(engine.info(&other).expect("there").points, 2);
}

#[test]
fn a_drop_that_could_not_be_stored_lets_nothing_be_acknowledged_after_it() {
    for (call, skipped) in [(Call::Create, 0), (Call::Rename, 0), (Call::SyncDirectory, 0)] {
        let (disk, root, engine) = cold();
        disk.set_faults(Faults::none().fail(call, skipped));
        let dropped = engine.drop_collection(&name()).expect("accepted").wait().expect("done");
        dropped.expect_err("not stored");
        let refusal = engine.write(&name(), upsert(&[(3, 3.0)])).expect_err("it is to be dropped");
        assert!(matches!(refusal, EngineError::Closed { .. }), "{refusal}");
        let other = CollectionName::new("other").expect("a name");
        let refusal = create(&engine, other).expect_err("stopped");
        assert!(refusal.to_string().contains("until a restart"), "{refusal}");
        assert!(!refusal.to_string().contains("Input/output"), "another's failure: {refusal}");
        let EngineError::CatalogueStopped { reason } = refusal else { unreachable!("{refusal}") };
        assert!(reason.contains("Input/output"), "whoever runs the node sees it: {reason}");
        assert_eq!(firsts(&engine), num(&[(1, 1.0), (2, 2.0)]));
        drop(engine);
        let engine = open(&root);
        assert_eq!(engine.collections(), []);
        create(&engine, name()).expect("created");
        assert_eq!(firsts(&engine), []);
    }
}

#[test]
fn a_creation_that_could_not_be_stored_is_made_good_by_the_next_start() {
    for call in [Call::Create, Call::Rename, Call::SyncDirectory, Call::MakeDirectory] {
        let (disk, root, engine) = cold();
        let (first, second) = ("first", "second");
        let name = |name| CollectionName::new(name).expect("a name");
        disk.set_faults(Faults::none().fail(call, 0));
        create(&engine, name(first)).expect_err("not stored");
        create(&engine, name(second)).expect_err("stopped");
        assert_eq!(engine.collections().len(), 1);
        drop(engine);
        let engine = open(&root);
        assert_eq!(engine.collections(), [name(first), crate::support::name()]);
        create(&engine, name(second)).expect("created");
    }
}
