//! What can go wrong.

use vectorizer_model::BudgetExceeded;

/// Why a graph could not be built or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HnswError {
    /// The caller's parameters lie outside their bounds; a retry cannot help.
    #[error("{field} is {value}; it must lie between {min} and {max}")]
    Params {
        /// The parameter.
        field: &'static str,
        /// Its value.
        value: u32,
        /// Least value allowed.
        min: u32,
        /// Greatest value allowed.
        max: u32,
    },
    /// More rows than [`crate::params::ROWS_MAX`]; the segment should have been smaller.
    #[error("{rows} rows are more than one graph holds")]
    TooManyRows {
        /// Rows asked for.
        rows: usize,
    },
    /// The budget refused; nothing is held, and a retry helps once others gave back.
    #[error("memory for the graph was refused")]
    Budget(#[from] BudgetExceeded),
    /// The caller cancelled the build; nothing is held.
    #[error("the build was cancelled")]
    Cancelled,
    /// The bytes are not a graph of this format: damaged, or of another version.
    #[error("graph bytes: {what} at byte {offset}: expected {expected}, found {found}")]
    Corrupt {
        /// The field.
        what: &'static str,
        /// Where it lies, from the graph's first byte (for a block: from the block's).
        offset: u64,
        /// The value, or the bound it had to stay below.
        expected: u64,
        /// The value found.
        found: u64,
    },
    /// Links that a build in parts had drafted came back otherwise; nothing is held.
    #[error(
        "the draft of part {part} is not as it was written: {what} at byte {offset}; check the disk, \
         then build again"
    )]
    Draft {
        /// Which part's.
        part: usize,
        /// What differs.
        what: &'static str,
        /// Where that was found, from the draft's first byte.
        offset: u64,
    },
}

/// Why a graph could not be built on another; nothing is held.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError<L> {
    /// As of any build.
    #[error(transparent)]
    Hnsw(#[from] HnswError),
    /// The links of the other graph could not be read.
    #[error("links of the graph to build on could not be read")]
    Links(#[source] L),
}

impl<L> From<BudgetExceeded> for BuildError<L> {
    fn from(refusal: BudgetExceeded) -> Self {
        Self::Hnsw(refusal.into())
    }
}

/// Why a build in parts ended without a graph; nothing is held.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartsError<W> {
    /// As of any build.
    #[error(transparent)]
    Hnsw(#[from] HnswError),
    /// Rows could not be read, or links not be kept.
    #[error("rows or links of a part could not be read or written")]
    Workshop(#[source] W),
}

impl<W> From<BudgetExceeded> for PartsError<W> {
    fn from(refusal: BudgetExceeded) -> Self {
        Self::Hnsw(refusal.into())
    }
}

/// Why a search stopped without an answer: one of its three seams failed. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SearchError<L, S, F> {
    /// Links could not be read.
    #[error("links could not be read")]
    Links(#[source] L),
    /// Rows could not be scored.
    #[error("rows could not be scored")]
    Scorer(#[source] S),
    /// A row could not be judged by the selection.
    #[error("a row could not be judged by the selection")]
    Selection(#[source] F),
}
