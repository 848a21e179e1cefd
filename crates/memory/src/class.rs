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
    /// Catalogues, manifests, id tables.
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
}

impl Class {
    /// Every class, in the order of their numbers.
    pub const ALL: [Self; 11] = [
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
        }
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
