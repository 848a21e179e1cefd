//! What a program does to a disk, one step at a time.

use std::sync::Arc;

/// A file, whatever names it has or had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileId(pub(super) usize);

/// A folder, whatever name it has or had; the first one is the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirectoryId(pub(super) usize);

/// One step of the trace. Steps that failed left no effect, but for failed syncs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// An empty file got a name.
    Create {
        /// The folder.
        directory: DirectoryId,
        /// The name.
        name: String,
        /// The new file.
        file: FileId,
    },
    /// Bytes were written.
    Write {
        /// The file.
        file: FileId,
        /// Where, in bytes.
        offset: u64,
        /// What.
        bytes: Arc<[u8]>,
    },
    /// The length was set.
    SetLen {
        /// The file.
        file: FileId,
        /// In bytes.
        len: u64,
    },
    /// The file's bytes and length became durable; or, if it failed, those not yet durable were
    /// dropped from the queue to the device.
    SyncFile {
        /// The file.
        file: FileId,
        /// Whether the program was told of a failure.
        failed: bool,
    },
    /// The bytes that a failed sync should have made durable are read no more: the page cache
    /// dropped them, and the device never had them.
    DropCache {
        /// The file.
        file: FileId,
    },
    /// A file got another name in its folder, perhaps instead of another file.
    Rename {
        /// The folder.
        directory: DirectoryId,
        /// The old name.
        from: String,
        /// The new name.
        to: String,
    },
    /// A file lost its name.
    Remove {
        /// The folder.
        directory: DirectoryId,
        /// The name.
        name: String,
    },
    /// An empty folder got a name.
    MakeDirectory {
        /// The folder around it.
        directory: DirectoryId,
        /// The name.
        name: String,
        /// The new folder.
        made: DirectoryId,
    },
    /// An empty folder lost its name.
    RemoveDirectory {
        /// The folder around it.
        directory: DirectoryId,
        /// The name.
        name: String,
    },
    /// The folder's names became durable, or were dropped from the queue.
    SyncDirectory {
        /// The folder.
        directory: DirectoryId,
        /// Whether the program was told of a failure.
        failed: bool,
    },
}
