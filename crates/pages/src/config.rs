//! What a pool and a region are opened with.

use std::ops::Range;

use vectorizer_memory::Tenant;
use vectorizer_model::bytes::MIB;
use vectorizer_model::layout::PAGE_BYTES;

/// Settings of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Bytes that the pool may hold, its own tables included; reserved as long as it is open.
    pub capacity: u64,
    /// Whether it may hold more.
    pub growth: Growth,
    /// Bytes that are read and taken away as one; a power of two of at least
    /// [`PAGE_BYTES`]. Smaller keeps more of what is used, larger reads fewer times.
    pub extent_bytes: usize,
    /// Most readers open at once.
    pub readers_max: usize,
    /// How the absent extents of one step are read.
    pub misses: Misses,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            capacity: 256 * MIB,
            growth: Growth::None,
            extent_bytes: PAGE_BYTES,
            readers_max: 1024,
            misses: Misses::default(),
        }
    }
}

/// What a pool takes beyond its capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Growth {
    /// Nothing.
    #[default]
    None,
    /// What caches may hold, and gives it back when asked.
    Cache {
        /// Bytes of the process that stay free for others.
        headroom: u64,
    },
    /// The same, and beyond it bytes that nobody else has reserved.
    Borrow {
        /// Bytes of the process that stay free for others.
        headroom: u64,
    },
}

/// How the absent extents of one step that do not lie side by side are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Misses {
    /// At once, by `io_uring`; where the system refuses it, as [`Misses::Threads`].
    #[default]
    Ring,
    /// At once, by a few threads of the pool.
    Threads,
    /// One after another.
    InTurn,
}

/// Where a region's bytes are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Residency {
    /// In the pool's frames, filled by direct reads; strictly bounded.
    Governed,
    /// In the kernel's page cache, which decides; bounded by nobody.
    Mapped,
    /// In memory for as long as the region is open, under a reservation of its own.
    Pinned,
}

/// What a region holds; decides how long its bytes resist being taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PageKind {
    /// Links of a graph: every step reads them.
    Links,
    /// Codes: every step reads them.
    Codes,
    /// Full vectors: read for the best candidates only.
    Vectors,
    /// Anything else.
    #[default]
    Other,
}

/// How a region is opened.
#[derive(Debug, Clone)]
pub struct Open {
    /// Its bytes within the file, the start a multiple of [`PAGE_BYTES`]; all of the file if
    /// `None`.
    pub range: Option<Range<u64>>,
    /// Where they are kept.
    pub residency: Residency,
    /// What they are.
    pub kind: PageKind,
    /// Who holds them if they are pinned; the pool's own bytes belong to the system.
    pub tenant: Tenant,
}

impl Open {
    /// All of a file.
    pub fn whole(residency: Residency) -> Self {
        Self { range: None, residency, kind: PageKind::Other, tenant: Tenant::system() }
    }

    /// The same for a part of the file.
    #[must_use]
    pub fn range(mut self, range: Range<u64>) -> Self {
        self.range = Some(range);
        self
    }

    /// The same for bytes of a kind.
    #[must_use]
    pub fn kind(mut self, kind: PageKind) -> Self {
        self.kind = kind;
        self
    }

    /// The same on behalf of a tenant.
    #[must_use]
    pub fn tenant(mut self, tenant: Tenant) -> Self {
        self.tenant = tenant;
        self
    }
}
