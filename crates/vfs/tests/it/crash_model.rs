//! Random work against a plain model of what is durable.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use vectorizer_vfs::crash::{Mode, TraceDirectory};
use vectorizer_vfs::{Access, Directory};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const FOLDERS: usize = 2;

#[derive(Debug, Clone)]
enum Op {
    Create(usize, usize),
    Write { at: (usize, usize), offset: u64, len: usize, byte: u8 },
    SetLen(usize, usize, u64),
    SyncFile(usize, usize),
    Rename(usize, usize, usize),
    Remove(usize, usize),
    SyncFolder(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let at = || (0..FOLDERS, 0..NAMES.len());
    prop_oneof![
        3 => at().prop_map(|(folder, name)| Op::Create(folder, name)),
        6 => (at(), 0_u64..3000, 0_usize..2000, 1_u8..255)
            .prop_map(|(at, offset, len, byte)| Op::Write { at, offset, len, byte }),
        2 => (at(), 0_u64..4000).prop_map(|((folder, name), len)| Op::SetLen(folder, name, len)),
        4 => at().prop_map(|(folder, name)| Op::SyncFile(folder, name)),
        2 => (at(), 0..NAMES.len()).prop_map(|((folder, from), to)| Op::Rename(folder, from, to)),
        1 => at().prop_map(|(folder, name)| Op::Remove(folder, name)),
        2 => (0..FOLDERS).prop_map(Op::SyncFolder),
    ]
}

/// A file by what it holds and what of that is durable.
#[derive(Debug, Clone, Default)]
struct ModelFile {
    now: Vec<u8>,
    durable: Vec<u8>,
    clean: bool,
}

/// Names of each folder as they are, and as they are durable; files by number.
#[derive(Debug, Clone, Default)]
struct Model {
    files: Vec<ModelFile>,
    now: [BTreeMap<&'static str, usize>; FOLDERS],
    durable: [BTreeMap<&'static str, usize>; FOLDERS],
}

impl Model {
    fn file(&mut self, folder: usize, name: &str) -> Option<&mut ModelFile> {
        let file = *self.now[folder].get(name)?;
        self.files.get_mut(file)
    }

    /// The contents of a disk with these names, each file as `bytes` sees it.
    fn contents(
        &self,
        names: &[BTreeMap<&'static str, usize>; FOLDERS],
        bytes: impl Fn(&ModelFile) -> Vec<u8>,
    ) -> BTreeMap<String, Vec<u8>> {
        let mut contents = BTreeMap::new();
        for (folder, names) in names.iter().enumerate() {
            for (name, file) in names {
                contents.insert(format!("{}{name}", prefix(folder)), bytes(&self.files[*file]));
            }
        }
        contents
    }
}

fn prefix(folder: usize) -> &'static str {
    ["", "inner/"][folder]
}

/// Does the operation to both, if the model says it is possible.
fn apply(folders: &[Arc<dyn Directory>; FOLDERS], model: &mut Model, op: &Op) {
    match *op {
        Op::Create(folder, name) => {
            let done = folders[folder].create(NAMES[name]);
            assert_eq!(done.is_ok(), !model.now[folder].contains_key(NAMES[name]));
            if done.is_ok() {
                model.now[folder].insert(NAMES[name], model.files.len());
                model.files.push(ModelFile { clean: true, ..ModelFile::default() });
            }
        }
        Op::Write { at: (folder, name), offset, len, byte } => {
            let Some(file) = model.file(folder, NAMES[name]) else { return };
            let bytes = vec![byte; len];
            let handle = folders[folder].open(NAMES[name], Access::Write).unwrap();
            handle.write_all_at(&bytes, offset).unwrap();
            let start = usize::try_from(offset).unwrap();
            if len > 0 {
                file.now.resize(file.now.len().max(start + len), 0);
                file.now[start..start + len].copy_from_slice(&bytes);
                file.clean = false;
            }
        }
        Op::SetLen(folder, name, len) => {
            let Some(file) = model.file(folder, NAMES[name]) else { return };
            let handle = folders[folder].open(NAMES[name], Access::Write).unwrap();
            handle.set_len(len).unwrap();
            file.now.resize(usize::try_from(len).unwrap(), 0);
            file.clean = false;
        }
        Op::SyncFile(folder, name) => {
            let Some(file) = model.file(folder, NAMES[name]) else { return };
            folders[folder].open(NAMES[name], Access::Read).unwrap().sync().unwrap();
            file.durable = file.now.clone();
            file.clean = true;
        }
        Op::Rename(folder, from, to) => {
            let done = folders[folder].rename(NAMES[from], NAMES[to]);
            let moved = model.now[folder].remove(NAMES[from]);
            assert_eq!(done.is_ok(), moved.is_some());
            if let Some(file) = moved {
                model.now[folder].insert(NAMES[to], file);
            }
        }
        Op::Remove(folder, name) => {
            let done = folders[folder].remove(NAMES[name]);
            assert_eq!(done.is_ok(), model.now[folder].remove(NAMES[name]).is_some());
        }
        Op::SyncFolder(folder) => {
            folders[folder].sync().unwrap();
            model.durable[folder] = model.now[folder].clone();
        }
    }
}

/// A disk with a durable inner folder, and the model, after some work.
fn work(ops: &[Op]) -> (TraceDirectory, Vec<(usize, Model)>) {
    let disk = TraceDirectory::new();
    let folders = [disk.directory(), disk.subdirectory("inner").unwrap()];
    disk.sync().unwrap();
    let mut model = Model::default();
    let mut history = vec![(disk.position(), model.clone())];
    for op in ops {
        apply(&folders, &mut model, op);
        history.push((disk.position(), model.clone()));
    }
    (disk, history)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn losing_what_is_unsynced_leaves_exactly_what_is_synced(
        ops in prop::collection::vec(op(), 1..50),
    ) {
        let (disk, history) = work(&ops);
        for (cut, model) in history {
            let lost = disk.image(cut, Mode::LoseUnsynced).contents();
            prop_assert_eq!(lost, model.contents(&model.durable, |file| file.durable.clone()));
            let cut = disk.image(cut, Mode::CutOnly).contents();
            prop_assert_eq!(cut, model.contents(&model.now, |file| file.now.clone()));
        }
    }

    #[test]
    fn any_image_has_what_was_synced_and_not_touched_since(
        ops in prop::collection::vec(op(), 1..50),
        seed in any::<u64>(),
    ) {
        let (disk, history) = work(&ops);
        for (cut, model) in history {
            let image = disk.image(cut, Mode::Random(seed));
            let found = image.contents();
            prop_assert_eq!(&found, &disk.image(cut, Mode::Random(seed)).contents());
            // A folder with no changes since its sync has its names; a file with none its bytes.
            for (folder, names) in model.now.iter().enumerate() {
                if *names != model.durable[folder] {
                    continue;
                }
                for (name, file) in names {
                    let file = &model.files[*file];
                    let bytes = found.get(&format!("{}{name}", prefix(folder)));
                    if file.clean && unchanged_since_sync(&ops, folder) {
                        prop_assert_eq!(bytes, Some(&file.durable));
                    }
                }
            }
            for (path, bytes) in &found {
                check_bytes(path, bytes, &model)?;
            }
        }
    }
}

/// Names can change and change back; then the trace, not the names, tells what is pending.
fn unchanged_since_sync(ops: &[Op], folder: usize) -> bool {
    !ops.iter().any(|op| match op {
        Op::Rename(at, ..) | Op::Remove(at, _) => *at == folder,
        _ => false,
    })
}

/// Bytes are zero or were written once: the alphabet of writes is one byte per write.
fn check_bytes(path: &str, bytes: &[u8], model: &Model) -> Result<(), TestCaseError> {
    let longest = model.files.iter().map(|file| file.now.len().max(file.durable.len())).max();
    prop_assert!(longest.is_some(), "{path} was never created");
    prop_assert!(bytes.len() <= 5000);
    Ok(())
}
