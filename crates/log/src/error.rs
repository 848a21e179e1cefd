//! What can go wrong, and what it means for the entries.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use vectorizer_vfs::VfsError;

use crate::{Entry, Location};

/// A failure of the log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk refused. When it comes from an append, a commit or a sync, nothing of the group
    /// is on disk and the log stays usable: a retry helps once there is room. When it comes from
    /// opening, another attempt may help.
    #[error("log could not use the disk: {0}")]
    Disk(VfsError),
    /// An earlier write or sync failed, so nobody can say what the disk holds. Entries that were
    /// refused may or may not be replayed. Only opening the log again helps.
    #[error(
        "the log stopped after a failure of the disk ({cause}); look at the disk, then open it again"
    )]
    Poisoned {
        /// The first failure.
        cause: Arc<VfsError>,
    },
    /// Bytes that were once durable are not what was written. Nothing was changed; the file is to
    /// be restored from a replica or a snapshot.
    #[error("{at} is damaged: {fault}")]
    Damaged {
        /// The first frame, header or end that is wrong.
        at: Location,
        /// What is wrong with it.
        fault: Fault,
    },
    /// A file between the oldest and the newest is gone.
    #[error("log file {number} is missing")]
    Missing {
        /// The number in its name.
        number: u64,
    },
    /// The file belongs to the log of another node.
    #[error("log file {number} belongs to node {found:032x}, not to {expected:032x}")]
    ForeignNode {
        /// The number in its name.
        number: u64,
        /// This node.
        expected: u128,
        /// The node in the file.
        found: u128,
    },
    /// The file is of a format that this version does not know.
    #[error("log file {number} has format version {found}; this program knows {known}")]
    UnknownVersion {
        /// The number in its name.
        number: u64,
        /// The newest version this program knows.
        known: u32,
        /// The version in the file.
        found: u32,
    },
    /// A payload beyond the limit; the caller's mistake, nothing was queued.
    #[error("entry has {bytes} bytes; at most {limit} are allowed")]
    EntryTooLarge {
        /// Bytes given.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The visitor asked to stop with [`ControlFlow::Break`].
    #[error("replay was stopped at {at}")]
    Stopped {
        /// The entry that the visitor did not want.
        at: Location,
    },
}

impl From<VfsError> for LogError {
    fn from(error: VfsError) -> Self {
        Self::Disk(error)
    }
}

/// Why bytes are not a frame or a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The file ends within it.
    #[error("the file ends {missing} bytes early")]
    Cut {
        /// Bytes that are not there.
        missing: u64,
    },
    /// It does not begin as it should.
    #[error("it begins with {found:#x}, expected {expected:#x}")]
    Magic {
        /// The first bytes of every frame or file.
        expected: u64,
        /// What stands there.
        found: u64,
    },
    /// Its head fails the checksum, or stands at another place than it was written for.
    #[error("its header has the checksum {found:#010x}, expected {expected:#010x}")]
    HeaderChecksum {
        /// Computed from the bytes.
        expected: u32,
        /// Stored in the file.
        found: u32,
    },
    /// Its payload fails the checksum.
    #[error("its payload has the checksum {found:#010x}, expected {expected:#010x}")]
    PayloadChecksum {
        /// Stored in the file.
        expected: u32,
        /// Computed from the bytes.
        found: u32,
    },
    /// The bytes between it and the next frame are not zero.
    #[error("the padding behind it is not zero")]
    Padding,
    /// A field holds what no version writes, though the checksum is right.
    #[error("its {field} is {found}")]
    Field {
        /// The field.
        field: &'static str,
        /// What it holds.
        found: u64,
    },
    /// The next file says that this one has another length.
    #[error("the file has {found} bytes, expected {expected}")]
    Length {
        /// Bytes when it was closed.
        expected: u64,
        /// Bytes now.
        found: u64,
    },
}

/// Entries that were not committed, with the reason.
pub struct Refused<C> {
    /// Why; says whether they may still be replayed and whether the log stays usable.
    pub cause: LogError,
    /// The entries, in the order of their appends.
    pub entries: Vec<Entry<C>>,
}

impl<C> fmt::Debug for Refused<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused")
            .field("cause", &self.cause)
            .field("entries", &self.entries.len())
            .finish()
    }
}

impl<C> fmt::Display for Refused<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} entries were not committed", self.entries.len())
    }
}

impl<C> std::error::Error for Refused<C> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

impl<C> From<Refused<C>> for LogError {
    fn from(refused: Refused<C>) -> Self {
        refused.cause
    }
}

/// What a visitor of replayed entries answers.
pub(crate) type Visit<'a> = dyn FnMut(crate::Replayed<'_>) -> ControlFlow<()> + 'a;
