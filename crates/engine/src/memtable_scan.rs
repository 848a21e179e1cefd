//! The nearest rows of memtables: full chunks by their codes, rescored; others as they are.

use std::collections::BinaryHeap;
use std::sync::{Arc, PoisonError, RwLock};

use vectorizer_kernels::{divided_by_length, kernels};
use vectorizer_model::settings::VectorSettings;
use vectorizer_model::{Ordinal, Scored, SequenceNumber};
use vectorizer_payload::matches;

use crate::leaf::LeafSearch;
use crate::memtable::{Chunk, Memtable, RowView};
use crate::nearest::NearestHits;

/// Rows that are scored in one call.
const RUN: usize = 256;

/// One search of memtables.
pub(crate) struct MemtableScan<'a> {
    search: &'a LeafSearch,
    settings: &'a VectorSettings,
    query: &'a [f32],
    /// Rows of coded chunks that are rescored.
    candidates: usize,
}

/// Rows of coded chunks, by approximate distance. A candidate's ordinal is its place in `places`.
struct Candidates {
    /// None farther is kept.
    within: f32,
    nearest: BinaryHeap<Scored>,
    places: Vec<(usize, u32)>,
}

impl<'a> MemtableScan<'a> {
    /// A search with a query of shape `[dim]`, normalised if the metric is cosine.
    pub(crate) fn new(
        search: &'a LeafSearch,
        settings: &'a VectorSettings,
        query: &'a [f32],
        candidates: usize,
    ) -> Self {
        Self { search, settings, query, candidates: candidates.max(search.limit) }
    }

    /// Offers every near row that is visible at `seq` and admitted by the filter. Of rows with
    /// codes those count as near that are, by these, not farther than `within`.
    pub(crate) fn run<'m>(
        &self,
        memtables: impl Iterator<Item = &'m Memtable>,
        seq: SequenceNumber,
        within: f32,
        nearest: &mut NearestHits,
    ) {
        let mut coded = Vec::new();
        let mut candidates = Candidates { within, nearest: BinaryHeap::new(), places: Vec::new() };
        for memtable in memtables {
            let named = |shape: &crate::memtable::ColumnShape| shape.name == self.search.vector;
            let Some(column) = memtable.columns().iter().position(named) else { continue };
            for (_, chunk) in memtable.chunks() {
                if self.scan_codes(&chunk, (coded.len(), column), seq, &mut candidates) {
                    coded.push((chunk, column));
                } else {
                    self.scan_values(&chunk, column, seq, nearest);
                }
            }
        }
        for scored in candidates.nearest {
            let (of, at) = candidates.places[scored.ordinal.index()];
            let (chunk, column) = &coded[of];
            let chunk = chunk.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(row) = chunk.row(at) {
                self.offer(&row, *column, nearest);
            }
        }
    }

    fn admits(&self, row: &RowView<'_>, seq: SequenceNumber) -> bool {
        let filter = &self.search.filter;
        row.is_visible(seq) && (filter.is_empty() || matches(filter, row.id, row.payload()))
    }

    fn offer(&self, row: &RowView<'_>, column: usize, nearest: &mut NearestHits) {
        let Some(vector) = row.vector(column) else { return };
        let distance = kernels().f32.of(self.settings.metric).pair_f32(self.query, vector);
        let divides = self.settings.divides_by_length();
        let distance = if divides { divided_by_length(distance, vector) } else { distance };
        nearest.push(distance, row.id);
    }

    fn scan_values(
        &self,
        chunk: &RwLock<Chunk>,
        column: usize,
        seq: SequenceNumber,
        nearest: &mut NearestHits,
    ) {
        let chunk = chunk.read().unwrap_or_else(PoisonError::into_inner);
        for row in chunk.rows().filter(|row| self.admits(row, seq)) {
            self.offer(&row, column, nearest);
        }
    }

    /// Keeps the chunk's near rows as candidates. False if the chunk has no codes, or they are
    /// not to be used.
    fn scan_codes(
        &self,
        chunk: &Arc<RwLock<Chunk>>,
        (of, column): (usize, usize),
        seq: SequenceNumber,
        candidates: &mut Candidates,
    ) -> bool {
        let chunk = chunk.read().unwrap_or_else(PoisonError::into_inner);
        let Some(codes) = chunk.codes(column).filter(|_| !self.search.params.exact) else {
            return false;
        };
        let query = codes.query(self.query);
        let mut distances = [0.0; RUN];
        let rows = chunk.len() as usize;
        for first in (0..rows).step_by(RUN) {
            let run = &mut distances[..RUN.min(rows - first)];
            codes.scan(&query, first, run);
            for (at, &distance) in (first..).zip(&*run) {
                if candidates.is_near(distance, self.candidates)
                    && let Some(row) = chunk.row(Ordinal::from_index(at).0)
                    && row.vector(column).is_some()
                    && self.admits(&row, seq)
                {
                    candidates.keep(distance, (of, Ordinal::from_index(at).0), self.candidates);
                }
            }
        }
        true
    }
}

impl Candidates {
    fn is_near(&self, distance: f32, limit: usize) -> bool {
        let nearer = || self.nearest.peek().is_some_and(|far| distance < far.distance);
        let beyond = distance > self.within;
        !beyond && (self.nearest.len() < limit || nearer())
    }

    /// Keeps a near row; the place of the one that it drives out is used again.
    fn keep(&mut self, distance: f32, place: (usize, u32), limit: usize) {
        let ordinal = if self.nearest.len() < limit {
            self.places.push(place);
            Ordinal::from_index(self.places.len() - 1)
        } else {
            let Some(out) = self.nearest.pop() else { return };
            self.places[out.ordinal.index()] = place;
            out.ordinal
        };
        self.nearest.push(Scored { distance, ordinal });
    }
}
