//! What bytes are held for.

use std::fmt;

/// A purpose that memory is reserved for; a child of the root beside the tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Answers kept for equal questions.
    QueryCache,
    /// Vectors kept for texts already embedded.
    EmbeddingCache,
    /// Frames of index files.
    IndexPages,
    /// Descriptions of collections and segments kept for the next who asks.
    Metadata,
    /// Membership and peers.
    Discovery,
    /// Requests under way: bodies, plans, results.
    Operations,
    /// Writes not yet flushed.
    Memtables,
    /// Flushes, index builds and merges.
    Builds,
    /// Log shipping, snapshots and migrations.
    Replication,
    /// Keyword search.
    Text,
    /// Embedding models.
    Models,
    /// What open collections keep resident: id tables, manifests, deaths, marks.
    Collections,
    /// Index bytes of collections whose storage type is `memory`.
    Pinned,
    /// Frames of index files in bytes that nobody else reserved; revoked first.
    BorrowedPages,
}

impl Class {
    /// Every class, in the order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::QueryCache,
        Self::EmbeddingCache,
        Self::IndexPages,
        Self::Metadata,
        Self::Discovery,
        Self::Operations,
        Self::Memtables,
        Self::Builds,
        Self::Replication,
        Self::Text,
        Self::Models,
        Self::Collections,
        Self::Pinned,
        Self::BorrowedPages,
    ];

    /// How many classes there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The name in reports, metrics and configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::QueryCache => "query_cache",
            Self::EmbeddingCache => "embedding_cache",
            Self::IndexPages => "index_pages",
            Self::Metadata => "metadata",
            Self::Discovery => "discovery",
            Self::Operations => "operations",
            Self::Memtables => "memtables",
            Self::Builds => "builds",
            Self::Replication => "replication",
            Self::Text => "text",
            Self::Models => "models",
            Self::Collections => "collections",
            Self::Pinned => "pinned",
            Self::BorrowedPages => "borrowed_pages",
        }
    }

    /// Whether its bytes are a cache's: they share one bound of their own below the root's, and
    /// operations outrank them.
    pub const fn is_cache(self) -> bool {
        matches!(
            self,
            Self::QueryCache
                | Self::EmbeddingCache
                | Self::IndexPages
                | Self::Metadata
                | Self::Discovery
        )
    }

    /// Whether its bytes can be had back without losing anything: caches and borrowed pages. A
    /// request for such bytes takes none from others.
    pub const fn is_reclaimable(self) -> bool {
        self.is_cache() || matches!(self, Self::BorrowedPages)
    }

    /// The position within [`Class::ALL`].
    #[inline]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_is_the_position_in_all() {
        for (at, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class.index(), at, "{class}");
        }
    }
}
