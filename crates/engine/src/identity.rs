//! What a view shows, in three numbers; a segment, in two.

/// Two views of the same identity show the same points: a write changes the position, a flush or
/// merge the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ViewIdentity {
    /// The shard; its number is never used again.
    pub shard: u32,
    /// The version of its manifest.
    pub version: u64,
    /// The last operation shown.
    pub seq: u64,
}

/// A segment among all of the node: neither number is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SegmentKey {
    pub(crate) shard: u32,
    pub(crate) segment: u64,
}
