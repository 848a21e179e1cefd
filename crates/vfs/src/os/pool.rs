//! Handles of the files that are kept to be read later: a bounded number of them is open at once.
//!
//! - A file that is read past the page cache is opened when it is read and stays open until its
//!   place is needed by another; least recently read ones go first, roughly.
//! - A handle in use is not closed, and does not lose its place before it is.
//! - A file whose name goes keeps its handle: nobody could open it again.
//!
//! Lock order: one file's `handle`, then `known`; under that, other handles by trying only.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use super::file::OsFile;
use super::open_direct;
use crate::error::{FilesExhausted, Result, failed};
use crate::process::open_file_limit;
use crate::traits::File;

/// Of the files that the process may open, this part is for sockets, the log and files that are
/// written.
const OTHERS_PART: u64 = 2;
/// The fewest handles that a pool has.
const HANDLES_MIN: u64 = 16;
/// The most: for each open file the kernel keeps some KiB, which count for the process's cgroup.
const HANDLES_MAX: u64 = 4096;

/// A bounded number of open handles.
#[derive(Debug)]
pub struct FilePool {
    limit: usize,
    open: AtomicUsize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Every file, whether its handle is open or not.
    files: BTreeMap<PathBuf, Vec<Weak<PooledFile>>>,
    /// The hand of a clock over those that may be open.
    clock: VecDeque<Weak<PooledFile>>,
}

/// A place in a pool, until dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<FilePool>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A file whose handle comes and goes.
#[derive(Debug)]
struct PooledFile {
    myself: Weak<Self>,
    pool: Arc<FilePool>,
    path: PathBuf,
    len: u64,
    keeps_cached: bool,
    direct: AtomicBool,
    handle: Mutex<Option<Arc<OsFile>>>,
    /// Read since the clock's hand passed.
    used: AtomicBool,
    /// Its name is gone, so its handle stays.
    kept: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FilePool {
    /// A pool of at most `limit` open handles.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, open: AtomicUsize::new(0), known: Mutex::default() })
    }

    /// The pool of all folders of this process that have none of their own: half of the files that
    /// the process may open when it is first asked for.
    pub fn of_process() -> Arc<Self> {
        static POOL: OnceLock<Arc<FilePool>> = OnceLock::new();
        let new = || {
            let most = open_file_limit().unwrap_or(u64::MAX) / OTHERS_PART;
            Self::new(usize::try_from(most.clamp(HANDLES_MIN, HANDLES_MAX)).unwrap_or(usize::MAX))
        };
        Arc::clone(POOL.get_or_init(new))
    }

    /// Handles that may be open at once.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Handles that are open.
    pub fn open_handles(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Opens a file to be read past the page cache.
    pub(super) fn open(
        self: &Arc<Self>,
        path: PathBuf,
        keeps_cached: bool,
    ) -> Result<Arc<dyn File>> {
        let handle = self.open_handle(&path, keeps_cached)?;
        handle.refuse_folder()?;
        let len = handle.len()?;
        let file = Arc::new_cyclic(|myself| PooledFile {
            myself: Weak::clone(myself),
            pool: Arc::clone(self),
            path,
            len,
            keeps_cached,
            direct: AtomicBool::new(handle.is_direct()),
            handle: Mutex::new(Some(Arc::new(handle))),
            used: AtomicBool::new(true),
            kept: AtomicBool::new(false),
        });
        let mut known = lock(&self.known);
        known.files.entry(file.path.clone()).or_default().push(Arc::downgrade(&file));
        known.clock.push_back(Arc::downgrade(&file));
        Ok(file)
    }

    /// Has the open files that lie at or below a path keep their handles, because their names are
    /// about to go.
    pub(super) fn keep(&self, path: &Path) -> Result<()> {
        let files: Vec<Arc<PooledFile>> = {
            let known = lock(&self.known);
            let from = known.files.range(path.to_path_buf()..);
            let below = from.take_while(|(name, _)| name.starts_with(path));
            let files = below.flat_map(|(_, files)| files).filter_map(Weak::upgrade);
            files.filter(|file| !file.kept.load(Ordering::Acquire)).collect()
        };
        for (at, file) in files.iter().enumerate() {
            if let Err(error) = file.keep() {
                files[..at].iter().for_each(|file| file.kept.store(false, Ordering::Release));
                return Err(error);
            }
        }
        Ok(())
    }

    fn open_handle(self: &Arc<Self>, path: &Path, keeps_cached: bool) -> Result<OsFile> {
        let place = self.take_place(path)?;
        let opened = match open_direct(path.to_path_buf()) {
            // Others than this pool have files open too.
            Err(error) if error.is_exhausted() && self.close_one() => {
                open_direct(path.to_path_buf())?
            }
            opened => opened?,
        };
        Ok(opened.keeping_cached(keeps_cached).in_place(place))
    }

    fn take_place(self: &Arc<Self>, path: &Path) -> Result<Place> {
        loop {
            let more = |open| (open < self.limit).then_some(open + 1);
            if self.open.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok() {
                return Ok(Place(Arc::clone(self)));
            }
            if !self.close_one() {
                let exhausted = FilesExhausted { limit: self.limit };
                return Err(failed("open", path)(std::io::Error::other(exhausted)));
            }
        }
    }

    /// Closes a handle that is not in use, of a file that was not read lately. False if all are.
    fn close_one(&self) -> bool {
        let mut known = lock(&self.known);
        // The second time around nobody was read lately.
        for _ in 0..2 * known.clock.len() {
            let Some(file) = known.clock.pop_front() else { break };
            let Some(pooled) = file.upgrade() else { continue };
            let mut closed = None;
            if let Ok(mut handle) = pooled.handle.try_lock() {
                match &*handle {
                    // It comes back to the clock when it is opened again.
                    None => continue,
                    Some(open) if Arc::strong_count(open) == 1 && pooled.may_close() => {
                        closed = handle.take();
                    }
                    Some(_) => {}
                }
            }
            if closed.is_some() {
                return true;
            }
            known.clock.push_back(file);
        }
        false
    }

    /// Lets go of files at a path that are gone.
    fn forget(&self, path: &Path) {
        let mut known = lock(&self.known);
        if let Some(files) = known.files.get_mut(path) {
            files.retain(|file| file.strong_count() > 0);
            if files.is_empty() {
                known.files.remove(path);
            }
        }
        // Those that are gone are let go of when they are many.
        if known.clock.len() > known.files.len() + self.limit / 8 {
            known.clock.retain(|file| file.strong_count() > 0);
        }
    }
}

impl PooledFile {
    fn may_close(&self) -> bool {
        !self.kept.load(Ordering::Acquire) && !self.used.swap(false, Ordering::AcqRel)
    }

    /// Opens the handle for good.
    fn keep(&self) -> Result<()> {
        let held = self.hold()?;
        self.kept.store(true, Ordering::Release);
        // The clock's hand may have passed between the two.
        *lock(&self.handle) = Some(held);
        Ok(())
    }

    /// The handle, opened if it is closed.
    fn hold(&self) -> Result<Arc<OsFile>> {
        self.used.store(true, Ordering::Release);
        let mut handle = lock(&self.handle);
        if let Some(open) = &*handle {
            return Ok(Arc::clone(open));
        }
        let opened = Arc::new(self.pool.open_handle(&self.path, self.keeps_cached)?);
        self.direct.store(opened.is_direct(), Ordering::Relaxed);
        *handle = Some(Arc::clone(&opened));
        lock(&self.pool.known).clock.push_back(Weak::clone(&self.myself));
        Ok(opened)
    }
}

impl Drop for PooledFile {
    fn drop(&mut self) {
        self.pool.forget(&self.path);
    }
}

impl File for PooledFile {
    fn len(&self) -> Result<u64> {
        Ok(self.len)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        self.hold()?.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.hold()?.write_all_at(bytes, offset)
    }

    fn sync(&self) -> Result<()> {
        self.hold()?.sync()
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.hold()?.set_len(len)
    }

    fn drop_cache(&self, offset: u64, len: u64) {
        if let Ok(file) = self.hold() {
            file.drop_cache(offset, len);
        }
    }

    fn os_file(&self) -> Option<&fs::File> {
        None
    }

    fn is_direct(&self) -> bool {
        self.direct.load(Ordering::Relaxed)
    }

    fn held(&self) -> Result<Option<Arc<dyn File>>> {
        self.hold().map(|held| Some(held as Arc<dyn File>))
    }
}
