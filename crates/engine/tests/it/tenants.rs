//! Whose a collection is, and who is charged for it.

use std::sync::Arc;

use vectorizer_engine::{Engine, EngineError, EngineOptions};
use vectorizer_memory::{MemoryError, Scope, Tenant};
use vectorizer_model::operation::PointSelector;
use vectorizer_model::{CollectionName, Filter, Metric, Operation, Payload, PointId, TenantName};
use vectorizer_vfs::Directory;
use vectorizer_vfs::crash::TraceDirectory;

use crate::support::{batch, create, governor, name, open, options, settings};

fn acme() -> TenantName {
    TenantName::new("acme").expect("a name")
}

/// `things` of acme and `others` of nobody in particular, each with rows that are flushed and rows
/// that are not.
fn filled(engine: &Engine) {
    create_both(engine);
    for collection in [name(), others()] {
        write(engine, &collection, 0..300);
    }
    engine.flush().expect("flushed");
    for collection in [name(), others()] {
        write(engine, &collection, 300..600);
    }
}

fn create_both(engine: &Engine) {
    let created = engine.create_collection_of(acme(), name(), settings(4, Metric::L2));
    created.expect("accepted").wait().expect("done").expect("created");
    create(engine, others(), settings(4, Metric::L2));
}

fn others() -> CollectionName {
    CollectionName::new("others").expect("a name")
}

fn write(engine: &Engine, collection: &CollectionName, ids: std::ops::Range<u64>) {
    let points: Vec<_> = ids.map(|id| (id, vec![id as f32, 1.0, 2.0, 3.0])).collect();
    engine.write(collection, batch(&points, |_| Payload::new())).expect("written");
}

fn owners(engine: &Engine) -> Vec<(String, String)> {
    let told =
        |(name, tenant): (CollectionName, Tenant)| (name.to_string(), tenant.name().to_owned());
    engine.owners().into_iter().map(told).collect()
}

fn held_by(engine: &Engine, tenant: &str) -> u64 {
    let usage = engine.governor().usage();
    usage.tenants.iter().find(|of| *of.name == *tenant).map_or(0, |of| of.bytes)
}

fn check_owners(engine: &Engine) {
    let expected = [("others", "default"), ("things", "acme")];
    let expected = expected.map(|(name, tenant)| (name.to_owned(), tenant.to_owned()));
    assert_eq!(owners(engine), expected);
    assert_eq!(engine.owner(&name()).expect("there").name(), "acme");
    assert!(engine.owner(&CollectionName::new("none").expect("a name")).is_err());
}

#[test]
fn a_collection_is_its_creators_after_a_restart_too() {
    let disk = TraceDirectory::new();
    let root: Arc<dyn Directory> = disk.directory();
    let engine = open(&root);
    filled(&engine);
    check_owners(&engine);
    let alike = |engine: &Engine| {
        let (one, other) = (held_by(engine, "acme"), held_by(engine, "default"));
        assert!(one > 2 << 10 && one.abs_diff(other) < 1 << 10, "{one} and {other} bytes");
        one
    };
    let held = alike(&engine);
    drop(engine);
    let engine = open(&root);
    check_owners(&engine);
    assert_eq!(engine.totals().open, 0, "nothing was opened to say so");
    let closed = alike(&engine);
    assert!(closed < held, "{closed} of {held} bytes");
    for collection in [name(), others()] {
        write(&engine, &collection, 600..900);
    }
    assert!(alike(&engine) > closed);
    engine.settle().expect("settled");
    alike(&engine);
    engine.drop_collection(&name()).expect("there").wait().expect("done").expect("dropped");
    assert_eq!(held_by(&engine, "acme"), 0);
    assert!(held_by(&engine, "default") > 0);
}

#[test]
fn what_was_found_is_no_later_one_of_its_name() {
    let disk = TraceDirectory::new();
    let engine = open(&(disk.directory() as Arc<dyn Directory>));
    create_both(&engine);
    write(&engine, &name(), 0..10);
    let found = engine.find(&name()).expect("there");
    assert_eq!((found.name(), found.owner().name()), (&name(), "acme"));
    assert_eq!(engine.info(&found).expect("there").points, 10);
    engine.drop_collection(&found).expect("there").wait().expect("done").expect("dropped");
    create(&engine, name(), settings(4, Metric::L2));
    write(&engine, &name(), 0..7);

    let ids = || PointSelector::Ids((0..7).map(PointId::Num).collect());
    let delete = || Operation::Delete(ids());
    let filter = PointSelector::Filter(Filter::default());
    let guard = || vectorizer_model::RequestId::default();
    let refused: Vec<EngineError> = [
        engine.view(&found).map(drop),
        engine.prepare(&found).map(drop),
        engine.info(&found).map(drop),
        engine.info_at_hand(&found).map(drop),
        engine.check_pace(&found),
        engine.submit(&found, delete(), guard()).map(drop),
        engine.submit_part(&found, &Operation::Delete(filter), None, guard()).map(drop),
        engine.write(&found, delete()).map(drop),
        engine.drop_collection(&found).map(drop),
    ]
    .map(|done| done.expect_err("it is gone"))
    .into();
    let gone = |error: &EngineError| matches!(error, EngineError::CollectionNotFound { .. });
    assert!(refused.iter().all(gone), "{refused:?}");
    assert_eq!(engine.owner(&name()).expect("the later one").name(), "default");
    assert_eq!(engine.info(&name()).expect("the later one").points, 7);
}

#[test]
fn a_creation_that_only_the_log_tells_of_keeps_its_owner() {
    let disk = TraceDirectory::new();
    drop(open(&(disk.directory() as Arc<dyn Directory>)));
    let before = disk.contents()["catalogue"].clone();
    let engine = open(&(disk.directory() as Arc<dyn Directory>));
    create_both(&engine);
    let mut files = disk.contents();
    drop(engine);
    files.retain(|name, _| name.starts_with("log/"));
    files.insert("catalogue".to_owned(), before);
    let engine = open(&(crate::golden::disk(&files).directory() as Arc<dyn Directory>));
    check_owners(&engine);
    assert!(held_by(&engine, "acme").abs_diff(held_by(&engine, "default")) < 1 << 10);
}

/// Writes, again and again while the tenant is at its limit; how often that was. Meanwhile the other
/// one is never idle, so that nothing but want of memory has it flushed.
fn write_patiently(engine: &Engine, ids: std::ops::Range<u64>) -> usize {
    let points: Vec<_> = ids.map(|id| (id, vec![id as f32; 64])).collect();
    let is_written = |_: &usize| {
        let Err(error) = engine.write(&name(), batch(&points, |_| Payload::new())) else {
            return true;
        };
        let EngineError::Memory(MemoryError::InsufficientMemory { scope, .. }) = &error else {
            unreachable!("refused for something else: {error}");
        };
        assert_eq!(*scope, Scope::Tenant("acme".into()));
        write(engine, &others(), 0..1);
        std::thread::sleep(std::time::Duration::from_millis(5));
        false
    };
    (0..3_000).find(is_written).expect("there is room at last")
}

#[test]
fn a_tenant_at_its_limit_is_flushed_and_its_neighbour_is_left_alone() {
    let disk = TraceDirectory::new();
    let options = EngineOptions { background: true, ..options() };
    let root: Arc<dyn Directory> = disk.directory();
    let engine = Engine::open_in(root, None, governor(), options).expect("opens");
    let created = engine.create_collection_of(acme(), name(), settings(64, Metric::L2));
    created.expect("accepted").wait().expect("done").expect("created");
    create(&engine, others(), settings(4, Metric::L2));
    let tenant = engine.governor().tenant("acme");
    engine.governor().impose_tenant_limit(&tenant, Some(1 << 20));
    let never = (0..3_000).map(|id| (id, vec![0.0; 64])).collect::<Vec<_>>();
    let never = engine.write(&name(), batch(&never, |_| Payload::new()));
    assert!(matches!(never, Err(EngineError::Memory(MemoryError::AllocationTooLarge { .. }))));
    let mut refused = 0;
    for part in 0..60 {
        write(&engine, &others(), part..part + 1);
        refused += write_patiently(&engine, part * 100..part * 100 + 100);
        assert!(held_by(&engine, "acme") <= 1 << 20);
    }
    assert!(refused > 0, "the limit was never met");
    assert!(engine.info(&name()).expect("there").segments > 0);
    assert_eq!(engine.info(&others()).expect("there").segments, 0, "nobody wanted its memory");
    let count = engine.view(&name()).expect("there").count(&Filter::default()).expect("counted");
    assert_eq!(count, 6_000);
}

#[test]
fn one_name_is_one_collection_whoever_asks() {
    let disk = TraceDirectory::new();
    let engine = open(&(disk.directory() as Arc<dyn Directory>));
    create_both(&engine);
    let again = engine.create_collection_of(acme(), others(), settings(4, Metric::L2));
    assert!(again.expect_err("taken").to_string().contains("`others` already exists"));
    check_owners(&engine);
}
