//! The disk in memory: names, bytes, the trace and the faults.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustix::io::Errno;

use super::effect::{DirectoryId, Effect, FileId};
use super::fault::{Faults, Operation};
use crate::traits::Space;

/// The largest file, in bytes: a slip in a test should not fill the machine.
const FILE_BYTES_MAX: u64 = 1 << 32;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    File(FileId),
    Directory(DirectoryId),
}

/// A folder's members.
pub(super) type Folder = BTreeMap<String, Node>;

/// A disk's content; ids are positions, the first folder is the root.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub(super) files: Vec<Arc<Vec<u8>>>,
    pub(super) folders: Vec<Folder>,
}

/// The result of a call, before the caller adds call and path.
pub(super) type Answer<T> = Result<T, Errno>;

/// A disk and its history.
#[derive(Debug)]
pub(super) struct World {
    /// The content before the trace.
    pub(super) origin: Tree,
    /// The content now.
    pub(super) tree: Tree,
    pub(super) trace: Vec<Effect>,
    pub(super) faults: Faults,
    pub(super) space: Space,
    /// Files of which the page cache may hold what the device does not.
    pub(super) doubtful: BTreeSet<FileId>,
    /// Folders, by position, that have no name any more.
    removed: Vec<bool>,
}

impl World {
    pub(super) fn new(origin: Tree, space: Space) -> Self {
        let removed = vec![false; origin.folders.len()];
        let tree = origin.clone();
        let (faults, doubtful) = (Faults::none(), BTreeSet::new());
        Self { origin, tree, trace: Vec::new(), faults, space, doubtful, removed }
    }

    /// An empty disk.
    pub(super) fn empty(space: Space) -> Self {
        Self::new(Tree { files: Vec::new(), folders: vec![Folder::new()] }, space)
    }

    pub(super) fn folder(&self, id: DirectoryId) -> Answer<&Folder> {
        if self.removed[id.0] { Err(Errno::NOENT) } else { Ok(&self.tree.folders[id.0]) }
    }

    pub(super) fn node(&self, id: DirectoryId, name: &str) -> Answer<Node> {
        self.folder(id)?.get(name).copied().ok_or(Errno::NOENT)
    }

    pub(super) fn file(&self, id: DirectoryId, name: &str) -> Answer<FileId> {
        match self.node(id, name)? {
            Node::File(file) => Ok(file),
            Node::Directory(_) => Err(Errno::ISDIR),
        }
    }

    pub(super) fn create(&mut self, directory: DirectoryId, name: &str) -> Answer<FileId> {
        self.faults.check(Operation::Create)?;
        if self.folder(directory)?.contains_key(name) {
            return Err(Errno::EXIST);
        }
        let file = FileId(self.tree.files.len());
        self.tree.files.push(Arc::default());
        self.tree.folders[directory.0].insert(name.to_owned(), Node::File(file));
        self.trace.push(Effect::Create { directory, name: name.to_owned(), file });
        Ok(file)
    }

    pub(super) fn rename(&mut self, directory: DirectoryId, from: &str, to: &str) -> Answer<()> {
        self.faults.check(Operation::Rename)?;
        let file = self.file(directory, from)?;
        if from == to {
            return Ok(());
        }
        if matches!(self.node(directory, to), Ok(Node::Directory(_))) {
            return Err(Errno::ISDIR);
        }
        let folder = &mut self.tree.folders[directory.0];
        folder.remove(from);
        folder.insert(to.to_owned(), Node::File(file));
        let (from, to) = (from.to_owned(), to.to_owned());
        self.trace.push(Effect::Rename { directory, from, to });
        Ok(())
    }

    pub(super) fn remove(&mut self, directory: DirectoryId, name: &str) -> Answer<()> {
        self.faults.check(Operation::Remove)?;
        self.file(directory, name)?;
        self.tree.folders[directory.0].remove(name);
        self.trace.push(Effect::Remove { directory, name: name.to_owned() });
        Ok(())
    }

    pub(super) fn subdirectory(
        &mut self,
        directory: DirectoryId,
        name: &str,
    ) -> Answer<DirectoryId> {
        match self.node(directory, name) {
            Ok(Node::Directory(made)) => return Ok(made),
            Ok(Node::File(_)) => return Err(Errno::NOTDIR),
            Err(_) => self.folder(directory)?,
        };
        self.faults.check(Operation::MakeDirectory)?;
        let made = DirectoryId(self.tree.folders.len());
        self.tree.folders.push(Folder::new());
        self.removed.push(false);
        self.tree.folders[directory.0].insert(name.to_owned(), Node::Directory(made));
        self.trace.push(Effect::MakeDirectory { directory, name: name.to_owned(), made });
        Ok(made)
    }

    pub(super) fn remove_subdirectory(&mut self, outer: DirectoryId, name: &str) -> Answer<()> {
        let Node::Directory(inner) = self.node(outer, name)? else { return Err(Errno::NOTDIR) };
        let members: Vec<(String, Node)> = self.folder(inner)?.clone().into_iter().collect();
        for (member, node) in members {
            match node {
                Node::File(_) => self.remove(inner, &member)?,
                Node::Directory(_) => self.remove_subdirectory(inner, &member)?,
            }
        }
        self.faults.check(Operation::Remove)?;
        self.tree.folders[outer.0].remove(name);
        self.removed[inner.0] = true;
        let effect = Effect::RemoveDirectory { directory: outer, name: name.to_owned() };
        self.trace.push(effect);
        Ok(())
    }

    pub(super) fn sync_directory(&mut self, directory: DirectoryId) -> Answer<()> {
        self.folder(directory)?;
        let answer = self.faults.check(Operation::SyncDirectory);
        self.trace.push(Effect::SyncDirectory { directory, failed: answer.is_err() });
        answer
    }

    pub(super) fn read(&mut self, file: FileId, buffer: &mut [u8], offset: u64) -> Answer<bool> {
        self.faults.check(Operation::Read)?;
        let bytes = &self.tree.files[file.0];
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let found = start.checked_add(buffer.len()).and_then(|end| bytes.get(start..end));
        if let Some(found) = found {
            buffer.copy_from_slice(found);
        }
        // Reading nothing succeeds anywhere.
        Ok(found.is_some() || buffer.is_empty())
    }

    pub(super) fn write(&mut self, file: FileId, bytes: &[u8], offset: u64) -> Answer<()> {
        self.faults.check(Operation::Write)?;
        let count = bytes.len() as u64;
        let end = offset.checked_add(count).filter(|end| *end <= FILE_BYTES_MAX);
        let end = end.ok_or(Errno::FBIG)?;
        let len = self.tree.files[file.0].len() as u64;
        let growth = end.saturating_sub(len).min(count);
        let refused = growth - self.faults.take_room(growth);
        let fitting = bytes.len() - position(refused);
        let written = &bytes[..fitting];
        if !written.is_empty() {
            let start = position(offset);
            let content = Arc::make_mut(&mut self.tree.files[file.0]);
            content.resize(content.len().max(start + fitting), 0);
            content[start..start + fitting].copy_from_slice(written);
            self.trace.push(Effect::Write { file, offset, bytes: Arc::from(written) });
        }
        if refused > 0 { Err(Errno::NOSPC) } else { Ok(()) }
    }

    pub(super) fn set_len(&mut self, file: FileId, len: u64) -> Answer<()> {
        self.faults.check(Operation::SetLen)?;
        if len > FILE_BYTES_MAX {
            return Err(Errno::FBIG);
        }
        Arc::make_mut(&mut self.tree.files[file.0]).resize(position(len), 0);
        self.trace.push(Effect::SetLen { file, len });
        Ok(())
    }

    pub(super) fn sync_file(&mut self, file: FileId) -> Answer<()> {
        let answer = self.faults.check(Operation::SyncFile);
        self.trace.push(Effect::SyncFile { file, failed: answer.is_err() });
        if answer.is_err() {
            self.doubtful.insert(file);
        }
        answer
    }
}

/// An offset that was checked against [`FILE_BYTES_MAX`] or a length in memory.
fn position(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
