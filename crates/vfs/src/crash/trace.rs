//! The recording folder.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::effect::{DirectoryId, Effect};
use super::fault::{Faults, Operation};
use super::file::TraceFile;
use super::image::CrashImages;
use super::replay::{Mode, Replay};
use super::world::{Answer, Node, Tree, World};
use crate::error::{Result, refused};
use crate::name::member;
use crate::traits::{Access, Directory, Entry, EntryKind, File, Space};

/// A folder in memory that records what is done to it. Clones are the same folder.
#[derive(Clone)]
pub struct TraceDirectory {
    world: Arc<Mutex<World>>,
    id: DirectoryId,
    path: PathBuf,
}

impl fmt::Debug for TraceDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TraceDirectory").field(&self.id).field(&self.path).finish()
    }
}

impl Default for TraceDirectory {
    fn default() -> Self {
        Self::new()
    }
}

impl TraceDirectory {
    /// An empty disk with a tebibyte of room.
    pub fn new() -> Self {
        Self::root(World::empty(Space { total: 1 << 40, available: 1 << 40 }))
    }

    /// The root of a disk with this content, all of it durable.
    pub(super) fn holding(tree: Tree, space: Space) -> Self {
        Self::root(World::new(tree, space))
    }

    fn root(world: World) -> Self {
        Self { world: Arc::new(Mutex::new(world)), id: DirectoryId(0), path: PathBuf::from("/") }
    }

    /// This folder as the engine knows folders.
    pub fn directory(&self) -> Arc<dyn Directory> {
        Arc::new(self.clone())
    }

    /// All that was done to the disk so far.
    pub fn trace(&self) -> Vec<Effect> {
        self.world().trace.clone()
    }

    /// How many effects the trace has: the cut that keeps all until now.
    pub fn position(&self) -> usize {
        self.world().trace.len()
    }

    /// Sets which calls fail from now on; an earlier plan is forgotten.
    pub fn set_faults(&self, faults: Faults) {
        self.world().faults = faults;
    }

    /// Sets what [`Directory::space`] tells. It does not make writes fail; [`Faults::room`] does.
    pub fn set_space(&self, space: Space) {
        self.world().space = space;
    }

    /// All files of the disk with their bytes, by path from the root, such as `segments/7`.
    pub fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let world = self.world();
        let mut contents = BTreeMap::new();
        let mut folders = vec![(String::new(), DirectoryId(0))];
        while let Some((prefix, folder)) = folders.pop() {
            for (name, node) in &world.tree.folders[folder.0] {
                match node {
                    Node::Directory(inner) => folders.push((format!("{prefix}{name}/"), *inner)),
                    Node::File(file) => {
                        let bytes = world.tree.files[file.0].to_vec();
                        contents.insert(format!("{prefix}{name}"), bytes);
                    }
                }
            }
        }
        contents
    }

    /// The root of the disk as it may be found after a crash that let the first `cut` effects
    /// happen; without faults, with an empty trace.
    ///
    /// Cost: replays the trace; [`Self::images`] does so once for many cuts.
    ///
    /// # Panics
    /// If the trace is shorter than `cut`.
    #[must_use]
    pub fn image(&self, cut: usize, mode: Mode) -> Self {
        let world = self.world();
        let mut replay = Replay::new(&world.origin);
        world.trace[..cut].iter().for_each(|effect| replay.advance(effect));
        Self::holding(replay.image(mode), world.space)
    }

    /// The disk after the program was killed when the first `cut` effects had happened: they are all
    /// there, and those that were not durable are not yet.
    ///
    /// # Panics
    /// If the trace is shorter than `cut`.
    #[must_use]
    pub fn killed(&self, cut: usize) -> Self {
        let world = self.world();
        let mut replay = Replay::new(&world.origin);
        world.trace[..cut].iter().for_each(|effect| replay.advance(effect));
        let mut killed = World::new(replay.image(Mode::CutOnly), world.space);
        killed.origin = world.origin.clone();
        killed.trace = world.trace[..cut].to_vec();
        Self::root(killed)
    }

    /// The disks that crashes could have left: for every cut of the present trace all effects,
    /// then only the durable ones, then `random` choices by `seed`.
    pub fn images(&self, seed: u64, random: usize) -> CrashImages {
        let world = self.world();
        CrashImages::new(&world.origin, world.trace.clone(), world.space, (seed, random))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to the disk with a member's name.
    fn with<T>(
        &self,
        call: &'static str,
        name: &str,
        work: impl FnOnce(&mut World) -> Answer<T>,
    ) -> Result<(T, PathBuf)> {
        let path = member(call, &self.path, name)?;
        match work(&mut self.world()) {
            Ok(value) => Ok((value, path)),
            Err(errno) => Err(refused(call, &path, errno)),
        }
    }

    /// Does something to the disk with this folder.
    fn here<T>(&self, call: &'static str, work: impl FnOnce(&mut World) -> Answer<T>) -> Result<T> {
        work(&mut self.world()).map_err(|errno| refused(call, &self.path, errno))
    }
}

impl Directory for TraceDirectory {
    fn create(&self, name: &str) -> Result<Arc<dyn File>> {
        let (file, path) = self.with("create", name, |world| world.create(self.id, name))?;
        let world = Arc::clone(&self.world);
        Ok(Arc::new(TraceFile { world, file, path, access: Access::Write }))
    }

    fn open(&self, name: &str, access: Access) -> Result<Arc<dyn File>> {
        let (file, path) = self.with("open", name, |world| {
            world.faults.check(Operation::Open)?;
            world.file(self.id, name)
        })?;
        let world = Arc::clone(&self.world);
        Ok(Arc::new(TraceFile { world, file, path, access }))
    }

    fn list(&self) -> Result<Vec<Entry>> {
        self.here("list", |world| {
            world.faults.check(Operation::List)?;
            Ok(world.folder(self.id)?.iter().map(entry).collect())
        })
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        member("rename", Path::new(&self.path), to)?;
        self.with("rename", from, |world| world.rename(self.id, from, to))?;
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.with("remove", name, |world| world.remove(self.id, name))?;
        Ok(())
    }

    fn subdirectory(&self, name: &str) -> Result<Arc<dyn Directory>> {
        let (id, path) = self.with("mkdir", name, |world| world.subdirectory(self.id, name))?;
        Ok(Arc::new(Self { world: Arc::clone(&self.world), id, path }))
    }

    /// Drops all the same: the harder case.
    fn keeping_cached(&self) -> Arc<dyn Directory> {
        Arc::new(Self { world: Arc::clone(&self.world), id: self.id, path: self.path.clone() })
    }

    fn remove_subdirectory(&self, name: &str) -> Result<()> {
        self.with("rmdir", name, |world| world.remove_subdirectory(self.id, name))?;
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        self.here("fsync", |world| world.sync_directory(self.id))
    }

    fn space(&self) -> Result<Space> {
        self.here("statvfs", |world| Ok(world.space))
    }
}

fn entry((name, node): (&String, &Node)) -> Entry {
    let kind = match node {
        Node::File(_) => EntryKind::File,
        Node::Directory(_) => EntryKind::Directory,
    };
    Entry { name: name.clone(), kind }
}
