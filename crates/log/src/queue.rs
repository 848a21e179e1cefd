//! What waits for the next commit.

use std::sync::Arc;

use vectorizer_model::{SequenceNumber, ShardId};
use vectorizer_vfs::VfsError;

use crate::frame::frame_bytes;
use crate::{Entry, LogError, Position};

/// Something that will become a frame.
#[derive(Debug)]
pub(crate) enum Queued<C> {
    Entry { entry: Entry<C>, payload_crc: u32 },
    Truncation { shard: ShardId, seq: SequenceNumber },
}

impl<C> Queued<C> {
    /// Bytes of its frame.
    pub(crate) fn frame_bytes(&self) -> u64 {
        match self {
            Self::Entry { entry, .. } => frame_bytes(entry.payload.len() as u64),
            Self::Truncation { .. } => frame_bytes(0),
        }
    }
}

/// The queue, its positions, and whether the log has stopped.
#[derive(Debug)]
pub(crate) struct Queue<C> {
    items: Vec<Queued<C>>,
    bytes: u64,
    appended: Position,
    durable: Position,
    poison: Option<Arc<VfsError>>,
}

/// Everything that was queued at one moment.
pub(crate) struct Batch<C> {
    pub(crate) items: Vec<Queued<C>>,
    pub(crate) bytes: u64,
    /// The last of its positions.
    pub(crate) position: Position,
}

impl<C> Batch<C> {
    pub(crate) fn into_entries(self) -> Vec<Entry<C>> {
        entries(self.items)
    }
}

impl<C> Queue<C> {
    pub(crate) fn new() -> Self {
        Self {
            items: Vec::new(),
            bytes: 0,
            appended: Position(0),
            durable: Position(0),
            poison: None,
        }
    }

    /// The error of every call after the first failure.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        match &self.poison {
            Some(cause) => Err(LogError::Poisoned { cause: Arc::clone(cause) }),
            None => Ok(()),
        }
    }

    pub(crate) fn push(&mut self, item: Queued<C>) -> Position {
        self.bytes += item.frame_bytes();
        self.items.push(item);
        self.appended.0 += 1;
        self.appended
    }

    pub(crate) fn take(&mut self) -> Batch<C> {
        Batch {
            items: std::mem::take(&mut self.items),
            bytes: std::mem::take(&mut self.bytes),
            position: self.appended,
        }
    }

    /// Stops the log for good; the first cause stays.
    pub(crate) fn stop(&mut self, cause: VfsError) -> LogError {
        let cause = self.poison.get_or_insert_with(|| Arc::new(cause));
        LogError::Poisoned { cause: Arc::clone(cause) }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn durable(&self) -> Position {
        self.durable
    }

    pub(crate) fn set_durable(&mut self, position: Position) {
        self.durable = position;
    }
}

/// The entries among these, in order.
fn entries<C>(items: Vec<Queued<C>>) -> Vec<Entry<C>> {
    let entry = |item| match item {
        Queued::Entry { entry, .. } => Some(entry),
        Queued::Truncation { .. } => None,
    };
    items.into_iter().filter_map(entry).collect()
}
