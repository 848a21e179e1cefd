//! What came of an operation.

use vectorizer_model::SequenceNumber;

/// What an operation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    /// Its position in the shard's history.
    pub seq: SequenceNumber,
    /// Points it wrote, changed or removed.
    pub points: u64,
}
