//! The lock on a data folder: one process at a time.
//!
//! An advisory exclusive lock on the file [`LOCK_FILE`], which holds the owner's process id for
//! people to read. The system releases it when the process ends, however it ends; the file stays.

use std::fs::{self, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::{Result, failed};

/// The file in a locked folder.
pub const LOCK_FILE: &str = "LOCK";

/// An exclusive hold on a folder, given up when dropped.
#[derive(Debug)]
pub struct DirectoryLock {
    folder: PathBuf,
    _file: fs::File,
}

/// The cause of a [`VfsError`](crate::VfsError) when somebody else holds the folder; its kind is
/// `WouldBlock`.
#[derive(Debug, thiserror::Error)]
#[error("the folder is in use by {}", holder(*.pid))]
pub struct LockHeld {
    /// The owner as the lock file tells, if it does.
    pub pid: Option<u32>,
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl DirectoryLock {
    /// Locks an existing folder; on a read-only file system, the lock file as it is, or the folder
    /// itself if there is none.
    ///
    /// # Errors
    /// [`LockHeld`] inside the error's source, naming the owner, if the folder is locked, be it by
    /// this process; otherwise the system's refusal.
    pub fn acquire(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let path = folder.join(LOCK_FILE);
        let opened =
            fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let (mut file, writable) = match opened {
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                let file = fs::File::open(&path).or_else(|_| fs::File::open(folder));
                (file.map_err(failed("open", &path))?, false)
            }
            opened => (opened.map_err(failed("open", &path))?, true),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let held = LockHeld { pid: read_pid(&mut file) };
                let source = io::Error::new(io::ErrorKind::WouldBlock, held);
                return Err(failed("lock", folder)(source));
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", folder)(error)),
        }
        if writable {
            file.set_len(0).map_err(failed("truncate", &path))?;
            writeln!(file, "{}", std::process::id()).map_err(failed("write", &path))?;
        }
        Ok(Self { folder: folder.to_path_buf(), _file: file })
    }

    /// The locked folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// The process id in the lock file; its owner may be just writing it.
fn read_pid(file: &mut fs::File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_told_who_holds_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let lock = DirectoryLock::acquire(folder.path()).unwrap();
        let refusal = DirectoryLock::acquire(folder.path()).unwrap_err();
        assert_eq!(refusal.source.kind(), io::ErrorKind::WouldBlock);
        let text = refusal.to_string();
        assert!(text.contains(&folder.path().display().to_string()), "{text}");
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        drop(lock);
        DirectoryLock::acquire(folder.path()).unwrap();
    }

    #[test]
    fn an_absent_folder_is_not_locked() {
        let folder = tempfile::tempdir().unwrap();
        let absent = folder.path().join("absent");
        assert!(DirectoryLock::acquire(absent).unwrap_err().is_not_found());
    }
}
