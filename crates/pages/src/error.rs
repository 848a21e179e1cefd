//! What can go wrong when index bytes are wanted.

use vectorizer_memory::MemoryError;
use vectorizer_model::bytes::ByteCount;
use vectorizer_vfs::VfsError;

/// The result of wanting index bytes.
pub type Result<T> = std::result::Result<T, PagesError>;

/// Why index bytes are not there. Nothing is pinned afterwards; the pool is as before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PagesError {
    /// The disk failed or the file is shorter than it was. The bytes are absent again; a retry
    /// reads them again.
    #[error("index bytes at offset {offset}, {len} of them, cannot be read")]
    Read {
        /// Where in the file.
        offset: u64,
        /// How many bytes were asked for.
        len: u64,
        /// What the disk answered.
        source: VfsError,
    },
    /// Addresses or a mapping were refused by the system.
    #[error("no addresses for {len} bytes of index")]
    Addresses {
        /// How many bytes.
        len: u64,
        /// What the system answered.
        source: VfsError,
    },
    /// The governor refused the bytes.
    #[error("no memory for index pages")]
    Memory(#[from] MemoryError),
    /// One step needs more bytes at once than the pool can hold; a retry cannot help.
    #[error(
        "one step needs {} of index at once, the pool can hold {}; enlarge the pool or narrow \
         the step", ByteCount(*needed), ByteCount(*capacity)
    )]
    WorkingSetTooLarge {
        /// Bytes needed at once.
        needed: u64,
        /// Bytes that the pool has for them.
        capacity: u64,
    },
    /// The tables of open regions would leave too little of the pool to their bytes; closing some
    /// helps.
    #[error(
        "the tables of open regions would take {} of the pool's {}; close some or enlarge the pool",
        ByteCount(*tables), ByteCount(*capacity)
    )]
    TooManyRegions {
        /// Bytes of all tables, those of the new region included.
        tables: u64,
        /// Bytes that the pool has.
        capacity: u64,
    },
    /// Others keep all of the pool busy with reads; a retry helps.
    #[error("the pool's {} are all being read into; try again", ByteCount(*capacity))]
    Busy {
        /// Bytes that the pool has.
        capacity: u64,
    },
    /// Bytes were wanted while this thread is in a step of another reader, which would wait for
    /// itself. A bug of the caller.
    #[error("index bytes wanted inside a step of another reader of the same thread")]
    NestedGuard,
    /// A region of another pool, whose steps this reader is not part of. A bug of the caller.
    #[error("the region belongs to another pool than the reader")]
    ForeignRegion,
    /// More readers at once than configured; a retry helps once searches ended.
    #[error("{readers_max} readers are open, no more are configured")]
    TooManyReaders {
        /// The configured number.
        readers_max: usize,
    },
    /// A wanted range ends beyond the region. The caller's offsets are wrong or corrupt.
    #[error("bytes {start}..{end} wanted of a region of {len} bytes")]
    OutOfRange {
        /// First byte wanted.
        start: usize,
        /// One past the last byte wanted.
        end: usize,
        /// Bytes of the region.
        len: usize,
    },
    /// A region must start on a page and its last page must lie whole within the file.
    #[error("region {start}..{end} does not cover whole pages of a file of {file_len} bytes")]
    Misaligned {
        /// First byte of the region in the file.
        start: u64,
        /// One past its last byte.
        end: u64,
        /// Bytes of the file.
        file_len: u64,
    },
    /// Mapped residency was asked for a file that the operating system does not know.
    #[error("the file cannot be mapped")]
    NotMappable,
}
