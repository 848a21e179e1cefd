//! How a log is kept.

use vectorizer_model::bytes::MIB;

/// When an entry counts as committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// After a sync of its group: it survives the loss of power.
    #[default]
    Fsync,
    /// After the write of its group: it survives the death of the process, not of the machine.
    /// Files are still synced when they are full, and by [`Log::sync`](crate::Log::sync).
    Os,
}

/// How a log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// A file that would grow beyond this many bytes is closed and the next one opened; default
    /// 64 MiB. A group is never split, so a file holds at least one group, however large.
    pub file_bytes: u64,
    /// When an entry counts as committed; default [`Durability::Fsync`].
    pub durability: Durability,
    /// The node's identity, stamped on every file; a log of another node is refused.
    pub node: u128,
}

impl LogConfig {
    /// The defaults, for this node.
    pub fn new(node: u128) -> Self {
        Self { file_bytes: 64 * MIB, durability: Durability::default(), node }
    }
}
