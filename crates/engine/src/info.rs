//! What a collection holds, and how far its indexes are.

use std::collections::BTreeMap;
use std::sync::Arc;

use vectorizer_model::{CollectionSettings, SequenceNumber};
use vectorizer_segment::ComponentKind;

use crate::shard::Shard;
use crate::state::ShardState;

/// What a collection holds, and how far its indexes are.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectionInfo {
    /// What it is.
    pub settings: Arc<CollectionSettings>,
    /// The last operation that readers see.
    pub applied: SequenceNumber,
    /// Points that are there.
    pub points: u64,
    /// Segments on disk.
    pub segments: usize,
    /// Rows that a graph covers, dead ones included.
    pub indexed_rows: u64,
    /// Rows that are scanned because their segment has no graph yet, or is too small for one.
    pub scanned_rows: u64,
    /// Rows that wait for a graph.
    pub backlog_rows: u64,
    /// Bytes of rows that are not flushed yet.
    pub memtable_bytes: u64,
    /// Bytes on disk, by what they hold.
    pub bytes: BTreeMap<&'static str, u64>,
    /// Points that each indexed field covers.
    pub field_points: BTreeMap<String, u64>,
    /// Why the collection takes no writes, if it does not.
    pub failure: Option<String>,
}

pub(crate) fn collection_info(shard: &Arc<Shard>) -> CollectionInfo {
    let view = shard.view();
    let state = view.state();
    let mut info = CollectionInfo {
        settings: Arc::clone(&state.settings),
        applied: view.seq(),
        points: view.count(&vectorizer_model::Filter::default()).unwrap_or(0),
        segments: state.segments.len(),
        indexed_rows: 0,
        scanned_rows: 0,
        backlog_rows: 0,
        memtable_bytes: state.active.charged_bytes(),
        bytes: ComponentKind::ALL.into_iter().map(|kind| (kind.name(), 0)).collect(),
        field_points: BTreeMap::new(),
        failure: shard.check_writable().err().map(|error| error.to_string()),
    };
    let memtable_rows =
        state.active.rows() + state.frozen.as_ref().map_or(0, |frozen| frozen.memtable.rows());
    info.memtable_bytes += state.frozen.as_ref().map_or(0, |f| f.memtable.charged_bytes());
    info.scanned_rows = u64::from(memtable_rows);
    for live in &state.segments {
        let rows = u64::from(live.segment.rows());
        let graph = state.settings.vectors.keys().any(|name| live.segment.has_graph(name));
        if graph {
            info.indexed_rows += rows;
        } else {
            info.scanned_rows += rows;
        }
        if !shard.missing_graphs(&live.segment, &state.settings).is_empty() {
            info.backlog_rows += rows;
        }
        for component in &live.segment.record().components {
            *info.bytes.entry(component.kind.name()).or_default() += component.bytes;
        }
    }
    for key in state.settings.field_indexes.keys() {
        let covered = state.segments.iter().filter_map(|live| live.segment.indexes().get(key));
        let points = covered.map(|index| index.valued_rows().len()).sum();
        info.field_points.insert(key.to_string(), points);
    }
    info
}

/// Bytes of vectors in rows that wait for a graph; none if they are too few for one.
pub(crate) fn unindexed_bytes(shard: &Shard, state: &ShardState) -> u64 {
    let segments = state.segments.iter().map(|live| &live.segment);
    let lacking = segments.filter(|s| !Shard::lacking_graphs(s, &state.settings).is_empty());
    let rows: u64 = lacking.map(|segment| u64::from(segment.rows())).sum();
    if rows < u64::from(shard.node.config.graph_rows_min) {
        return 0;
    }
    rows * crate::memtable::Memtable::row_bytes(&state.settings)
}
