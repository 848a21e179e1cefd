//! Whether the log holds what the catalogue and the manifests say that it held.
//!
//! Files of the log go from the oldest on and never the newest, so an entry that is there vouches
//! for all that came after it: a history's last entry cannot lie before what a manifest says was
//! applied. If the log's first file is there nothing ever went, and that holds for histories
//! without entries too. What was appended after the last manifest, and lies behind the log's
//! present end, leaves no trace; nor does an oldest file that vanished, because refused writes
//! leave gaps in the positions.

use std::collections::BTreeMap;

use vectorizer_model::{SequenceNumber, ShardId};

use crate::error::{EngineError, Result};

/// The log's folder within the data folder.
pub(crate) const LOG_FOLDER: &str = "log";

/// The last entry of each history.
pub(crate) struct Reach {
    whole: bool,
    last: BTreeMap<ShardId, SequenceNumber>,
}

impl Reach {
    /// Of a log with the last entries of these histories; `whole` if its first file is there.
    pub(crate) fn new(whole: bool, shards: &[(ShardId, SequenceNumber)]) -> Self {
        Self { whole, last: shards.iter().copied().collect() }
    }

    /// Whether the log reaches a position that `file` is at.
    ///
    /// # Errors
    /// [`EngineError::LogBehind`].
    pub(crate) fn check(&self, file: &str, id: ShardId, applied: SequenceNumber) -> Result<()> {
        match self.last.get(&id).copied() {
            Some(last) if last < applied => Err(behind(file, applied, last)),
            None if self.whole && applied > SequenceNumber::ZERO => {
                Err(behind(file, applied, SequenceNumber::ZERO))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// The refusal of a log that ends before a position it once held.
pub(crate) fn behind(file: &str, expected: SequenceNumber, found: SequenceNumber) -> EngineError {
    let file = file.to_owned();
    EngineError::LogBehind { file, log: LOG_FOLDER, expected: expected.0, found: found.0 }
}
