//! Failures of the disk, with the path and the call that failed.

use std::io;
use std::path::{Path, PathBuf};

/// A call to the operating system that failed.
#[derive(Debug, thiserror::Error)]
#[error("{call} {}: {source}", path.display())]
pub struct VfsError {
    /// What was tried, such as `open` or `fsync`.
    pub call: &'static str,
    /// On which file or folder.
    pub path: PathBuf,
    /// What the system answered.
    pub source: io::Error,
}

/// The result of a call to the disk.
pub type Result<T> = std::result::Result<T, VfsError>;

impl VfsError {
    /// Whether the file or folder does not exist.
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }

    /// Whether there was no room, rather than a fault.
    pub fn is_full(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        )
    }
}

/// Turns the system's answer into a failure of `call` on `path`.
pub(crate) fn failed(call: &'static str, path: &Path) -> impl FnOnce(io::Error) -> VfsError {
    let path = path.to_path_buf();
    move |source| VfsError { call, path, source }
}

/// A failure of `call` on `path` with an error number of the system.
pub(crate) fn refused(call: &'static str, path: &Path, errno: rustix::io::Errno) -> VfsError {
    failed(call, path)(errno.into())
}
