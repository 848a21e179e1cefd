//! Why an index could not be built or read.

use vectorizer_model::BudgetExceeded;
use vectorizer_model::encode::DecodeError;

/// A field index that could not be built or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The budget refused memory; a retry helps once others gave back.
    #[error("field index: {0}")]
    Budget(#[from] BudgetExceeded),
    /// The bytes are no field index of a known version.
    #[error("field index: {0}")]
    Format(#[from] DecodeError),
    /// A row came twice or out of order.
    #[error("field index: row {ordinal} given where row {next} or a later one is due")]
    RowOrder {
        /// The row given.
        ordinal: u32,
        /// The first row that could be given.
        next: u32,
    },
    /// One segment's field has more than the format can count.
    #[error("field index: {what} of one segment exceed {max}; use smaller segments")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        max: u64,
    },
}
