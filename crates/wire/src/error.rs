//! Requests that are not what the contract allows.

/// A request that is not what the contract allows. Nothing changed; only another request helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The body is not JSON of the right shape.
    #[error("Format error in JSON body: {0}")]
    Format(String),
    /// Values of the body are beyond their bounds.
    #[error("Validation error in JSON body: [{0}]")]
    Validation(String),
    /// Values of the query string are beyond their bounds.
    #[error("Validation error in query parameters: [{0}]")]
    Parameter(String),
    /// The request contradicts itself, or names what cannot be.
    #[error("{0}")]
    Invalid(String),
    /// The contract has it, this server does not yet.
    #[error("{feature} is not supported yet; leave it out")]
    Unsupported {
        /// What was asked for.
        feature: String,
    },
}

/// The result of reading a request.
pub type Result<T> = std::result::Result<T, WireError>;

impl WireError {
    /// The request contradicts itself, or names what cannot be.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    pub(crate) fn unsupported(feature: impl Into<String>) -> Self {
        Self::Unsupported { feature: feature.into() }
    }
}
