//! What is durable at a cut of the trace, what is not yet, and a choice among the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::effect::{DirectoryId, Effect, FileId};
use super::random::SplitMix64;
use super::world::{Folder, Node, Tree};

/// What a device writes wholly or not at all.
pub const SECTOR_BYTES: usize = 512;

/// Which of the effects that are not durable an image has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// All: the program was killed, the machine lives on.
    CutOnly,
    /// None: power was lost before anything was written back.
    LoseUnsynced,
    /// Some, by this seed.
    Random(u64),
}

/// Chooses how far each undecided thing got.
struct Chooser {
    mode: Mode,
    random: SplitMix64,
}

impl Chooser {
    /// The choices for one file or folder do not depend on those for others.
    fn new(mode: Mode, salt: usize) -> Self {
        let seed = match mode {
            Mode::Random(seed) => SplitMix64::new(seed).next().wrapping_add(salt as u64),
            Mode::CutOnly | Mode::LoseUnsynced => 0,
        };
        Self { mode, random: SplitMix64::new(seed) }
    }

    /// How many of `steps` were taken. The ends are as likely as all between.
    fn taken(&mut self, steps: usize) -> usize {
        match self.mode {
            Mode::CutOnly => steps,
            Mode::LoseUnsynced => 0,
            Mode::Random(_) => match self.random.up_to(3) {
                0 => 0,
                1 => steps,
                _ => self.random.up_to(steps),
            },
        }
    }
}

/// The state of a disk at some point of the trace.
#[derive(Debug, Clone)]
pub(super) struct Replay {
    files: Vec<FileHistory>,
    folders: Vec<FolderHistory>,
}

impl Replay {
    /// Before the first effect; all that is in the tree is durable.
    pub(super) fn new(origin: &Tree) -> Self {
        Self {
            files: origin.files.iter().map(|bytes| FileHistory::new(Arc::clone(bytes))).collect(),
            folders: origin.folders.iter().cloned().map(FolderHistory::new).collect(),
        }
    }

    /// Takes in the next effect.
    pub(super) fn advance(&mut self, effect: &Effect) {
        match effect {
            Effect::Create { directory, name, file } => {
                self.files.resize_with(self.files.len().max(file.0 + 1), FileHistory::default);
                self.change(*directory, Change::Link(name.clone(), Node::File(*file)));
            }
            Effect::MakeDirectory { directory, name, made } => {
                let count = self.folders.len().max(made.0 + 1);
                self.folders.resize_with(count, FolderHistory::default);
                self.change(*directory, Change::Link(name.clone(), Node::Directory(*made)));
            }
            Effect::Rename { directory, from, to } => {
                self.change(*directory, Change::Rename(from.clone(), to.clone()));
            }
            Effect::Remove { directory, name } | Effect::RemoveDirectory { directory, name } => {
                self.change(*directory, Change::Unlink(name.clone()));
            }
            Effect::SyncDirectory { directory, failed } => {
                self.folders[directory.0].sync(*failed);
            }
            Effect::Write { file, offset, bytes } => self.file(*file).write(*offset, bytes),
            Effect::SetLen { file, len } => self.file(*file).set_len(to_usize(*len)),
            Effect::SyncFile { file, failed: false } => self.file(*file).sync(),
            Effect::SyncFile { file, failed: true } => self.file(*file).fail_sync(),
            Effect::DropCache { file } => self.file(*file).forget_stuck(),
        }
    }

    /// What a program reads from a file now.
    pub(super) fn content(&self, file: FileId) -> Arc<Vec<u8>> {
        self.files[file.0].content()
    }

    fn file(&mut self, file: FileId) -> &mut FileHistory {
        &mut self.files[file.0]
    }

    fn change(&mut self, directory: DirectoryId, change: Change) {
        self.folders[directory.0].pending.push(Pending { change, stuck: false });
    }

    /// A disk as it may be found now. Files without a name are empty.
    pub(super) fn image(&self, mode: Mode) -> Tree {
        let choose =
            |(id, folder): (usize, &FolderHistory)| folder.choose(&mut Chooser::new(mode, 2 * id));
        let folders: Vec<Folder> = self.folders.iter().enumerate().map(choose).collect();
        let named: BTreeSet<usize> = folders
            .iter()
            .flat_map(BTreeMap::values)
            .filter_map(|node| match node {
                Node::File(file) => Some(file.0),
                Node::Directory(_) => None,
            })
            .collect();
        let choose = |(id, file): (usize, &FileHistory)| {
            if !named.contains(&id) {
                return Arc::default();
            }
            file.choose(&mut Chooser::new(mode, 2 * id + 1))
        };
        Tree { files: self.files.iter().enumerate().map(choose).collect(), folders }
    }
}

/// A folder's durable names and what was done since.
#[derive(Debug, Clone, Default)]
struct FolderHistory {
    base: Folder,
    pending: Vec<Pending>,
}

#[derive(Debug, Clone)]
struct Pending {
    change: Change,
    /// A failed sync should have made it durable.
    stuck: bool,
}

#[derive(Debug, Clone)]
enum Change {
    Link(String, Node),
    Rename(String, String),
    Unlink(String),
}

impl Change {
    fn names(&self) -> impl Iterator<Item = &str> {
        let (first, second) = match self {
            Self::Link(name, _) | Self::Unlink(name) => (name, None),
            Self::Rename(from, to) => (from, Some(to)),
        };
        std::iter::once(first).chain(second).map(String::as_str)
    }

    fn apply(&self, folder: &mut Folder) {
        match self {
            Self::Link(name, node) => {
                folder.insert(name.clone(), *node);
            }
            Self::Rename(from, to) => {
                if let Some(node) = folder.remove(from) {
                    folder.insert(to.clone(), node);
                }
            }
            Self::Unlink(name) => {
                folder.remove(name);
            }
        }
    }
}

impl FolderHistory {
    fn new(base: Folder) -> Self {
        Self { base, pending: Vec::new() }
    }

    fn sync(&mut self, failed: bool) {
        if failed {
            self.pending.iter_mut().for_each(|pending| pending.stuck = true);
            return;
        }
        // Later changes need the earlier ones of the same names, stuck or not.
        let mut needed = BTreeSet::new();
        let mut durable = vec![false; self.pending.len()];
        for (pending, durable) in self.pending.iter().zip(&mut durable).rev() {
            let change = &pending.change;
            if !pending.stuck || change.names().any(|name| needed.contains(name)) {
                needed.extend(change.names());
                *durable = true;
            }
        }
        let mut left = Vec::new();
        for (pending, durable) in std::mem::take(&mut self.pending).into_iter().zip(durable) {
            if durable {
                pending.change.apply(&mut self.base);
            } else {
                left.push(pending);
            }
        }
        self.pending = left;
    }

    fn choose(&self, chooser: &mut Chooser) -> Folder {
        let mut folder = self.base.clone();
        let mut missing = BTreeSet::new();
        for Pending { change, .. } in &self.pending {
            let possible = !change.names().any(|name| missing.contains(name));
            if possible && chooser.taken(1) == 1 {
                change.apply(&mut folder);
            } else {
                missing.extend(change.names());
            }
        }
        folder
    }
}

/// A file's durable bytes and what was done since.
#[derive(Debug, Clone, Default)]
struct FileHistory {
    base: Arc<Vec<u8>>,
    /// With all that is pending.
    len: usize,
    pending: Vec<Step>,
}

#[derive(Debug, Clone)]
enum Step {
    Write(Piece),
    Grow(usize),
    Cut(usize),
}

/// A part of a write within one sector.
#[derive(Debug, Clone)]
struct Piece {
    offset: usize,
    bytes: Arc<[u8]>,
    part: Range<usize>,
    /// A failed sync should have made it durable.
    stuck: bool,
}

impl Piece {
    fn sector(&self) -> usize {
        self.offset / SECTOR_BYTES
    }

    fn apply(&self, bytes: &mut Vec<u8>) {
        let end = self.offset + self.part.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[self.offset..end].copy_from_slice(&self.bytes[self.part.clone()]);
    }

    /// What is left of it in a file of `len` bytes.
    fn cut(mut self, len: usize) -> Option<Self> {
        let room = len.saturating_sub(self.offset);
        self.part.end = self.part.end.min(self.part.start + room);
        (!self.part.is_empty()).then_some(self)
    }
}

impl FileHistory {
    fn new(base: Arc<Vec<u8>>) -> Self {
        Self { len: base.len(), base, pending: Vec::new() }
    }

    fn write(&mut self, offset: u64, bytes: &Arc<[u8]>) {
        let offset = to_usize(offset);
        let mut start = 0;
        while start < bytes.len() {
            let at = offset + start;
            let end = bytes.len().min(start + SECTOR_BYTES - at % SECTOR_BYTES);
            let (bytes, part) = (Arc::clone(bytes), start..end);
            self.pending.push(Step::Write(Piece { offset: at, bytes, part, stuck: false }));
            start = end;
        }
        if !bytes.is_empty() && offset + bytes.len() > self.len {
            self.set_len(offset + bytes.len());
        }
    }

    fn set_len(&mut self, len: usize) {
        let step = if len < self.len { Step::Cut(len) } else { Step::Grow(len) };
        self.pending.push(step);
        self.len = len;
    }

    fn fail_sync(&mut self) {
        for step in &mut self.pending {
            if let Step::Write(piece) = step {
                piece.stuck = true;
            }
        }
    }

    /// What a failed sync should have made durable never reached the device.
    fn forget_stuck(&mut self) {
        self.pending.retain(|step| !matches!(step, Step::Write(piece) if piece.stuck));
    }

    /// With all that is pending.
    fn content(&self) -> Arc<Vec<u8>> {
        let mut bytes = Vec::clone(&self.base);
        for step in &self.pending {
            match step {
                Step::Write(piece) => piece.apply(&mut bytes),
                Step::Cut(len) => bytes.truncate(*len),
                Step::Grow(_) => {}
            }
        }
        bytes.resize(self.len, 0);
        Arc::new(bytes)
    }

    /// Makes durable the length and all sectors that wait for the device.
    fn sync(&mut self) {
        let waiting = |step: &Step| match step {
            Step::Write(piece) if !piece.stuck => Some(piece.sector()),
            Step::Write(_) | Step::Grow(_) | Step::Cut(_) => None,
        };
        let waiting: BTreeSet<usize> = self.pending.iter().filter_map(waiting).collect();
        let base = Arc::make_mut(&mut self.base);
        let mut left: Vec<Piece> = Vec::new();
        for step in self.pending.drain(..) {
            match step {
                Step::Write(piece) if waiting.contains(&piece.sector()) => piece.apply(base),
                Step::Write(piece) => left.push(piece),
                Step::Cut(len) => {
                    base.truncate(len);
                    left = left.into_iter().filter_map(|piece| piece.cut(len)).collect();
                }
                Step::Grow(_) => {}
            }
        }
        base.resize(self.len, 0);
        self.pending = left.into_iter().map(Step::Write).collect();
    }

    fn choose(&self, chooser: &mut Chooser) -> Arc<Vec<u8>> {
        if self.pending.is_empty() {
            return Arc::clone(&self.base);
        }
        let steps = self.steps_taken(chooser);
        let mut left: BTreeMap<usize, usize> = BTreeMap::new();
        for step in steps {
            if let Step::Write(piece) = step {
                *left.entry(piece.sector()).or_default() += 1;
            }
        }
        for writes in left.values_mut() {
            *writes = chooser.taken(*writes);
        }
        let mut bytes = Vec::clone(&self.base);
        let mut lengths = vec![self.base.len()];
        for step in steps {
            match step {
                Step::Grow(len) => lengths.push(*len),
                Step::Cut(len) => {
                    bytes.truncate(*len);
                    lengths = vec![*len];
                }
                Step::Write(piece) => {
                    if let Some(writes @ 1..) = left.get_mut(&piece.sector()) {
                        *writes -= 1;
                        piece.apply(&mut bytes);
                    }
                }
            }
        }
        bytes.resize(lengths[chooser.taken(lengths.len() - 1)], 0);
        Arc::new(bytes)
    }

    /// The steps up to a cut that did not happen.
    fn steps_taken(&self, chooser: &mut Chooser) -> &[Step] {
        let is_cut = |(at, step): (usize, &Step)| matches!(step, Step::Cut(_)).then_some(at);
        let cuts: Vec<usize> = self.pending.iter().enumerate().filter_map(is_cut).collect();
        let end = cuts.get(chooser.taken(cuts.len())).copied().unwrap_or(self.pending.len());
        &self.pending[..end]
    }
}

/// Offsets in the trace were checked when it was recorded.
fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
