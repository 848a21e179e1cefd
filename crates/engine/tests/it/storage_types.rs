//! Storage types under the rules of cluster mode: one table over every way in, and conversion.

use std::path::Path;

use vectorizer_engine::{Engine, EngineError, EngineOptions, StorageRule, stored_storage_types};
use vectorizer_memory::{Governor, Limits, MemoryError};
use vectorizer_model::settings::StorageType;
use vectorizer_model::{CollectionSettings, Metric, Operation, Payload, RequestId};
use vectorizer_vfs::OsDirectory;

use crate::support::{batch, create, governor, name, options, settings};

fn of(storage_type: StorageType) -> CollectionSettings {
    CollectionSettings { storage_type, ..settings(2, Metric::L2) }
}

fn open(folder: &Path, storage: StorageRule) -> Result<Engine, EngineError> {
    let root = OsDirectory::open(folder).expect("opens");
    Engine::open_in(root, None, governor(), EngineOptions { storage, ..options() })
}

/// A folder with a collection of storage type `memory` and some points.
fn stored(folder: &Path) {
    let engine = open(folder, StorageRule::Any).expect("opens");
    create(&engine, name(), of(StorageType::Memory));
    let points: Vec<(u64, Vec<f32>)> = (0..50).map(|id| (id, vec![id as f32, 1.0])).collect();
    engine.write(&name(), batch(&points, |_| Payload::new())).expect("written");
    engine.close().expect("closed");
}

type Way = fn(&Path, StorageRule) -> Result<(), EngineError>;

/// Every way in which a `memory` collection could come to be served. Ways that are added later
/// (restore, replicate) get a line here.
const WAYS: [(&str, Way); 4] = [
    ("create", |folder, rule| {
        let engine = open(folder, rule)?;
        let ticket = engine.create_collection(name(), of(StorageType::Memory))?;
        ticket.wait()?.map(|_| ())
    }),
    ("open", |folder, rule| {
        stored(folder);
        open(folder, rule).map(|_| ())
    }),
    ("replay of the creation", |folder, rule| {
        stored(folder);
        // The catalogue as it was before: the creation is known to the log alone.
        let data = std::fs::read(folder.join("catalogue")).expect("readable");
        assert!(!data.is_empty());
        let fresh = tempfile::tempdir().expect("a folder");
        drop(open(fresh.path(), StorageRule::Any).expect("opens"));
        let mut empty = std::fs::read(fresh.path().join("catalogue")).expect("readable");
        // The folder's own number, and the checksum over it.
        empty[8..24].copy_from_slice(&data[8..24]);
        let end = empty.len() - 4;
        let crc = crc32c::crc32c(&empty[..end]).to_le_bytes();
        empty[end..].copy_from_slice(&crc);
        std::fs::write(folder.join("catalogue"), empty).expect("written");
        let engine = open(folder, rule)?;
        engine.view(&name()).map(|_| ())
    }),
    ("change of settings", |folder, rule| {
        let engine = open(folder, rule)?;
        create(&engine, name(), of(StorageType::Mmap));
        let change = Operation::UpdateSettings(Box::new(of(StorageType::Memory)));
        engine.submit(&name(), change, RequestId::default())?.wait()?.map(|_| ())
    }),
];

#[test]
fn no_way_leads_past_the_rule_of_cluster_mode() {
    // Under which rules each way is open.
    let open_under = |way: &str, rule: StorageRule| match (way, rule) {
        ("change of settings", _) => false,
        (_, StorageRule::Any) => true,
        ("create", _) => false,
        (_, rule) => rule == StorageRule::MmapForNew,
    };
    for (way, go) in WAYS {
        for rule in [StorageRule::Any, StorageRule::MmapOnly, StorageRule::MmapForNew] {
            let folder = tempfile::tempdir().expect("a folder");
            let gone = go(folder.path(), rule);
            assert_eq!(gone.is_ok(), open_under(way, rule), "{way} under {rule:?}: {gone:?}");
            let Err(refusal) = gone else { continue };
            let told = refusal.to_string();
            if way != "change of settings" {
                assert!(
                    matches!(refusal, EngineError::ClusterConfigViolation { .. }),
                    "{way}: {refusal:?}"
                );
                assert!(told.contains("collection `things`"), "{told}");
            }
            if matches!(way, "open" | "replay of the creation") {
                assert!(told.contains("vectorizer migrate-to-cluster"), "{told}");
            }
            // Nothing was lost by the refusal.
            if way == "open" {
                let engine = open(folder.path(), StorageRule::Any).expect("opens");
                assert_eq!(engine.info(&name()).expect("there").points, 50);
            }
        }
    }
}

#[test]
fn a_conversion_keeps_every_point_and_is_durable() {
    let folder = tempfile::tempdir().expect("a folder");
    stored(folder.path());
    let types = || stored_storage_types(folder.path()).expect("readable");
    assert_eq!(types()[&name()], StorageType::Memory);

    let engine = open(folder.path(), StorageRule::Converting).expect("opens");
    let before = engine.content_digest(&name()).expect("readable");
    assert_eq!(before.points, 50);
    assert!(engine.convert_to_mmap(&name()).expect("converted"));
    assert!(!engine.convert_to_mmap(&name()).expect("nothing to do"));
    // It ends here as if it was killed: nothing is closed in order.
    assert_eq!(types()[&name()], StorageType::Mmap, "the manifest says it without the log");
    drop(engine);

    let engine = open(folder.path(), StorageRule::MmapOnly).expect("allowed now");
    let after = engine.content_digest(&name()).expect("readable");
    assert_eq!((after.points, after.crc), (before.points, before.crc));
    assert_eq!(after.applied.0, before.applied.0 + 1, "one entry of the log");
    engine.write(&name(), batch(&[(7, vec![0.0, 0.0])], |_| Payload::new())).expect("written");
    let changed = engine.content_digest(&name()).expect("readable");
    assert_ne!(changed.crc, after.crc, "another vector is another digest");
}

#[test]
fn a_folder_without_data_has_no_collections() {
    let folder = tempfile::tempdir().expect("a folder");
    let absent = folder.path().join("absent");
    assert_eq!(stored_storage_types(&absent).expect("nothing").len(), 0);
    assert!(!absent.exists(), "nothing is made by looking");
}

#[test]
fn a_collection_that_memory_cannot_hold_is_not_told_as_damage() {
    const DIM: u16 = 512;
    let folder = tempfile::tempdir().expect("a folder");
    let engine = open(folder.path(), StorageRule::Any).expect("opens");
    let large = CollectionSettings {
        storage_type: StorageType::Memory,
        ..settings(DIM.into(), Metric::L2)
    };
    create(&engine, name(), large);
    for first in (0..34_000).step_by(1000) {
        let vector = |id: u64| (0..DIM).map(|at| id as f32 + f32::from(at)).collect();
        let points: Vec<(u64, Vec<f32>)> =
            (first..first + 1000).map(|id| (id, vector(id))).collect();
        engine.write(&name(), batch(&points, |_| Payload::new())).expect("written");
    }
    engine.close().expect("closed");
    let root = OsDirectory::open(folder.path()).expect("opens");
    let small = Governor::new(Limits::of_root(64 << 20));
    let mut few_frames = options();
    few_frames.pool.capacity = 4 << 20;
    let engine = Engine::open_in(root, None, small, few_frames).expect("opens");
    let error = engine.view(&name()).map(|_| ()).expect_err("70 MB in 64 MiB");
    let refused = error.refused_memory();
    assert!(
        matches!(refused, Some(MemoryError::AllocationTooLarge { .. })),
        "{error:?}, for memory: {refused:?}"
    );
}
