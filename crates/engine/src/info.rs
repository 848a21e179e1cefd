//! What a collection holds, and how far its indexes are.

use std::collections::BTreeMap;
use std::sync::Arc;

use vectorizer_model::{CollectionSettings, SequenceNumber};
use vectorizer_segment::ComponentKind;

use vectorizer_model::VectorName;
use vectorizer_model::settings::VectorSettings;
use vectorizer_segment::SegmentRecord;

use crate::manifest::Manifest;
use crate::shard::Shard;

/// What a collection holds, and how far its indexes are.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectionInfo {
    /// What it is.
    pub settings: Arc<CollectionSettings>,
    /// Whether its segments are open; a collection is opened when it is wanted.
    pub open: bool,
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

impl CollectionInfo {
    /// What the records of segments tell. Dead rows count as points.
    fn of_records<'a>(
        settings: &Arc<CollectionSettings>,
        applied: SequenceNumber,
        records: impl Iterator<Item = &'a SegmentRecord>,
        graph_rows_min: u32,
    ) -> Self {
        let mut info = Self {
            settings: Arc::clone(settings),
            open: false,
            applied,
            points: 0,
            segments: 0,
            indexed_rows: 0,
            scanned_rows: 0,
            backlog_rows: 0,
            memtable_bytes: 0,
            bytes: ComponentKind::ALL.into_iter().map(|kind| (kind.name(), 0)).collect(),
            field_points: BTreeMap::new(),
            failure: None,
        };
        for record in records {
            let rows = u64::from(record.rows);
            let has = |kind, name: &VectorName| record.component(kind, &name.0).is_some();
            let graph = settings.vectors.keys().any(|name| has(ComponentKind::Graph, name));
            let wants = |(name, vector): (&VectorName, &VectorSettings)| {
                vector.hnsw.unwrap_or(settings.hnsw).m > 0
                    && has(ComponentKind::Codes, name)
                    && !has(ComponentKind::Graph, name)
            };
            let waits = record.rows >= graph_rows_min && settings.vectors.iter().any(wants);
            info.segments += 1;
            info.points += rows;
            *(if graph { &mut info.indexed_rows } else { &mut info.scanned_rows }) += rows;
            info.backlog_rows += if waits { rows } else { 0 };
            for component in &record.components {
                *info.bytes.entry(component.kind.name()).or_default() += component.bytes;
            }
        }
        info
    }

    /// What a manifest tells, with so many dead rows.
    pub(crate) fn of_manifest(manifest: &Manifest, dead: u64, graph_rows_min: u32) -> Self {
        let settings = Arc::new(manifest.settings.clone());
        let records = manifest.segments.iter();
        let info = Self::of_records(&settings, manifest.applied, records, graph_rows_min);
        Self { points: info.points.saturating_sub(dead), ..info }
    }
}

pub(crate) fn collection_info(shard: &Arc<Shard>) -> CollectionInfo {
    let view = shard.view();
    let state = view.state();
    let records = state.segments.iter().map(|live| live.segment.record());
    let graph_rows_min = shard.node.config.graph_rows_min;
    let mut info = CollectionInfo::of_records(&state.settings, view.seq(), records, graph_rows_min);
    info.open = true;
    info.points = view.points();
    info.failure = shard.check_writable().err().map(|error| error.to_string());
    let memtables = [&state.active].into_iter().chain(state.frozen.as_ref().map(|f| &f.memtable));
    for memtable in memtables {
        info.scanned_rows += u64::from(memtable.rows());
        info.memtable_bytes += memtable.charged_bytes();
    }
    for key in state.settings.field_indexes.keys() {
        let covered = state.segments.iter().filter_map(|live| live.segment.indexes().get(key));
        let points = covered.map(|index| index.valued_rows().len()).sum();
        info.field_points.insert(key.to_string(), points);
    }
    info
}
