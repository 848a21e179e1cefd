//! Why a query is refused.

use vectorizer_engine::EngineError;
use vectorizer_memory::MemoryError;
use vectorizer_model::PointId;
use vectorizer_model::check::FilterError;
use vectorizer_model::limits;

/// Why a query is refused or failed. Nothing changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The query names a point that is not there.
    #[error("no point with id {id} found")]
    PointNotFound {
        /// The id given.
        id: PointId,
    },
    /// The point that the query names lacks the vector.
    #[error("point {id} has no vector named `{name}`")]
    VectorMissing {
        /// The point.
        id: PointId,
        /// The vector asked for.
        name: String,
    },
    /// More results asked for than a query may hold.
    #[error(
        "limit {limit} and offset {offset} reach beyond {} results; ask for less, or scroll",
        limits::WINDOW_MAX
    )]
    WindowTooLarge {
        /// Results asked for.
        limit: usize,
        /// Results to skip.
        offset: usize,
    },
    /// A component of the query is not a finite number.
    #[error("component {component} of the query is {value}; give finite numbers")]
    NotFinite {
        /// Its position.
        component: usize,
        /// What was given.
        value: f32,
    },
    /// A parameter is beyond its bounds.
    #[error("`{name}` is {value}; give it a value from {min} to {max}")]
    OutOfRange {
        /// The parameter.
        name: &'static str,
        /// What was given.
        value: usize,
        /// The least allowed.
        min: usize,
        /// The most allowed.
        max: usize,
    },
    /// The filter cannot be evaluated.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The answer would not fit the memory budget now.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// A shard refused or failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// The result of a query.
pub type Result<T> = std::result::Result<T, QueryError>;
