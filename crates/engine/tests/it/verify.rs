//! Checking a folder: nothing wrong in a sound one, and every flipped byte is found.

use std::fs;
use std::path::{Path, PathBuf};

use vectorizer_engine::{Engine, EngineError, verify};
use vectorizer_model::{Metric, Operation, Payload, PointId, Value};
use vectorizer_vfs::OsDirectory;

use crate::support::{batch, governor, name, open, options, settings};

fn files(folder: &Path) -> Vec<PathBuf> {
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
    let created = engine.create_collection(name(), settings(4, Metric::L2));
    created.expect("accepted").wait().expect("done").expect("created");
    let payload = |id: u64| Payload([("n".to_owned(), Value::Int(id.cast_signed()))].into());
    let points: Vec<_> = (0..100).map(|id| (id, vec![id as f32, 1.0, 2.0, 3.0])).collect();
    engine.write(&name(), batch(&points, payload)).expect("written");
    engine.settle().expect("settled");
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
