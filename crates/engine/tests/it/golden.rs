//! A data folder of format v1 that must be read for ever, and written so as long as v1 is what is
//! written. Files in `tests/golden` are only added, never changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vectorizer_engine::{
    Engine, EngineOptions, PayloadSelector, Record, Select, VectorSelector, verify,
};
use vectorizer_model::operation::{PointBatch, PointSelector};
use vectorizer_model::settings::FieldIndexKind;
use vectorizer_model::vector::VectorColumn;
use vectorizer_model::{Metric, Operation, Payload, PointId, Value, VectorName};
use vectorizer_vfs::Directory;
use vectorizer_vfs::crash::TraceDirectory;

use crate::history::equals;
use crate::support::{governor, name, options, search, settings};

const UUID: PointId = PointId::Uuid(0x550e_8400_e29b_41d4_a716_4466_5544_0000);

type Files = BTreeMap<String, Vec<u8>>;

/// The files of a folder, by their paths within it.
fn stored(folder: &Path) -> Files {
    let mut files = Files::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(folder.join(&inner)).expect("a folder") {
            let path = inner.join(entry.expect("an entry").file_name());
            if folder.join(&path).is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(folder.join(&path)).expect("read");
                files.insert(path.display().to_string(), bytes);
            }
        }
    }
    files
}

/// The frozen folder. With `VECTORIZER_WRITE_GOLDEN` set, and only if it is not there, it is
/// written as it would be today.
fn golden() -> Files {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/folder_v1");
    if !folder.exists() && std::env::var_os("VECTORIZER_WRITE_GOLDEN").is_some() {
        for (name, bytes) in written() {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().expect("in a folder")).expect("made");
            fs::write(path, bytes).expect("written");
        }
    }
    stored(&folder)
}

/// A disk with these files.
pub(crate) fn disk(files: &Files) -> TraceDirectory {
    let disk = TraceDirectory::new();
    for (path, bytes) in files {
        let mut directory: Arc<dyn Directory> = disk.directory();
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
            directory = directory.subdirectory(folder).expect("made");
        }
        directory.create(name).expect("created").write_all_at(bytes, 0).expect("written");
    }
    disk
}

/// A catalogue without collections, of a node that is known.
fn empty_catalogue() -> Files {
    let mut bytes = b"VZCATA01".to_vec();
    bytes.extend_from_slice(&0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128.to_le_bytes());
    bytes.extend_from_slice(&0_u64.to_le_bytes());
    bytes.extend_from_slice(&1_u32.to_le_bytes());
    bytes.push(0);
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    Files::from([("catalogue".to_owned(), bytes)])
}

fn open(disk: &TraceDirectory) -> Engine {
    let options = EngineOptions { graph_rows_min: 2, ..options() };
    Engine::open_in(disk.directory(), None, governor(), options).expect("opens")
}

fn upsert(points: &[(PointId, [f32; 2], Payload)]) -> Operation {
    Operation::Upsert(PointBatch {
        ids: points.iter().map(|(id, ..)| *id).collect(),
        vectors: vec![VectorColumn {
            name: VectorName::unnamed(),
            dim: 2,
            values: points.iter().flat_map(|(_, vector, _)| *vector).collect(),
            present: Vec::new(),
        }],
        payloads: points.iter().map(|(.., payload)| payload.clone()).collect(),
    })
}

fn number(value: i64) -> Payload {
    Payload([("v".to_owned(), Value::Int(value))].into())
}

/// Every kind of component in one segment, and an entry that only the log holds. Two rows, so that
/// every graph links them alike.
fn written() -> Files {
    let disk = disk(&empty_catalogue());
    let engine = open(&disk);
    let mut settings = settings(2, Metric::L2);
    settings.on_disk_payload = false;
    settings.field_indexes.insert("v".parse().expect("a path"), FieldIndexKind::Integer);
    let created = engine.create_collection(name(), settings).expect("accepted");
    created.wait().expect("done").expect("created");
    let write = |operation| engine.write(&name(), operation).expect("written");
    let first = (PointId::Num(1), [1.0, 0.0], number(1));
    write(upsert(&[first, (UUID, [0.0, 1.0], number(4))]));
    engine.settle().expect("settled");
    let one = PointSelector::Ids(vec![PointId::Num(1)]);
    write(Operation::OverwritePayload { points: one, payload: number(2) });
    write(Operation::Delete(PointSelector::Ids(vec![UUID])));
    engine.flush().expect("flushed");
    write(upsert(&[(PointId::Num(3), [0.5, 0.5], number(3))]));
    disk.contents()
}

/// Components by the kind in their footers, and the other files but the manifest, whose numbers
/// depend on the order of background work; `crates/engine/src/manifest.rs` tests its bytes.
fn comparable(files: Files) -> Files {
    let key = |(path, bytes): (String, Vec<u8>)| {
        let kind = || bytes[bytes.len() - 4096 + 8];
        if path.contains("manifest-") {
            None
        } else if path.rsplit_once('.').is_some_and(|(_, end)| end == "vzc") {
            Some((format!("component of kind {}", kind()), bytes))
        } else {
            Some((path, bytes))
        }
    };
    files.into_iter().filter_map(key).collect()
}

#[test]
fn the_same_history_still_writes_the_same_bytes() {
    let (golden, written) = (comparable(golden()), comparable(written()));
    assert_eq!(golden.len(), 10, "eight kinds of components, the catalogue and the log");
    assert!(golden.keys().eq(written.keys()), "{:?}", written.keys());
    for (name, bytes) in &golden {
        let first = bytes.iter().zip(&written[name]).position(|(a, b)| a != b);
        let lengths = (bytes.len(), written[name].len());
        assert!(*bytes == written[name], "{name}: differs at {first:?}, lengths {lengths:?}");
    }
}

#[test]
fn the_frozen_folder_opens_and_answers() {
    let disk = disk(&golden());
    let engine = open(&disk);
    let info = engine.info(&name()).expect("there");
    assert_eq!((info.applied.0, info.points, info.segments, info.indexed_rows), (4, 2, 1, 2));
    assert!(info.bytes.values().all(|bytes| *bytes > 0), "{:?}", info.bytes);
    let view = engine.view(&name()).expect("there");
    let select =
        Select { payload: PayloadSelector::Everything, vectors: VectorSelector::Everything };
    let records = view.records(&[PointId::Num(1), UUID, PointId::Num(3)], &select).expect("read");
    let told = |record: &Record| {
        let payload = record.payload.as_deref().cloned().unwrap_or_default();
        (record.id, record.version.0, record.vectors[0].1.clone(), payload)
    };
    let expected = [
        (PointId::Num(1), 2, vec![1.0, 0.0], number(2)),
        (PointId::Num(3), 4, vec![0.5, 0.5], number(3)),
    ];
    assert_eq!(records.iter().map(told).collect::<Vec<_>>(), expected);
    assert_eq!(view.matching_ids(&equals(2)).expect("read"), [PointId::Num(1)]);
    assert_eq!(view.matching_ids(&equals(4)).expect("read"), []);
    for exact in [true, false] {
        let hits = search(&engine, &[1.0, 0.1], 5, exact);
        let ids: Vec<PointId> = hits.iter().map(|hit| hit.id).collect();
        assert_eq!(ids, [PointId::Num(1), PointId::Num(3)]);
    }
}

#[test]
fn the_frozen_folder_has_no_damage() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in golden() {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("in a folder")).expect("made");
        fs::write(path, bytes).expect("written");
    }
    let report = verify(folder.path(), &mut |_| {}).expect("checked");
    assert_eq!((report.damages, report.torn), (Vec::new(), None));
    assert_eq!((report.collections, report.segments, report.log_entries), (1, 1, 5));
}
