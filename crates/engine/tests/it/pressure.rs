//! A budget that many collections use up.

use std::sync::Arc;

use vectorizer_engine::{Engine, EngineError, EngineOptions};
use vectorizer_memory::{Governor, Limits};
use vectorizer_model::bytes::MIB;
use vectorizer_model::{CollectionName, Filter, Metric, Payload};
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
