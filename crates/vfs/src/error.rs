//! Failures of the disk, with the path and the call that failed.

use std::path::PathBuf;

/// A call to the operating system that failed.
#[derive(Debug, thiserror::Error)]
#[error("{call} {}: {source}", path.display())]
pub struct VfsError {
    /// What was tried, such as `open` or `fsync`.
    pub call: &'static str,
    /// On which file or folder.
    pub path: PathBuf,
    /// What the system answered.
    pub source: std::io::Error,
}

/// The result of a call to the disk.
pub type Result<T> = std::result::Result<T, VfsError>;
