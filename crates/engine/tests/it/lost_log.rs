//! A log that lost entries which manifests say it held: the folder is refused, with what to do.

use std::sync::Arc;

use vectorizer_engine::{Durability, Engine, EngineError, EngineOptions};
use vectorizer_model::{CollectionName, Metric, Operation, Payload};
use vectorizer_vfs::crash::{Faults, Mode, Operation as Call, TraceDirectory};
use vectorizer_vfs::{Access, Directory};

use crate::support::{batch, create, governor, name, open, options, settings};

fn upsert(id: u64) -> Operation {
    let points: Vec<_> = (id..id + 20).map(|id| (id, vec![1.0; 4])).collect();
    batch(&points, |_| Payload::new())
}

/// A folder and its log: the first collection is not flushed and keeps all files, the second's
/// manifest is at its last entry.
fn flushed(writes: u64) -> (Arc<dyn Directory>, Arc<dyn Directory>) {
    let disk = TraceDirectory::new();
    let root = disk.directory();
    let engine = open(&root);
    let first = CollectionName::new("first").expect("a name");
    for name in [&first, &name()] {
        create(&engine, name.clone(), settings(4, Metric::L2));
    }
    engine.write(&first, upsert(0)).expect("written");
    for id in 0..writes {
        engine.write(&name(), upsert(id)).expect("written");
    }
    disk.set_faults(Faults::none().fail(Call::SyncDirectory, 0));
    engine.flush().expect_err("the first is stopped");
    disk.set_faults(Faults::none());
    drop(engine);
    let log = root.subdirectory("log").expect("there");
    (root, log)
}

fn files(log: &Arc<dyn Directory>) -> Vec<String> {
    log.list().expect("listed").into_iter().map(|entry| entry.name).collect()
}

fn refusal(root: &Arc<dyn Directory>) -> String {
    let opened = Engine::open_in(Arc::clone(root), None, governor(), options());
    let error = opened.expect_err("entries are lost");
    assert!(matches!(error, EngineError::LogBehind { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("the log in `log` has lost entries"), "{text}");
    assert!(text.contains("put the missing log files back"), "{text}");
    text
}

#[test]
fn an_empty_log_folder_is_a_loss_and_stays_as_it_is() {
    let (root, log) = flushed(3);
    for file in files(&log) {
        log.remove(&file).expect("removed");
    }
    for _ in 0..2 {
        let text = refusal(&root);
        assert!(text.contains("catalogue is at position 2") && text.contains("at 0;"), "{text}");
        assert!(files(&log).is_empty());
    }
}

#[test]
fn a_newest_file_that_vanished_shows_in_the_manifest_that_went_past_it() {
    let (root, log) = flushed(12);
    let newest = files(&log).pop().expect("files");
    assert!(files(&log).len() > 2, "{:?}", files(&log));
    log.remove(&newest).expect("removed");
    let text = refusal(&root);
    assert!(text.contains("shards/0000000002 is at position 12"), "{text}");
    assert!(!text.contains("before it, at 0;"), "{text}");
}

#[test]
fn so_does_a_newest_file_that_lost_its_frames() {
    let (root, log) = flushed(12);
    let newest = files(&log).pop().expect("files");
    log.open(&newest, Access::Write).expect("opens").set_len(4096).expect("cut");
    assert!(refusal(&root).contains("shards/0000000002 is at position 12"));
}

#[test]
fn where_the_first_file_is_there_everything_must_be() {
    let (root, log) = flushed(1);
    assert_eq!(files(&log), ["0000000001.log"]);
    log.open("0000000001.log", Access::Write).expect("opens").set_len(4096).expect("cut");
    assert!(refusal(&root).contains("catalogue is at position 2"));
}

#[test]
fn a_log_that_is_not_synced_for_each_write_is_before_a_manifest_is() {
    let disk = TraceDirectory::new();
    let options = EngineOptions { durability: Durability::Os, ..options() };
    let open = |disk: &TraceDirectory| {
        Engine::open_in(disk.directory(), None, governor(), options.clone())
    };
    let engine = open(&disk).expect("opens");
    let created = engine.create_collection(name(), settings(4, Metric::L2)).expect("accepted");
    created.wait().expect("done").expect("created");
    engine.write(&name(), upsert(0)).expect("written");
    engine.flush().expect("flushed");
    engine.write(&name(), upsert(40)).expect("written");
    let lost = disk.image(disk.position(), Mode::LoseUnsynced);
    let points = open(&lost).expect("opens").info(&name()).expect("there").points;
    assert_eq!(points, 20, "what was flushed, and nothing of what was not");
}

#[test]
fn entries_that_manifests_cover_may_go() {
    let (root, log) = flushed(12);
    let before = files(&log);
    open(&root).flush().expect("flushed");
    let left = files(&log);
    assert_eq!(left, before[before.len() - left.len()..]);
    assert!(left.len() < 3, "{left:?}");
    let engine = open(&root);
    assert_eq!(engine.info(&name()).expect("there").points, 31);
}
