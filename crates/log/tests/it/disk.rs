//! A disk in memory that records what it is asked, fails on demand, and can say what a loss of
//! power would have left.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use vectorizer_vfs::{Access, Directory, Entry, EntryKind, File, Result, Space, VfsError};

const SECTOR_BYTES: usize = 512;

/// A small generator, so that every image has a number.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }
}

#[derive(Debug, Clone)]
enum Event {
    Create { name: String, inode: usize },
    Remove { name: String },
    Write { inode: usize, offset: usize, bytes: Vec<u8> },
    SetLen { inode: usize, len: usize },
    SyncFile { inode: usize },
    SyncNames,
}

/// One failure to come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trouble {
    pub(crate) call: &'static str,
    /// Calls of this kind that still succeed.
    pub(crate) after: usize,
    pub(crate) kind: ErrorKind,
    /// Bytes that a failing write leaves behind.
    pub(crate) partial: usize,
}

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<String, usize>,
    inodes: Vec<Vec<u8>>,
    /// What the disk held when the recording began.
    first_names: BTreeMap<String, usize>,
    first_inodes: Vec<Vec<u8>>,
    events: Vec<Event>,
    troubles: Vec<Trouble>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

impl Disk {
    /// A disk with these files, all durable.
    pub(crate) fn holding(files: &BTreeMap<String, Vec<u8>>) -> Self {
        let mut state = State::default();
        for (name, bytes) in files {
            state.names.insert(name.clone(), state.inodes.len());
            state.inodes.push(bytes.clone());
        }
        state.first_names = state.names.clone();
        state.first_inodes.clone_from(&state.inodes);
        Self(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn directory(&self) -> Arc<dyn Directory> {
        Arc::new(self.clone())
    }

    pub(crate) fn trouble(&self, trouble: Trouble) {
        self.state().troubles.push(trouble);
    }

    /// What a process would see now.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        let file = |(name, &inode): (&String, &usize)| (name.clone(), state.inodes[inode].clone());
        state.names.iter().map(file).collect()
    }

    /// How much has happened.
    pub(crate) fn now(&self) -> usize {
        self.state().events.len()
    }

    /// What a loss of power after the first `events` events might leave: what was synced, and any
    /// part of the rest, sector by sector, name by name.
    pub(crate) fn after_power_loss(
        &self,
        events: usize,
        random: &mut Random,
    ) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        let events = &state.events[..events];
        let names_synced = last(events, |event| matches!(event, Event::SyncNames));
        let mut names = state.first_names.clone();
        let mut inodes = state.first_inodes.clone();
        let odds = [0, 25, 50, 75, 100][random.below(5)];
        let padded = random.below(2) == 0;
        for (at, event) in events.iter().enumerate() {
            let mut survives = |synced: Option<usize>| {
                synced.is_some_and(|synced| at < synced) || random.below(100) < odds
            };
            match event {
                Event::Create { name, inode } => {
                    inodes.resize(inodes.len().max(inode + 1), Vec::new());
                    if survives(names_synced) {
                        names.insert(name.clone(), *inode);
                    }
                }
                Event::Remove { name } => {
                    if survives(names_synced) {
                        names.remove(name);
                    }
                }
                Event::Write { inode, offset, bytes } => {
                    let synced = last(events, |event| is_sync_of(event, *inode));
                    for (place, sector) in sectors(*offset, bytes) {
                        if survives(synced) {
                            put(&mut inodes[*inode], place, sector);
                        } else if padded {
                            let len = inodes[*inode].len().max(place + sector.len());
                            inodes[*inode].resize(len, 0);
                        }
                    }
                }
                Event::SetLen { inode, len } => {
                    if survives(last(events, |event| is_sync_of(event, *inode))) {
                        inodes[*inode].resize(*len, 0);
                    }
                }
                Event::SyncFile { .. } | Event::SyncNames => {}
            }
        }
        names.into_iter().map(|(name, inode)| (name, inodes[inode].clone())).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The failure of this call, if one is due.
    fn due(&self, call: &'static str) -> Option<Trouble> {
        let mut state = self.state();
        let trouble = state.troubles.iter().position(|trouble| trouble.call == call)?;
        if state.troubles[trouble].after > 0 {
            state.troubles[trouble].after -= 1;
            return None;
        }
        Some(state.troubles.remove(trouble))
    }

    fn check(&self, call: &'static str) -> Result<()> {
        self.due(call).map_or(Ok(()), |trouble| Err(failure(call, trouble.kind)))
    }
}

fn last(events: &[Event], wanted: impl Fn(&Event) -> bool) -> Option<usize> {
    events.iter().rposition(wanted)
}

fn is_sync_of(event: &Event, wanted: usize) -> bool {
    matches!(event, Event::SyncFile { inode } if *inode == wanted)
}

/// The parts of a write that a disk writes at once.
fn sectors(offset: usize, bytes: &[u8]) -> Vec<(usize, &[u8])> {
    let (mut parts, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let room = SECTOR_BYTES - (offset + at) % SECTOR_BYTES;
        let end = bytes.len().min(at + room);
        parts.push((offset + at, &bytes[at..end]));
        at = end;
    }
    parts
}

fn put(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    file.resize(file.len().max(offset + bytes.len()), 0);
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
}

fn failure(call: &'static str, kind: ErrorKind) -> VfsError {
    VfsError { call, path: PathBuf::from("disk"), source: Error::from(kind) }
}

#[derive(Debug)]
struct DiskFile {
    disk: Disk,
    inode: usize,
}

impl Directory for Disk {
    fn create(&self, name: &str) -> Result<Arc<dyn File>> {
        self.check("create")?;
        let mut state = self.state();
        if state.names.contains_key(name) {
            return Err(failure("create", ErrorKind::AlreadyExists));
        }
        let inode = state.inodes.len();
        state.inodes.push(Vec::new());
        state.names.insert(name.to_owned(), inode);
        state.events.push(Event::Create { name: name.to_owned(), inode });
        drop(state);
        Ok(Arc::new(DiskFile { disk: self.clone(), inode }))
    }

    fn open(&self, name: &str, _access: Access) -> Result<Arc<dyn File>> {
        let inode = self.state().names.get(name).copied();
        let inode = inode.ok_or_else(|| failure("open", ErrorKind::NotFound))?;
        Ok(Arc::new(DiskFile { disk: self.clone(), inode }))
    }

    fn list(&self) -> Result<Vec<Entry>> {
        let entry = |name: &String| Entry { name: name.clone(), kind: EntryKind::File };
        Ok(self.state().names.keys().map(entry).collect())
    }

    fn rename(&self, _from: &str, _to: &str) -> Result<()> {
        Err(failure("rename", ErrorKind::Unsupported))
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.check("remove")?;
        let mut state = self.state();
        if state.names.remove(name).is_none() {
            return Err(failure("remove", ErrorKind::NotFound));
        }
        state.events.push(Event::Remove { name: name.to_owned() });
        Ok(())
    }

    fn subdirectory(&self, _name: &str) -> Result<Arc<dyn Directory>> {
        Err(failure("mkdir", ErrorKind::Unsupported))
    }

    fn keeping_cached(&self) -> Arc<dyn Directory> {
        Arc::new(self.clone())
    }

    fn remove_subdirectory(&self, _name: &str) -> Result<()> {
        Err(failure("rmdir", ErrorKind::Unsupported))
    }

    fn sync(&self) -> Result<()> {
        self.check("sync names")?;
        self.state().events.push(Event::SyncNames);
        Ok(())
    }

    fn space(&self) -> Result<Space> {
        Ok(Space { total: 1 << 40, available: 1 << 40 })
    }
}

impl File for DiskFile {
    fn len(&self) -> Result<u64> {
        Ok(self.disk.state().inodes[self.inode].len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let state = self.disk.state();
        let offset = usize::try_from(offset).unwrap();
        let bytes = state.inodes[self.inode].get(offset..offset + buffer.len());
        buffer.copy_from_slice(bytes.ok_or_else(|| failure("read", ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let trouble = self.disk.due("write");
        let written = trouble.map_or(bytes.len(), |trouble| trouble.partial.min(bytes.len()));
        let (offset, bytes) = (usize::try_from(offset).unwrap(), &bytes[..written]);
        let mut state = self.disk.state();
        put(&mut state.inodes[self.inode], offset, bytes);
        let event = Event::Write { inode: self.inode, offset, bytes: bytes.to_vec() };
        state.events.push(event);
        trouble.map_or(Ok(()), |trouble| Err(failure("write", trouble.kind)))
    }

    fn sync(&self) -> Result<()> {
        self.disk.check("sync")?;
        self.disk.state().events.push(Event::SyncFile { inode: self.inode });
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.disk.check("set_len")?;
        let len = usize::try_from(len).unwrap();
        let mut state = self.disk.state();
        state.inodes[self.inode].resize(len, 0);
        state.events.push(Event::SetLen { inode: self.inode, len });
        Ok(())
    }

    fn drop_cache(&self, _offset: u64, _len: u64) {}

    fn os_file(&self) -> Option<&std::fs::File> {
        None
    }
}
