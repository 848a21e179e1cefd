//! What readers see of a shard: a value that never changes.

use std::sync::Arc;

use vectorizer_model::{CollectionSettings, SequenceNumber};
use vectorizer_segment::Segment;

use crate::deaths::Deaths;
use crate::manifest::Manifest;
use crate::memtable::Memtable;

/// A segment with what has happened to its rows since the manifest.
#[derive(Debug, Clone)]
pub(crate) struct LiveSegment {
    pub(crate) segment: Arc<Segment>,
    pub(crate) deaths: Arc<Deaths>,
}

/// A memtable that takes no more rows; a flush turns it into a segment.
#[derive(Debug, Clone)]
pub(crate) struct Frozen {
    pub(crate) memtable: Arc<Memtable>,
    /// The last operation it holds.
    pub(crate) last: SequenceNumber,
    /// The settings after that operation.
    pub(crate) settings: Arc<CollectionSettings>,
}

/// All that readers see of a shard.
#[derive(Debug, Clone)]
pub(crate) struct ShardState {
    pub(crate) settings: Arc<CollectionSettings>,
    pub(crate) active: Arc<Memtable>,
    pub(crate) frozen: Option<Frozen>,
    /// Oldest first.
    pub(crate) segments: Vec<LiveSegment>,
    pub(crate) manifest: Arc<Manifest>,
}
