//! The file watcher, as far as it exists: the question whether it may start.

/// Why the file watcher does not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileWatcherError {
    /// A node of a cluster indexes what it is sent.
    #[error(
        "the file watcher cannot run in cluster mode, where nodes index what they are sent over \
         the API"
    )]
    FileWatcherNotAllowedInCluster,
    /// Nobody has built it.
    #[error("the file watcher is not built yet")]
    NotBuilt,
}

/// Starts the file watcher.
///
/// # Errors
/// Always, so far.
pub fn start(in_cluster_mode: bool) -> Result<(), FileWatcherError> {
    if in_cluster_mode {
        return Err(FileWatcherError::FileWatcherNotAllowedInCluster);
    }
    Err(FileWatcherError::NotBuilt)
}
