//! A budget that many collections use up.

use std::sync::Arc;

use vectorizer_engine::{Engine, EngineError, EngineOptions};
use vectorizer_memory::{Class, Governor, Limits, OperationKind, Tenant};
use vectorizer_model::bytes::MIB;
use vectorizer_model::settings::FieldIndexKind;
use vectorizer_model::{CollectionName, Filter, Metric, Operation, Payload, Value};
use vectorizer_vfs::crash::TraceDirectory;
use vectorizer_vfs::{Directory, OsDirectory};

use crate::support::{batch, create, options, settings};

const COLLECTIONS: usize = 120;

fn open(root: &Arc<dyn Directory>) -> Engine {
    let mut options = EngineOptions { background: true, memtable_bytes: MIB, ..options() };
    options.pool.capacity = 4 * MIB;
    options.log_file_bytes = MIB;
    let governor = Governor::new(Limits::of_root(20 * MIB));
    Engine::open_in(Arc::clone(root), None, governor, options).expect("opens")
}

fn named(number: usize) -> CollectionName {
    CollectionName::new(&format!("c{number}")).expect("a name")
}

/// Writes, again and again while memory is short: a refusal says that it may help.
fn write(engine: &Engine, number: usize, id: u64) {
    const TRIES: usize = 3_000;
    let written = (0..TRIES).any(|_| {
        let points: Vec<_> = (id..id + 20).map(|id| (id, vec![id as f32; 32])).collect();
        let written = engine.write(&named(number), batch(&points, |_| Payload::new()));
        if let Err(error) = &written {
            assert!(matches!(error, EngineError::Memory(_)), "collection {number}: {error}");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        written.is_ok()
    });
    assert!(written, "collection {number} never had room");
}

#[test]
fn memtables_that_fill_the_budget_are_flushed_and_writes_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = OsDirectory::open(folder.path()).expect("opens");
    let engine = open(&root);
    for number in 0..COLLECTIONS {
        create(&engine, named(number), settings(32, Metric::L2));
    }
    for id in [0, 20] {
        for number in 0..COLLECTIONS {
            write(&engine, number, id);
        }
    }
    engine.close().expect("everything is flushed");
    drop(engine);
    let engine = open(&root);
    for number in 0..COLLECTIONS {
        let view = engine.view(&named(number)).expect("there");
        assert_eq!(view.count(&Filter::default()).expect("counted"), 40);
    }
}

#[test]
fn field_indexes_wait_while_memory_is_nearly_full() {
    const ROOT: u64 = 64 * MIB;
    let governor = Governor::new(Limits::of_root(ROOT));
    let mut options = EngineOptions { graph_rows_min: u32::MAX, ..options() };
    options.pool.capacity = 4 * MIB;
    let root = TraceDirectory::new().directory();
    let engine = Engine::open_in(root, None, Arc::clone(&governor), options).expect("opens");
    create(&engine, named(0), settings(4, Metric::L2));
    for from in (0..24_000).step_by(1000) {
        let points: Vec<_> = (from..from + 1000).map(|id| (id, vec![id as f32; 4])).collect();
        let payload = |id: u64| Payload([("n".to_owned(), Value::Int(id.cast_signed()))].into());
        engine.write(&named(0), batch(&points, payload)).expect("room");
    }
    engine.flush().expect("flushed");
    let key = "n".parse().expect("a path");
    let index = Operation::CreateFieldIndex { key, kind: FieldIndexKind::Integer };
    engine.write(&named(0), index).expect("accepted");
    let built = || {
        engine.memory_guard().observe(Err("nothing is measured".to_owned()));
        engine.settle().expect("settled");
        engine.memory_guard().usage(OperationKind::Build).finished
    };
    let most = ROOT / 100 * 87 - governor.unreclaimable();
    let others = governor.reserve(Class::Operations, &Tenant::system(), most).expect("available");
    assert_eq!(built(), 0, "{} bytes are left", governor.available());
    drop(others);
    assert_eq!(built(), 1);
}
