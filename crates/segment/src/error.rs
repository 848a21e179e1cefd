//! Why a component could not be written, opened or read.

use vectorizer_hnsw::HnswError;
use vectorizer_memory::MemoryError;
use vectorizer_model::BudgetExceeded;
use vectorizer_model::encode::DecodeError;
use vectorizer_pages::PagesError;
use vectorizer_payload::PayloadError;
use vectorizer_quantize::QuantizeError;
use vectorizer_vfs::VfsError;

/// Why a component could not be written, opened or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// A component's bytes contradict its checksums or its format; restore it from a copy.
    #[error("{file} is damaged at byte {offset}: {what}")]
    Damaged {
        /// The file within the shard's folder.
        file: String,
        /// Where.
        offset: u64,
        /// What does not hold.
        what: &'static str,
    },
    /// What a component's bytes stand for contradicts its format, though its checksums hold;
    /// restore it from a copy.
    #[error("{file} is damaged at byte {offset}: {what}")]
    Malformed {
        /// The file within the shard's folder.
        file: String,
        /// Where the part begins that cannot be read.
        offset: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A component that the manifest names is missing or of another kind.
    #[error("segment {segment} has no usable {what} component")]
    Missing {
        /// Which segment.
        segment: u64,
        /// What it should hold.
        what: &'static str,
    },
    /// A stored payload cannot be decoded.
    #[error("{file}: payload of row {row}: {source}")]
    Payload {
        /// The file within the shard's folder.
        file: String,
        /// Which row.
        row: u32,
        /// What is wrong with its bytes.
        source: DecodeError,
    },
    /// A field index cannot be read.
    #[error("field index: {0}")]
    FieldIndex(#[from] PayloadError),
    /// The quantizer's parameters cannot be read.
    #[error("codes: {0}")]
    Codes(#[from] QuantizeError),
    /// The graph cannot be read or built.
    #[error("graph: {0}")]
    Graph(#[from] HnswError),
    /// Memory for reading or writing was refused; nothing changed, a retry may help.
    #[error("segment: {0}")]
    Budget(#[from] BudgetExceeded),
    /// The governor refused memory for a component's tables; nothing changed, a retry may help.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// A page could not be read.
    #[error(transparent)]
    Pages(#[from] PagesError),
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] VfsError),
}

impl SegmentError {
    /// The same with the file's name, if it says only what its bytes are not.
    pub(crate) fn in_file(self, file: impl FnOnce() -> String) -> Self {
        let unreadable = matches!(
            self,
            Self::FieldIndex(PayloadError::Format(_))
                | Self::Graph(HnswError::Corrupt { .. })
                | Self::Codes(_)
        );
        if !unreadable {
            return self;
        }
        let what = self.to_string();
        Self::Malformed { file: file(), offset: 0, what }
    }
}

/// The result of a call to a segment.
pub type Result<T> = std::result::Result<T, SegmentError>;

/// Why a segment could not be searched: its own reading failed, or the selection's did.
#[derive(Debug)]
pub enum SegmentSearchError<E> {
    /// The segment could not be read.
    Segment(SegmentError),
    /// The selection could not judge a row.
    Selection(E),
}

impl<E> From<SegmentError> for SegmentSearchError<E> {
    fn from(error: SegmentError) -> Self {
        Self::Segment(error)
    }
}

pub(crate) type SearchResult<T, E> = std::result::Result<T, SegmentSearchError<E>>;
