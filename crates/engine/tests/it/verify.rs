//! Checking a folder: nothing wrong in a sound one, and every flipped byte is found.

use std::fs;
use std::path::{Path, PathBuf};

use vectorizer_engine::{Engine, EngineError, verify};
use vectorizer_model::{Metric, Operation, Payload, PointId, Value};
use vectorizer_vfs::OsDirectory;

use crate::support::{batch, create, governor, name, open, options, settings};

pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.file_name().is_some_and(|name| name != "LOCK") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn filled(folder: &Path) {
    let engine = open(&OsDirectory::open(folder).expect("opens"));
    create(&engine, name(), settings(4, Metric::L2));
    let payload = |id: u64| Payload([("n".to_owned(), Value::Int(id.cast_signed()))].into());
    let points: Vec<_> = (0..100).map(|id| (id, vec![id as f32, 1.0, 2.0, 3.0])).collect();
    engine.write(&name(), batch(&points, payload)).expect("written");
    let index = Operation::CreateFieldIndex {
        key: "n".parse().expect("a path"),
        kind: vectorizer_model::settings::FieldIndexKind::Integer,
    };
    engine.write(&name(), index).expect("indexed");
    engine.settle().expect("settled");
    let one = vectorizer_model::operation::PointSelector::Ids(vec![PointId::Num(5)]);
    let patch = Operation::OverwritePayload { points: one, payload: payload(77) };
    engine.write(&name(), patch).expect("patched");
    let gone = vectorizer_model::operation::PointSelector::Ids(vec![PointId::Num(3)]);
    engine.write(&name(), Operation::Delete(gone)).expect("deleted");
}

#[test]
fn a_sound_folder_has_no_damage_and_stays_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path());
    let before: Vec<_> = files(folder.path()).into_iter().map(fs::read).map(Result::ok).collect();
    let mut visited = Vec::new();
    let report = verify(folder.path(), &mut |file| visited.push(file.to_owned())).expect("read");
    assert_eq!(report.damages, []);
    assert_eq!(report.torn, None);
    assert_eq!((report.collections, report.segments), (1, 1));
    assert!(report.log_entries >= 1, "{report:?}");
    assert_eq!(visited.len(), files(folder.path()).len(), "{visited:?}");
    let after: Vec<_> = files(folder.path()).into_iter().map(fs::read).map(Result::ok).collect();
    assert_eq!(before, after);
}

#[test]
fn every_flipped_byte_is_found_and_named() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path());
    for path in files(folder.path()) {
        let sound = fs::read(&path).expect("read");
        let name = path.strip_prefix(folder.path()).expect("inside").display().to_string();
        let is_log = name.starts_with("log/");
        let step = (sound.len() / 40).max(1);
        for at in (0..sound.len()).step_by(step) {
            let mut flipped = sound.clone();
            flipped[at] ^= 0x20;
            fs::write(&path, &flipped).expect("written");
            let report = verify(folder.path(), &mut |_| {}).expect("checked");
            let found = report.damages.first().or(report.torn.as_ref());
            let found = found.unwrap_or_else(|| panic!("{name} at {at}: nothing found"));
            assert_eq!(found.file, name, "byte {at}: {found:?}");
            assert!(found.offset <= at as u64 || is_log, "byte {at}: {found:?}");
        }
        fs::remove_file(&path).expect("removed");
        let report = verify(folder.path(), &mut |_| {}).expect("checked");
        assert!(!report.damages.is_empty(), "{name} is missing");
        fs::write(&path, &sound).expect("restored");
    }
    assert_eq!(verify(folder.path(), &mut |_| {}).expect("checked").damages, []);
}

#[test]
fn folders_in_use_and_other_folders_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let refusal = verify(folder.path(), &mut |_| {}).expect_err("empty");
    assert!(matches!(refusal, EngineError::NoDataFolder { .. }), "{refusal}");
    assert!(files(folder.path()).is_empty());
    let engine = Engine::open(folder.path(), governor(), options()).expect("opens");
    let refusal = verify(folder.path(), &mut |_| {}).expect_err("locked").to_string();
    assert!(refusal.contains(&format!("process {}", std::process::id())), "{refusal}");
    drop(engine);
    assert_eq!(verify(folder.path(), &mut |_| {}).expect("checked").damages, []);
}

/// Changes one section of the component of a kind, and mends its checksums; returns the file and
/// where the section begins.
fn forge(folder: &Path, kinds: (u8, u8), change: impl Fn(&mut [u8])) -> (String, u64) {
    const PAGE: usize = 4096;
    let word = |bytes: &[u8], at: usize| {
        usize::try_from(u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8"))).expect("fits")
    };
    for path in files(folder) {
        let mut bytes = fs::read(&path).expect("read");
        let footer = bytes.len().saturating_sub(PAGE);
        if path.extension().is_none_or(|end| end != "vzc") || bytes[footer + 8] != kinds.0 {
            continue;
        }
        let head = (footer + 32..).step_by(24).find(|at| bytes[*at] == kinds.1).expect("there");
        let (start, len) = (word(&bytes, head + 8), word(&bytes, head + 16));
        change(&mut bytes[start..start + len]);
        let crc = crc32c::crc32c(&bytes[start..start + len]);
        bytes[head + 4..head + 8].copy_from_slice(&crc.to_le_bytes());
        let end = bytes.len() - 4;
        let crc = crc32c::crc32c(&bytes[footer..end]);
        bytes[end..].copy_from_slice(&crc.to_le_bytes());
        fs::write(&path, &bytes).expect("written");
        let name = path.strip_prefix(folder).expect("inside").display().to_string();
        return (name, start as u64);
    }
    unreachable!("a filled folder has components of every kind");
}

/// What is wrong with a folder after one section was forged.
fn forged(kinds: (u8, u8), change: impl Fn(&mut [u8])) -> (Vec<(u64, String)>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path());
    let (file, start) = forge(folder.path(), kinds, change);
    let report = verify(folder.path(), &mut |_| {}).expect("checked");
    let of_file = report.damages.into_iter().map(|damage| {
        assert_eq!(damage.file, file, "{damage:?}");
        (damage.offset.wrapping_sub(start), damage.what)
    });
    (of_file.collect(), file)
}

#[test]
fn what_checksums_do_not_see_is_decoded() {
    let one = |kinds, change: &dyn Fn(&mut [u8]), offset: u64, wanted: &str| {
        let (damages, file) = forged(kinds, change);
        let found = damages.iter().find(|(_, what)| what.contains(wanted));
        let found = found.unwrap_or_else(|| panic!("{wanted}: {damages:?} in {file}"));
        assert_eq!(found.0, offset, "{damages:?}");
    };
    let put = |at: usize, word: u64| {
        move |bytes: &mut [u8]| bytes[at..at + 8].copy_from_slice(&word.to_le_bytes())
    };
    one((1, 1), &put(16, 0), 16, "row 2: its id is not above the one before it");
    one((1, 1), &put(99 * 8, 1 << 40), 99 * 8, "row 99: the id filter denies its id");
    one((1, 3), &put(80, 1 << 40), 80, "row 10: its version is after the manifest's position");
    one((1, 4), &put(24, 7), 24, "row 3: its digest does not follow");
    one((5, 12), &|bytes| bytes[0] = 0xff, 0, "payload of row 0");
    one((5, 11), &put(8, 1 << 40), 0, "a payload's bounds");
    one((6, 3), &put(0, 1 << 40), 0_u64.wrapping_sub(8192), "patch of row 5");
    one((8, 14), &|bytes| bytes[8..12].copy_from_slice(&[0, 1, 0, 0]), 0, "rows below 256");
    one((7, 13), &|bytes| bytes[1] = 9, 0, "the order of ordinals");
    let link = |bytes: &mut [u8]| {
        let blocks = u64::from_le_bytes(bytes[40..48].try_into().expect("8"));
        let at = usize::try_from(blocks).expect("small") + 7 * 128;
        bytes[at..at + 4].copy_from_slice(&100_u32.to_le_bytes());
    };
    one((4, 10), &link, 4096 + 7 * 128, "row 7: graph: graph bytes: link");
}

#[test]
fn every_damage_is_named_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path());
    let flip = |path: &Path, places: &[usize]| {
        let mut bytes = fs::read(path).expect("read");
        for at in places {
            bytes[*at] ^= 1;
        }
        fs::write(path, bytes).expect("written");
    };
    let found = |ends: &str| {
        let is = |path: &PathBuf| path.display().to_string().contains(ends);
        files(folder.path()).into_iter().find(is).expect("there")
    };
    // Two frames of the log, two sections of the rows, and the padding between them.
    let log = found("log/");
    let frames: Vec<usize> = {
        let bytes = fs::read(&log).expect("read");
        let is_frame = |at: &usize| bytes[*at..].starts_with(b"VZFR");
        (4096..bytes.len() - 8).step_by(8).filter(is_frame).collect()
    };
    assert!(frames.len() >= 4, "{frames:?}");
    flip(&log, &[frames[0] + 30, frames[2] + 40]);
    let rows = found("0000000001.vzc");
    flip(&rows, &[5, 900, 2 * 4096 + 3]);
    let report = verify(folder.path(), &mut |_| {}).expect("checked");
    let places: Vec<(String, u64)> =
        report.damages.iter().map(|damage| (damage.file.clone(), damage.offset)).collect();
    let name = |path: &Path| path.strip_prefix(folder.path()).expect("in").display().to_string();
    let expected = [
        (name(&rows), 0),
        (name(&rows), 900),
        (name(&rows), 2 * 4096),
        (name(&log), frames[0] as u64),
        (name(&log), frames[2] as u64),
    ];
    assert_eq!(places, expected, "{:?}", report.damages);
    assert_eq!(report.log_entries, entries(&frames) - 2);
}

/// Of the frames of a log one is the mark that closes it.
fn entries(frames: &[usize]) -> u64 {
    frames.len() as u64 - 1
}

#[test]
fn a_damaged_manifest_is_named_with_the_byte_that_cannot_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path());
    let path = files(folder.path());
    let path = path.iter().find(|path| path.display().to_string().contains("manifest")).expect("1");
    let mut bytes = fs::read(path).expect("read");
    // The version of the settings, and a checksum that agrees.
    bytes[44] = 99;
    let end = bytes.len() - 4;
    let crc = crc32c::crc32c(&bytes[..end]);
    bytes[end..].copy_from_slice(&crc.to_le_bytes());
    fs::write(path, bytes).expect("written");
    let report = verify(folder.path(), &mut |_| {}).expect("checked");
    assert_eq!(report.damages.len(), 1, "{:?}", report.damages);
    assert_eq!(report.damages[0].offset, 44, "{:?}", report.damages);
    let refusal = Engine::open(folder.path(), governor(), options()).expect_err("damaged");
    let text = refusal.to_string();
    assert!(text.contains("shards/0000000001/manifest-") && text.contains("byte 44"), "{text}");
}

#[test]
fn a_folder_that_lost_its_catalogue_is_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path());
    for lost in ["catalogue", "log"] {
        let path = folder.path().join(lost);
        let gone = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        gone.expect("it was there");
        let before = files(folder.path());
        let root = OsDirectory::open(folder.path()).expect("opens");
        let refused = Engine::open_in(root, None, governor(), options());
        let Err(EngineError::Damaged { file, what, .. }) = refused.map(drop) else {
            panic!("without its {lost} it is not new");
        };
        assert!(file == "catalogue" && what.contains("it is missing"), "{file}: {what}");
        assert_eq!(files(folder.path()), before, "without its {lost}");
    }
}

#[test]
fn a_merge_does_not_copy_damage() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = open(&OsDirectory::open(folder.path()).expect("opens"));
    create(&engine, name(), settings(4, Metric::L2));
    for from in [0, 100] {
        let points: Vec<_> = (from..from + 100).map(|id| (id, vec![id as f32; 4])).collect();
        engine.write(&name(), batch(&points, |_| Payload::new())).expect("written");
        engine.flush().expect("flushed");
    }
    let before = files(folder.path());
    // The first vector of id 0: in the first page of the file that holds it.
    let stored: Vec<u8> = [1.0_f32; 4].iter().flat_map(|value| value.to_le_bytes()).collect();
    let holds = |path: &&PathBuf| {
        let bytes = fs::read(path).expect("readable");
        path.extension().is_some_and(|e| e == "vzc") && bytes[16..32] == stored[..]
    };
    let damaged = before.iter().find(holds).expect("stored vectors").clone();
    let mut bytes = fs::read(&damaged).expect("readable");
    bytes[20] ^= 1;
    fs::write(&damaged, bytes).expect("written");

    let refusal = engine.settle().expect_err("damage");
    let file = damaged.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(refusal.to_string().contains(&file), "{refusal}");
    engine.settle().expect("what is damaged is left alone");
    let info = engine.info(&name()).expect("there");
    assert_eq!((info.segments, info.indexed_rows), (2, 100), "only the other one gets a graph");
}
