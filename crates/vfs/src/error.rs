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

    /// Whether files, mappings or memory of the system were short: a retry helps once some were
    /// closed.
    pub fn is_exhausted(&self) -> bool {
        use rustix::io::Errno;
        let ours = self
            .source
            .get_ref()
            .is_some_and(|cause| cause.is::<FilesExhausted>() || cause.is::<MappingsExhausted>());
        let short = [Errno::MFILE, Errno::NFILE, Errno::NOMEM];
        ours || short.iter().any(|errno| self.source.raw_os_error() == Some(errno.raw_os_error()))
    }

    /// Whether there was no room, rather than a fault.
    pub fn is_full(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        )
    }
}

/// All handles of a pool are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "all {limit} files that may be open to be read are being read; raise the limit of open files \
     (ulimit -n, LimitNOFILE)"
)]
pub struct FilesExhausted {
    /// How many may be open.
    pub limit: usize,
}

/// The process has as many mappings as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{limit} mappings are in use, 70 percent of vm.max_map_count; raise it with sysctl, or hold \
     fewer collections"
)]
pub struct MappingsExhausted {
    /// How many there may be.
    pub limit: usize,
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
