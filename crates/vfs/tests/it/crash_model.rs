//! Random work against a plain model of what is durable.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use vectorizer_vfs::crash::{Mode, SECTOR_BYTES, TraceDirectory};
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

/// A file by what it held since its last sync, the durable state first and the present one last.
#[derive(Debug, Clone)]
struct ModelFile {
    states: Vec<Vec<u8>>,
    /// Whether it was shortened since.
    cut: bool,
}

impl ModelFile {
    const EMPTY: Self = Self { states: Vec::new(), cut: false };

    fn durable(&self) -> Vec<u8> {
        self.states.first().cloned().unwrap_or_default()
    }

    fn now(&self) -> Vec<u8> {
        self.states.last().cloned().unwrap_or_default()
    }

    fn change(&mut self, now: Vec<u8>) {
        if self.states.is_empty() {
            self.states.push(Vec::new());
        }
        self.cut |= now.len() < self.now().len();
        self.states.push(now);
    }

    fn sync(&mut self) {
        *self = Self { states: vec![self.now()], cut: false };
    }

    fn is_synced(&self) -> bool {
        self.states.len() <= 1
    }

    /// Whether a crash may leave these bytes: each sector and the length as they once were. A cut
    /// mixes states; the scenes look at that.
    fn explains(&self, found: &[u8]) -> bool {
        let once = |holds: &dyn Fn(&[u8]) -> bool| {
            holds(&[]) && self.states.is_empty() || self.states.iter().any(|state| holds(state))
        };
        let sector = |at: usize, sector: &[u8]| {
            once(&|state| {
                let byte = |at: usize| state.get(at).copied().unwrap_or(0);
                sector.iter().enumerate().all(|(offset, found)| *found == byte(at + offset))
            })
        };
        let mut sectors = found.chunks(SECTOR_BYTES).enumerate();
        self.cut
            || once(&|state| state.len() == found.len())
                && sectors.all(|(index, bytes)| sector(index * SECTOR_BYTES, bytes))
    }
}

/// Names of each folder as they are, and as they are durable; files by number.
#[derive(Debug, Clone, Default)]
struct Model {
    files: Vec<ModelFile>,
    now: [BTreeMap<&'static str, usize>; FOLDERS],
    durable: [BTreeMap<&'static str, usize>; FOLDERS],
    /// Whether names changed since the last sync.
    changed: [bool; FOLDERS],
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
                model.files.push(ModelFile::EMPTY);
                model.changed[folder] = true;
            }
        }
        Op::Write { at: (folder, name), offset, len, byte } => {
            let Some(file) = model.file(folder, NAMES[name]) else { return };
            let bytes = vec![byte; len];
            let handle = folders[folder].open(NAMES[name], Access::Write).unwrap();
            handle.write_all_at(&bytes, offset).unwrap();
            let start = usize::try_from(offset).unwrap();
            if len > 0 {
                let mut now = file.now();
                now.resize(now.len().max(start + len), 0);
                now[start..start + len].copy_from_slice(&bytes);
                file.change(now);
            }
        }
        Op::SetLen(folder, name, len) => {
            let Some(file) = model.file(folder, NAMES[name]) else { return };
            let handle = folders[folder].open(NAMES[name], Access::Write).unwrap();
            handle.set_len(len).unwrap();
            let mut now = file.now();
            now.resize(usize::try_from(len).unwrap(), 0);
            file.change(now);
        }
        Op::SyncFile(folder, name) => {
            let Some(file) = model.file(folder, NAMES[name]) else { return };
            folders[folder].open(NAMES[name], Access::Read).unwrap().sync().unwrap();
            file.sync();
        }
        Op::Rename(folder, from, to) => {
            let done = folders[folder].rename(NAMES[from], NAMES[to]);
            let moved = model.now[folder].remove(NAMES[from]);
            assert_eq!(done.is_ok(), moved.is_some());
            if let Some(file) = moved {
                model.now[folder].insert(NAMES[to], file);
                model.changed[folder] |= from != to;
            }
        }
        Op::Remove(folder, name) => {
            let done = folders[folder].remove(NAMES[name]);
            assert_eq!(done.is_ok(), model.now[folder].remove(NAMES[name]).is_some());
            model.changed[folder] |= done.is_ok();
        }
        Op::SyncFolder(folder) => {
            folders[folder].sync().unwrap();
            model.durable[folder] = model.now[folder].clone();
            model.changed[folder] = false;
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
            prop_assert_eq!(lost, model.contents(&model.durable, ModelFile::durable));
            let cut = disk.image(cut, Mode::CutOnly).contents();
            prop_assert_eq!(cut, model.contents(&model.now, ModelFile::now));
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
            for (path, bytes) in &found {
                let explained = model.files.iter().any(|file| file.explains(bytes));
                prop_assert!(explained, "{} is of no file's past", path);
            }
            for folder in (0..FOLDERS).filter(|folder| !model.changed[*folder]) {
                for (name, file) in &model.now[folder] {
                    let bytes = found.get(&format!("{}{name}", prefix(folder)));
                    prop_assert!(bytes.is_some(), "{} was durable", name);
                    let file = &model.files[*file];
                    if file.is_synced() {
                        prop_assert_eq!(bytes, Some(&file.durable()));
                    }
                    prop_assert!(bytes.is_some_and(|bytes| file.explains(bytes)));
                }
                let names = found.keys().filter(|path| path.contains('/') == (folder == 1));
                prop_assert_eq!(names.count(), model.now[folder].len());
            }
        }
    }
}
