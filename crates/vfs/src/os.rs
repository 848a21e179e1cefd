//! The disk of the operating system.
//!
//! - What `sync` answers to is on the device: bytes and length by `fdatasync`, names by `fsync`
//!   of the folder.
//! - A file opened with [`Access::ReadDirect`] bypasses the page cache. Where the file system
//!   refuses that, reads go through the cache and what they brought in is dropped again.
//! - Such files are many, and their handles come and go: the [`FilePool`] bounds how many are open.
//! - Folders are addressed by path; whoever holds the [`DirectoryLock`](crate::DirectoryLock)
//!   is alone in them.

mod file;
mod pool;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Advice, OFlags, fadvise, statvfs};
use rustix::io::Errno;

use self::file::OsFile;
pub use self::pool::FilePool;
use crate::error::{Result, failed, refused};
use crate::name::member;
use crate::traits::{Access, Directory, Entry, EntryKind, File, Space};

/// A folder of the operating system.
#[derive(Debug)]
pub struct OsDirectory {
    path: PathBuf,
    keeps_cached: bool,
    files: Arc<FilePool>,
}

impl OsDirectory {
    /// Opens the folder, creating it and its ancestors if absent; what was created is durable.
    ///
    /// # Errors
    /// The system's refusal; ancestors may have been created.
    pub fn open(path: impl AsRef<Path>) -> Result<Arc<dyn Directory>> {
        Self::open_with(path, FilePool::of_process())
    }

    /// The same, with a pool of its own for the files that are read past the page cache.
    ///
    /// # Errors
    /// As [`OsDirectory::open`].
    pub fn open_with(path: impl AsRef<Path>, files: Arc<FilePool>) -> Result<Arc<dyn Directory>> {
        let path = std::path::absolute(path.as_ref()).map_err(failed("open", path.as_ref()))?;
        create_durably(&path)?;
        Ok(Arc::new(Self { path, keeps_cached: false, files }))
    }
}

/// Creates the folder below its nearest existing ancestor and syncs each folder that changed.
fn create_durably(path: &Path) -> Result<()> {
    let missing: Vec<&Path> = path.ancestors().take_while(|folder| !folder.is_dir()).collect();
    for folder in missing.into_iter().rev() {
        make_folder(folder)?;
        if let Some(parent) = folder.parent() {
            sync_folder(parent)?;
        }
    }
    Ok(())
}

/// Creates the folder unless it is there.
fn make_folder(path: &Path) -> Result<()> {
    match fs::create_dir(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(refused("mkdir", path, Errno::NOTDIR))
        }
        Err(error) => Err(failed("mkdir", path)(error)),
    }
}

fn sync_folder(path: &Path) -> Result<()> {
    let folder = fs::File::open(path).map_err(failed("open", path))?;
    folder.sync_all().map_err(failed("fsync", path))
}

impl Directory for OsDirectory {
    fn create(&self, name: &str) -> Result<Arc<dyn File>> {
        let path = member("create", &self.path, name)?;
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(failed("create", &path))?;
        Ok(Arc::new(OsFile::new(file, path).keeping_cached(self.keeps_cached)))
    }

    fn open(&self, name: &str, access: Access) -> Result<Arc<dyn File>> {
        let path = member("open", &self.path, name)?;
        let file = match access {
            Access::Read => OsFile::new(open_plain(&path, false)?, path),
            Access::Write => OsFile::new(open_plain(&path, true)?, path),
            Access::ReadDirect => return self.files.open(path, self.keeps_cached),
        };
        file.refuse_folder()?;
        Ok(Arc::new(file.keeping_cached(self.keeps_cached)))
    }

    fn list(&self) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for member in fs::read_dir(&self.path).map_err(failed("list", &self.path))? {
            entries.push(entry(&member.map_err(failed("list", &self.path))?)?);
        }
        entries.sort();
        Ok(entries)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let from = member("rename", &self.path, from)?;
        let to = member("rename", &self.path, to)?;
        self.files.keep(&from)?;
        self.files.keep(&to)?;
        fs::rename(&from, &to).map_err(failed("rename", &from))
    }

    fn remove(&self, name: &str) -> Result<()> {
        let path = member("remove", &self.path, name)?;
        self.files.keep(&path)?;
        fs::remove_file(&path).map_err(failed("remove", &path))
    }

    fn subdirectory(&self, name: &str) -> Result<Arc<dyn Directory>> {
        let path = member("mkdir", &self.path, name)?;
        make_folder(&path)?;
        let files = Arc::clone(&self.files);
        Ok(Arc::new(Self { path, keeps_cached: self.keeps_cached, files }))
    }

    fn keeping_cached(&self) -> Arc<dyn Directory> {
        let files = Arc::clone(&self.files);
        Arc::new(Self { path: self.path.clone(), keeps_cached: true, files })
    }

    fn remove_subdirectory(&self, name: &str) -> Result<()> {
        let path = member("rmdir", &self.path, name)?;
        self.files.keep(&path)?;
        fs::remove_dir_all(&path).map_err(failed("rmdir", &path))
    }

    fn sync(&self) -> Result<()> {
        sync_folder(&self.path)
    }

    fn space(&self) -> Result<Space> {
        let room = statvfs(&self.path).map_err(|errno| refused("statvfs", &self.path, errno))?;
        Ok(Space {
            total: room.f_blocks.saturating_mul(room.f_frsize),
            available: room.f_bavail.saturating_mul(room.f_frsize),
        })
    }
}

fn open_plain(path: &Path, write: bool) -> Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    let file = options.read(true).write(write).open(path).map_err(failed("open", path))?;
    // Readers ask for as much as they want at once. What the system would read ahead is still on
    // its way when they drop what they read, and so stays in the page cache.
    fadvise(&file, 0, None, Advice::Random).ok();
    Ok(file)
}

/// Opens past the page cache, or through it where the file system refuses.
fn open_direct(path: PathBuf) -> Result<OsFile> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = i32::try_from(OFlags::DIRECT.bits()).unwrap_or(0);
    match fs::OpenOptions::new().read(true).custom_flags(flags).open(&path) {
        Ok(file) => Ok(OsFile::direct(file, path)),
        Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
            Ok(OsFile::around_cache(open_plain(&path, false)?, path))
        }
        Err(error) => Err(failed("open", &path)(error)),
    }
}

fn entry(member: &fs::DirEntry) -> Result<Entry> {
    let path = member.path();
    let name = member.file_name().into_string().map_err(|name| {
        let reason = format!("the name {} is not UTF-8", name.display());
        failed("list", &path)(io::Error::new(io::ErrorKind::InvalidData, reason))
    })?;
    let kind = member.file_type().map_err(failed("list", &path))?;
    let folder = kind.is_dir() || (kind.is_symlink() && path.is_dir());
    let kind = if folder { EntryKind::Directory } else { EntryKind::File };
    Ok(Entry { name, kind })
}
