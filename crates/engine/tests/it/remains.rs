//! Flushes, merges and builds that are refused, by memory or by the disk, again and again: none
//! leaves a file that a restart would have to remove.

use std::sync::Arc;

use vectorizer_engine::error::Result;
use vectorizer_engine::{Engine, EngineError};
use vectorizer_memory::Governor;
use vectorizer_model::operation::PointSelector;
use vectorizer_model::settings::FieldIndexKind;
use vectorizer_model::{Metric, Operation, Payload, PointId, Value};
use vectorizer_vfs::crash::{Faults, Operation as Call, TraceDirectory};

use crate::support::{batch, create, governor, name, open, options, settings};

/// How often what was refused is tried again before the next refusal.
const TRIES: usize = 3;

fn numbered(id: u64) -> Payload {
    Payload([("n".to_owned(), Value::Int(id.cast_signed()))].into())
}

fn upsert(engine: &Engine, from: u64) {
    let points: Vec<_> = (from..from + 40).map(|id| (id, vec![id as f32, 1.0, 2.0, 3.0])).collect();
    engine.write(&name(), batch(&points, numbered)).expect("written");
}

/// Four segments without graphs and indexes, with rows, deaths and patches that are not flushed.
fn filled(disk: &TraceDirectory, governor: Arc<Governor>) -> Engine {
    let engine = Engine::open_in(disk.directory(), None, governor, options()).expect("opens");
    create(&engine, name(), settings(4, Metric::L2));
    for from in [0, 40, 80, 120] {
        upsert(&engine, from);
        engine.flush().expect("flushed");
    }
    let key = "n".parse().expect("a path");
    let index = Operation::CreateFieldIndex { key, kind: FieldIndexKind::Integer };
    engine.write(&name(), index).expect("accepted");
    upsert(&engine, 150);
    let points = |id| PointSelector::Ids(vec![PointId::Num(id)]);
    engine.write(&name(), Operation::Delete(points(3))).expect("deleted");
    let patch = Operation::OverwritePayload { points: points(5), payload: numbered(77) };
    engine.write(&name(), patch).expect("patched");
    engine
}

fn keep_house(engine: &Engine) -> Result<()> {
    engine.flush()?;
    engine.settle()
}

fn components(disk: &TraceDirectory) -> Vec<String> {
    let is_component = |path: &String| {
        path.rsplit('/').next().is_some_and(|name| vectorizer_segment::file_number(name).is_some())
    };
    disk.contents().into_keys().filter(is_component).collect()
}

/// A restart, which removes what no manifest names, finds nothing to remove.
fn check(disk: &TraceDirectory, refused: &str) {
    let again = disk.killed(disk.position());
    let _restarted = open(&again.directory());
    assert_eq!(components(disk), components(&again), "{refused}");
}

/// Has the work of a new folder refused at one place after the other, until nothing is left to do;
/// returns how often it was.
fn refuse(mut at: impl FnMut(&TraceDirectory, &Governor, u64)) -> usize {
    let (disk, governor) = (TraceDirectory::new(), governor());
    let engine = filled(&disk, Arc::clone(&governor));
    let mut refused = 0;
    for place in 0.. {
        for _ in 0..TRIES {
            at(&disk, &governor, place);
            let done = keep_house(&engine);
            disk.set_faults(Faults::none());
            governor.fail_request(0);
            check(&disk, &format!("place {place}: {done:?}"));
            let Err(error) = done else { continue };
            let retried = !matches!(error, EngineError::Closed { .. });
            assert!(retried, "a refusal stops nothing: {error}");
            refused += 1;
        }
        let info = engine.info(&name()).expect("there");
        if info.segments == 1 && info.backlog_rows == 0 {
            break;
        }
    }
    let files = components(&disk).len();
    assert_eq!(files, 6, "ids, vectors, codes, payload, graph and index: {:?}", components(&disk));
    refused
}

#[test]
fn work_that_memory_refuses_leaves_no_file() {
    let refused = refuse(|_, governor, place| governor.fail_request(place + 1));
    assert!(refused > 20, "{refused} times");
}

#[test]
fn work_that_a_full_disk_refuses_leaves_no_file() {
    let refused = refuse(|disk, _, place| disk.set_faults(Faults::none().room(place * 3_000)));
    assert!(refused > 20, "{refused} times");
}

#[test]
fn work_that_a_failing_disk_refuses_leaves_no_file() {
    for call in [Call::Create, Call::Open, Call::Read, Call::Write, Call::SyncFile, Call::Rename] {
        let refused = refuse(|disk, _, place| disk.set_faults(Faults::none().fail(call, place)));
        assert!(refused > 0, "{call:?}: {refused} times");
    }
}
