//! What reading a shard takes in memory, told before it is read.

use vectorizer_model::operation::PointSelector;
use vectorizer_model::{CollectionSettings, Filter, PointId, Scored};
use vectorizer_segment::{ComponentKind, Shortlist};

use crate::leaf::{Hit, PayloadSelector, SearchParams, Select, VectorSelector};
use crate::memtable::payload_bytes;
use crate::selection::bytes_needed;
use crate::state::LiveSegment;
use crate::view::{ReadView, STEP_BYTES, effort};

/// Most points of one entry that names points by filter.
pub(crate) const PART_POINTS_MAX: usize = 4096;

/// Bytes of a candidate in the heaps and lists of a search.
const CANDIDATE_BYTES: u64 = (2 * size_of::<Hit>() + 4 * size_of::<Scored>()) as u64;
/// Bytes of a record besides its payload and vectors, about.
const RECORD_BYTES: u64 = 256;
/// Bytes of an object's first node, about.
const PAYLOAD_BYTES: u64 = 1 << 10;
/// Bytes in memory for each that a payload has on disk, about.
const PAYLOAD_EXPANSION: u64 = 4;
/// Memtable rows whose payloads are looked at for an estimate.
const SAMPLED_ROWS: u32 = 8;

/// What so many records take besides their payloads.
pub fn records_bytes(settings: &CollectionSettings, select: &Select, records: usize) -> u64 {
    let dims = settings.vectors.values().map(|vector| u64::from(vector.dim));
    let wanted = select.vectors != VectorSelector::Nothing;
    let vectors = if wanted { dims.sum::<u64>() * 4 } else { 0 };
    (records as u64).saturating_mul(RECORD_BYTES + vectors)
}

impl ReadView {
    /// Candidates on their way through the heaps of the memtables and of one segment.
    pub(crate) fn candidates(&self, params: &SearchParams, limit: usize) -> usize {
        let (_, rescored) = effort(params, limit, 1.0);
        rescored.max(limit).min(self.rows())
    }

    /// Bytes of a search with so many candidates: their heaps and lists, the list of segments, the
    /// vector that is sought, and what a step reads.
    pub(crate) fn search_bytes(&self, candidates: usize, dim: u32) -> u64 {
        let segments = self.state().segments.len() * size_of::<&LiveSegment>();
        let listed = Shortlist::bytes_needed(candidates) + segments as u64;
        candidates as u64 * CANDIDATE_BYTES + listed + u64::from(dim) * 4 + STEP_BYTES
    }

    /// Bytes of a page of ids, and of the id after it.
    pub(crate) fn page_bytes(&self, limit: usize) -> u64 {
        let wanted = limit.saturating_add(1).min(self.rows().saturating_add(1));
        wanted as u64 * size_of::<PointId>() as u64
    }

    /// Bytes that judging rows by a filter takes: that of one segment at a time.
    fn selection_bytes(&self, filter: &Filter) -> u64 {
        let segments = self.state().segments.iter();
        segments.map(|live| bytes_needed(filter, live.segment.rows())).max().unwrap_or(0)
    }

    /// About what a search takes, without its answer's records and its thread's scratch.
    pub fn estimate_search(&self, limit: usize, params: &SearchParams, filter: &Filter) -> u64 {
        let dims = self.settings().vectors.values().map(|vector| vector.dim);
        let candidates = self.candidates(params, limit);
        self.search_bytes(candidates, dims.max().unwrap_or(0)) + self.selection_bytes(filter)
    }

    /// About what finding a page of ids takes.
    pub fn estimate_scroll(&self, limit: usize, filter: &Filter) -> u64 {
        self.page_bytes(limit) + self.selection_bytes(filter)
    }

    /// About what counting takes.
    pub fn estimate_count(&self, filter: &Filter) -> u64 {
        self.selection_bytes(filter)
    }

    /// What so many records take besides their payloads.
    pub fn records_bytes(&self, select: &Select, records: usize) -> u64 {
        records_bytes(self.settings(), select, records)
    }

    /// About what reading so many records takes, payloads included.
    pub fn estimate_records(&self, select: &Select, records: usize) -> u64 {
        let records = records.min(self.rows());
        let wanted = select.payload != PayloadSelector::Nothing;
        let payload = if wanted { self.payload_bytes_about() } else { 0 };
        let payloads = (records as u64).saturating_mul(payload);
        self.records_bytes(select, records).saturating_add(payloads) + STEP_BYTES
    }

    /// How many points an operation by selector concerns at a time, and about what finding them
    /// takes.
    pub fn estimate_selected(&self, points: &PointSelector) -> (usize, u64) {
        match points {
            PointSelector::Ids(ids) => (ids.len(), 0),
            PointSelector::Filter(filter) => {
                let found = PART_POINTS_MAX.min(self.rows());
                (found, self.estimate_scroll(found, filter))
            }
        }
    }

    /// Bytes of a payload in memory, about: the mean on disk, or the largest of some rows not yet
    /// flushed.
    fn payload_bytes_about(&self) -> u64 {
        let flushed = self
            .state()
            .segments
            .iter()
            .map(|live| &live.segment)
            .max_by_key(|segment| segment.rows());
        let flushed = flushed.map_or(0, |segment| {
            let component = segment.record().component(ComponentKind::Payload, "");
            let bytes = component.map_or(0, |component| component.bytes);
            let mean = bytes / u64::from(segment.rows().max(1));
            if bytes == 0 { 0 } else { PAYLOAD_BYTES + mean * PAYLOAD_EXPANSION }
        });
        let fresh = self.memtables().flat_map(|memtable| {
            let rows = memtable.rows().min(SAMPLED_ROWS);
            (0..rows).filter_map(|row| memtable.with_row(row, |row| payload_bytes(row.payload())))
        });
        // Others may be larger than those looked at.
        let fresh = fresh.max().map_or(0, |bytes: u64| bytes + bytes / 4);
        flushed.max(fresh)
    }
}
