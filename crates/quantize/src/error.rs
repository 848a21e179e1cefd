//! What can be wrong with a sample or with stored bytes.

/// Why there is no quantizer. Nothing was changed; the same input fails again.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum QuantizeError {
    /// Vectors have no components, or more than `limits::DIMENSION_MAX`.
    #[error("dimension {dim} is not within 1 and the limit")]
    Dimension {
        /// What was given.
        dim: usize,
    },
    /// The sample is empty or ends within a row.
    #[error("{values} values are not one or more rows of {dim}")]
    Shape {
        /// Values given.
        values: usize,
        /// Components of a row.
        dim: usize,
    },
    /// A component or bound is infinite or not a number.
    #[error("a component or bound is not finite")]
    NotFinite,
    /// The quantile is not above 0.5 and at most 1.
    #[error("quantile {quantile} is not above 0.5 and at most 1")]
    Quantile {
        /// What was given.
        quantile: f32,
    },
    /// The range has its bounds in the wrong order.
    #[error("range from {low} to {high} is empty")]
    Range {
        /// Lower bound given.
        low: f32,
        /// Upper bound given.
        high: f32,
    },
    /// Stored bytes are of another length than a quantizer's.
    #[error("a stored quantizer has {expected} bytes, found {found}")]
    Length {
        /// Bytes a quantizer has.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// Stored bytes hold a value that this version does not know or allow.
    #[error("stored quantizer: {what} has the value {found}")]
    Stored {
        /// The field.
        what: &'static str,
        /// Its bits.
        found: u32,
    },
}
