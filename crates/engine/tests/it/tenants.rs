//! Whose a collection is, and who is charged for it.

use std::sync::Arc;

use vectorizer_engine::Engine;
use vectorizer_model::{CollectionName, Metric, TenantName};
use vectorizer_vfs::Directory;
use vectorizer_vfs::crash::TraceDirectory;

use crate::support::{batch, create, name, open, settings};

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
    engine.write(collection, batch(&points, |_| Default::default())).expect("written");
}

fn owners(engine: &Engine) -> Vec<(String, String)> {
    let told = |(name, tenant): (CollectionName, vectorizer_memory::Tenant)| {
        (name.to_string(), tenant.name().to_owned())
    };
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

#[test]
fn one_name_is_one_collection_whoever_asks() {
    let disk = TraceDirectory::new();
    let engine = open(&(disk.directory() as Arc<dyn Directory>));
    create_both(&engine);
    let again = engine.create_collection_of(acme(), others(), settings(4, Metric::L2));
    assert!(again.expect_err("taken").to_string().contains("`others` already exists"));
    check_owners(&engine);
}
