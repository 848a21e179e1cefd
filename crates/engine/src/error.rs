//! Why the engine refused or failed.

use std::sync::Arc;

use vectorizer_hnsw::HnswError;
pub use vectorizer_log::LogError;
use vectorizer_memory::{MemoryError, Scope};
use vectorizer_model::encode::DecodeError;
use vectorizer_model::{CollectionName, KeyPath, ShardId};
use vectorizer_pages::PagesError;
use vectorizer_quantize::QuantizeError;
use vectorizer_segment::SegmentError;
use vectorizer_vfs::VfsError;

use crate::executor::Overloaded;
use crate::ticket::Abandoned;

/// Why the engine refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The caller named a collection that is not there; nothing changed.
    #[error("collection `{name}` doesn't exist")]
    CollectionNotFound {
        /// The name given.
        name: String,
    },
    /// The caller wants to create what is there; nothing changed.
    #[error("collection `{name}` already exists")]
    CollectionExists {
        /// The name given.
        name: CollectionName,
    },
    /// The collection's storage type is one that cluster mode does not allow; nothing changed.
    #[error("collection `{collection}` {what}")]
    ClusterConfigViolation {
        /// Whose storage type it is.
        collection: CollectionName,
        /// What is wrong, and what mends it.
        what: &'static str,
    },
    /// The operation does not fit the collection; nothing changed.
    #[error("{0}")]
    InvalidOperation(String),
    /// The caller named a vector that the collection does not have; nothing changed.
    #[error("collection has no vector named `{name}`")]
    VectorNotFound {
        /// The name given.
        name: String,
    },
    /// A query's length differs from the vector's dimension; nothing changed.
    #[error("vector dimension error: expected dim: {expected}, got {found}")]
    DimensionMismatch {
        /// The vector's dimension.
        expected: usize,
        /// Components given.
        found: usize,
    },
    /// The field has no index; nothing changed.
    #[error("field `{key}` has no index")]
    FieldIndexNotFound {
        /// The field.
        key: KeyPath,
    },
    /// Memory is short; nothing changed, and a retry may help.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// Too many searches wait; nothing changed, and a retry helps.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// Writes are ahead of flushing or indexing; nothing changed, and a retry helps.
    #[error("writes are paced: {backlog_bytes} bytes wait to be flushed or indexed; retry shortly")]
    Paced {
        /// Bytes that wait.
        backlog_bytes: u64,
    },
    /// The disk is nearly full; nothing changed. Deleting data or adding room helps.
    #[error(
        "the disk is {percent_full} percent full, and writes stop at {percent_limit}; delete data \
         or add room"
    )]
    DiskFull {
        /// Share of the file system in use.
        percent_full: u64,
        /// Where writes stop.
        percent_limit: u64,
    },
    /// The disk has no room for the write; nothing changed. Adding room or dropping a collection
    /// helps.
    #[error("the disk is full, so the write was not stored: {reason}; add room, then try again")]
    NoRoom {
        /// What the system said.
        reason: String,
    },
    /// A merge, or the draft of a graph, would not fit the disk; nothing changed, and it is done once there is room.
    #[error(
        "background work waits for room: it may write {needed_bytes} bytes and {reserve_bytes} are kept \
         for writes, but the disk has {available_bytes}; delete data or add room"
    )]
    NoRoomToMerge {
        /// What it may write, at most.
        needed_bytes: u64,
        /// What must be left for the log and for flushes.
        reserve_bytes: u64,
        /// What the disk has.
        available_bytes: u64,
    },
    /// The log failed: the write may or may not survive a restart.
    #[error("log: {0}")]
    Log(#[from] LogError),
    /// The log did not store this write; nothing changed, and a retry may help.
    #[error("the write was not stored: {reason}; try again")]
    LogRefused {
        /// What the log said.
        reason: String,
    },
    /// The log could not store this write; it may or may not survive a restart.
    #[error("the log could not store the write: {reason}")]
    LogFailed {
        /// What the log said.
        reason: String,
    },
    /// A component is damaged or unreadable.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// A page could not be read.
    #[error(transparent)]
    Pages(#[from] PagesError),
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] VfsError),
    /// Background work ran out of its budget; nothing changed, and it is tried again.
    #[error(transparent)]
    Budget(#[from] vectorizer_model::BudgetExceeded),
    /// Codes could not be made.
    #[error("codes: {0}")]
    Codes(#[from] QuantizeError),
    /// A graph could not be built.
    #[error("graph: {0}")]
    Graph(#[from] HnswError),
    /// The folder holds no data of an engine; nothing changed.
    #[error("{} is not a data folder", path.display())]
    NoDataFolder {
        /// The folder.
        path: std::path::PathBuf,
    },
    /// A manifest or the catalogue is damaged.
    #[error("{file} is damaged at byte {offset}: {what}; restore the folder from a copy")]
    Damaged {
        /// The file within the data folder.
        file: String,
        /// Bytes from the file's start.
        offset: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The log has lost entries that it must hold.
    #[error(
        "the log in `{log}` has lost entries: {file} is at position {expected}, and the log ends \
         before it, at {found}; put the missing log files back, or restore the folder from a copy"
    )]
    LogBehind {
        /// The catalogue, or the shard's folder, within the data folder.
        file: String,
        /// The log's folder within the data folder.
        log: &'static str,
        /// The position that the file is at.
        expected: u64,
        /// The last position of the same history that the log holds; 0 if none.
        found: u64,
    },
    /// An entry of the log cannot be read.
    #[error("log entry {seq} of shard {shard} cannot be decoded: {source}")]
    Undecodable {
        /// Whose entry.
        shard: ShardId,
        /// Which entry.
        seq: u64,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The collection could not be opened when the log was replayed, so nothing of it is shown;
    /// nothing changed. Mending what the reason names and a restart help, or dropping it.
    #[error("collection `{name}` cannot be opened: {reason}; mend that and restart, or drop it")]
    Unopened {
        /// Which collection.
        name: CollectionName,
        /// Why not.
        reason: String,
    },
    /// The engine is closing, or an earlier failure stopped this shard; reopen it.
    #[error("the engine accepts no more writes: {reason}")]
    Closed {
        /// Why.
        reason: String,
    },
    /// An entry of the catalogue could not be applied; reopen the engine. Whose it was does not concern
    /// whoever asks next.
    #[error("collections cannot be created or dropped until a restart")]
    CatalogueStopped {
        /// What failed, for whoever runs the node.
        reason: String,
    },
    /// An operation by filter failed on the way; what was done before stays.
    #[error("{source}; {points} points were changed before, repeat the operation for the others")]
    Partly {
        /// Points that were changed.
        points: u64,
        /// Why not the others.
        source: Box<EngineError>,
    },
    /// The work was dropped before it was done.
    #[error(transparent)]
    Abandoned(#[from] Abandoned),
    /// A thread could not be started.
    #[error("thread: {0}")]
    Thread(std::io::Error),
}

impl EngineError {
    /// The same after so many points were changed.
    #[must_use]
    pub(crate) fn after(self, points: u64) -> Self {
        if points == 0 { self } else { Self::Partly { points, source: Box::new(self) } }
    }

    /// Whether the caller's request is at fault, and nothing else: every replica refuses it alike.
    pub fn is_callers(&self) -> bool {
        matches!(
            self,
            Self::CollectionNotFound { .. }
                | Self::CollectionExists { .. }
                | Self::InvalidOperation(_)
                | Self::VectorNotFound { .. }
                | Self::DimensionMismatch { .. }
                | Self::FieldIndexNotFound { .. }
        )
    }

    /// The component file whose bytes are not those that were written, if that is what is wrong.
    pub(crate) fn damaged_file(&self) -> Option<&str> {
        let Self::Segment(
            SegmentError::Damaged { file, .. } | SegmentError::Malformed { file, .. },
        ) = self
        else {
            return None;
        };
        Some(file)
    }

    /// Whether stored bytes are not those that were written, or are missing.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Damaged { .. }
                | Self::Segment(
                    SegmentError::Damaged { .. }
                        | SegmentError::Malformed { .. }
                        | SegmentError::Missing { .. }
                        | SegmentError::Payload { .. }
                        | SegmentError::FieldIndex(_)
                        | SegmentError::Codes(_)
                        | SegmentError::Graph(_)
                )
        )
    }

    /// Whether memory, page frames, open files or mappings were short: nothing is damaged, and a
    /// retry may help once others gave some back.
    pub fn is_shortage(&self) -> bool {
        if let Self::Memory(error) | Self::Segment(SegmentError::Memory(error)) = self {
            is_short(error)
        } else if let Self::Disk(error) | Self::Segment(SegmentError::Disk(error)) = self {
            error.is_exhausted()
        } else if let Self::Pages(error) | Self::Segment(SegmentError::Pages(error)) = self {
            are_pages_short(error)
        } else {
            matches!(self, Self::Budget(_) | Self::Segment(SegmentError::Budget(_)))
        }
    }

    /// The refusal of memory that it comes from, for index pages too.
    pub fn refused_memory(&self) -> Option<&MemoryError> {
        if let Self::Memory(error)
        | Self::Segment(
            SegmentError::Memory(error) | SegmentError::Pages(PagesError::Memory(error)),
        )
        | Self::Pages(PagesError::Memory(error)) = self
        {
            return Some(error);
        }
        None
    }

    /// The tenant who is at its limit, if nobody else's memory is short.
    pub(crate) fn short_tenant(&self) -> Option<&Arc<str>> {
        let MemoryError::InsufficientMemory { scope: Scope::Tenant(tenant), .. } =
            self.refused_memory()?
        else {
            return None;
        };
        Some(tenant)
    }

    /// The message with those of its causes.
    pub(crate) fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let told = error.to_string();
            if !text.contains(&told) {
                text = format!("{text}: {told}");
            }
            cause = error.source();
        }
        text
    }

    /// The same, with a damaged file's name seen from the data folder.
    pub(crate) fn within(mut self, folder: &str) -> Self {
        if let Self::Damaged { file, .. }
        | Self::Segment(
            SegmentError::Damaged { file, .. }
            | SegmentError::Malformed { file, .. }
            | SegmentError::Payload { file, .. },
        ) = &mut self
        {
            let separator = if file.is_empty() { "" } else { "/" };
            *file = format!("{folder}{separator}{file}");
        }
        self
    }
}

fn are_pages_short(error: &PagesError) -> bool {
    if let PagesError::Memory(error) = error {
        is_short(error)
    } else if let PagesError::Addresses { source, .. } | PagesError::Read { source, .. } = error {
        source.is_exhausted()
    } else {
        matches!(
            error,
            PagesError::WorkingSetTooLarge { .. }
                | PagesError::TooManyRegions { .. }
                | PagesError::Busy { .. }
        )
    }
}

fn is_short(error: &MemoryError) -> bool {
    matches!(error, MemoryError::InsufficientMemory { .. })
}

/// The result of a call to the engine.
pub type Result<T> = std::result::Result<T, EngineError>;
