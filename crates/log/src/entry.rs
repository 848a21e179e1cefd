//! What goes into a log and what comes out of it.

use std::fmt;

use vectorizer_model::{Epoch, RequestId, SequenceNumber, ShardId};

/// An entry as it is appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<C> {
    /// The shard whose history this is.
    pub shard: ShardId,
    /// The reign it was written in.
    pub epoch: Epoch,
    /// Its position in the shard's history.
    pub seq: SequenceNumber,
    /// The request that made it.
    pub request: RequestId,
    /// Opaque bytes, at most [`OPERATION_BYTES_MAX`](vectorizer_model::limits::OPERATION_BYTES_MAX).
    pub payload: Vec<u8>,
    /// What the caller wants back with the entry, such as its reservation and its ticket.
    pub companion: C,
}

/// An entry as it is replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replayed<'a> {
    /// The shard whose history this is.
    pub shard: ShardId,
    /// The reign it was written in.
    pub epoch: Epoch,
    /// Its position in the shard's history.
    pub seq: SequenceNumber,
    /// The request that made it.
    pub request: RequestId,
    /// The bytes that were appended.
    pub payload: &'a [u8],
}

/// The n-th thing appended since the log was opened; 0 means before any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub u64);

/// A place on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The number in the file's name.
    pub file: u64,
    /// Bytes from the file's start.
    pub offset: u64,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "log file {} at byte {}", self.file, self.offset)
    }
}

/// One group, committed.
#[derive(Debug)]
pub struct Committed<C> {
    /// Its entries in the order of their appends; empty if nothing was queued.
    pub entries: Vec<Entry<C>>,
    /// The last position that is committed.
    pub position: Position,
    /// Bytes the group takes on disk.
    pub bytes: u64,
    /// Where the log ends now.
    pub end: Location,
}

/// What opening a log found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// Entries handed to the visitor.
    pub entries: u64,
    /// Payload bytes of these entries.
    pub payload_bytes: u64,
    /// Entries that a truncation record voids; not handed to the visitor.
    pub void_entries: u64,
    /// Files that hold the log.
    pub files: u64,
    /// The tail that was dropped, if there was one: the mark of a crash within a write.
    pub torn: Option<Torn>,
    /// Every shard that pins files, with its highest replayed seq, in ascending order. A shard
    /// that does not exist any more is to be [forgotten](crate::Log::forget).
    pub shards: Vec<(ShardId, SequenceNumber)>,
    /// Where the log ends.
    pub end: Location,
}

/// A tail that was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Torn {
    /// Where the log was cut.
    pub at: Location,
    /// Bytes that stood behind it.
    pub bytes: u64,
}
