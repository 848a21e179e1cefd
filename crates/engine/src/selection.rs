//! The rows of one segment that a request may answer: alive, admitted by the filter, and with the
//! vector that is sought.

use roaring::RoaringBitmap;
use vectorizer_memory::Reservation;
use vectorizer_model::{Cardinality, Filter, Ordinal, PointId, Selection, VectorName};
use vectorizer_payload::{
    BitmapSelection, Leaf, Selected, estimate, matches, sample_candidates, sample_rows, select,
};

use crate::error::{EngineError, Result};
use crate::state::LiveSegment;
use crate::view::ReadView;

/// Which rows the payload indexes leave over.
enum Candidates {
    All,
    Exact(BitmapSelection),
    /// `certain` rows, and those of the `possible` ones whose payload satisfies the filter; every
    /// row is possible if there is no bitmap.
    Judged {
        certain: BitmapSelection,
        possible: Option<BitmapSelection>,
        residual: Filter,
    },
}

/// The rows of one segment that a request may answer.
pub(crate) struct RowSelection<'a> {
    view: &'a ReadView,
    live: &'a LiveSegment,
    candidates: Candidates,
    vector: Option<&'a VectorName>,
    cardinality: Cardinality,
    /// For bitmaps of the segment's rows.
    _held: Reservation,
}

/// Bitmaps of a segment's rows that are there at once while indexes are asked.
const BITMAPS: u64 = 4;

impl<'a> RowSelection<'a> {
    /// Asks the segment's indexes. A search, which names its vector, wants to know how many rows
    /// there are: where the indexes do not know, a sample of payloads is asked.
    ///
    /// # Errors
    /// If memory is short or a page cannot be read.
    pub(crate) fn new(
        view: &'a ReadView,
        live: &'a LiveSegment,
        filter: &Filter,
        vector: Option<&'a VectorName>,
    ) -> Result<Self> {
        let rows = live.segment.rows();
        let bitmaps = if filter.is_empty() { 0 } else { BITMAPS };
        let held = view.reserve(bitmaps * u64::from(rows).div_ceil(8))?;
        let counts = vector.is_some();
        let vector = vector.filter(|name| !live.segment.is_complete(name));
        let changed = view.changed_rows(live);
        let find = |id: PointId| live.segment.find(id).map_err(EngineError::from);
        let leaf =
            Leaf { rows, indexes: live.segment.indexes(), changed: changed.as_ref(), ids: &find };
        let selected = select(filter, &leaf)?;
        let counted = selected.cardinality(rows);
        let (candidates, sample) = Candidates::new(selected, rows);
        let unknown = Cardinality::Estimate(u64::from(rows));
        let mut selection =
            Self { view, live, candidates, vector, cardinality: unknown, _held: held };
        if !counts {
            return Ok(selection);
        }
        let known = counted.map_or_else(|| selection.sample(&sample), Ok)?;
        selection.cardinality = if live.deaths.count() == 0 && vector.is_none() {
            known
        } else {
            Cardinality::Estimate(known.rows().min(u64::from(rows)))
        };
        Ok(selection)
    }

    fn sample(&self, sample: &Sample) -> Result<Cardinality> {
        let mut hits = 0;
        for &ordinal in &sample.rows {
            hits += u64::from(self.is_candidate(ordinal)?);
        }
        Ok(match estimate(hits, sample.rows.len() as u64, sample.of) {
            Cardinality::Exact(rows) => Cardinality::Exact(sample.certain + rows),
            Cardinality::Estimate(rows) => Cardinality::Estimate(sample.certain + rows),
        })
    }

    fn is_candidate(&self, ordinal: Ordinal) -> Result<bool> {
        match &self.candidates {
            Candidates::All => Ok(true),
            Candidates::Exact(rows) => Ok(rows.contains(ordinal)),
            Candidates::Judged { certain, possible, residual } => {
                if certain.contains(ordinal) {
                    return Ok(true);
                }
                if possible.as_ref().is_some_and(|rows| !rows.contains(ordinal)) {
                    return Ok(false);
                }
                let payload = self.view.payload_of(self.live, ordinal)?;
                Ok(matches(residual, self.live.segment.id_of(ordinal)?, &payload))
            }
        }
    }

    fn is_answerable(&self, ordinal: Ordinal) -> bool {
        !self.live.deaths.is_dead(ordinal, self.view.seq())
            && self.vector.is_none_or(|name| self.live.segment.has_vector(name, ordinal))
    }
}

impl Selection for RowSelection<'_> {
    type Error = EngineError;

    #[inline]
    fn admits(&mut self, ordinal: Ordinal) -> Result<bool> {
        Ok(self.is_answerable(ordinal) && self.is_candidate(ordinal)?)
    }

    fn cardinality(&self) -> Cardinality {
        self.cardinality
    }

    fn next(&mut self, from: Ordinal, end: Ordinal) -> Result<Option<Ordinal>> {
        let mut from = from;
        loop {
            let next = match &self.candidates {
                Candidates::All | Candidates::Judged { possible: None, .. } => Some(from),
                Candidates::Exact(rows) | Candidates::Judged { possible: Some(rows), .. } => {
                    rows.first_from(from)
                }
            };
            match next {
                Some(row) if row < end => {
                    if self.admits(row)? {
                        return Ok(Some(row));
                    }
                    from = Ordinal(row.0 + 1);
                }
                _ => return Ok(None),
            }
        }
    }
}

/// Rows to ask for an estimate.
struct Sample {
    rows: Vec<Ordinal>,
    /// Rows that the sample stands for.
    of: u64,
    /// Rows that are admitted for certain, outside of the sample.
    certain: u64,
}

impl Candidates {
    fn new(selected: Selected, rows: u32) -> (Self, Sample) {
        // The same segment is always asked the same rows, so that a plan can be repeated.
        const SEED: u64 = 0;
        let nothing = Sample { rows: Vec::new(), of: 0, certain: 0 };
        match selected {
            Selected::All => (Self::All, nothing),
            Selected::Exact(bitmap) => (Self::Exact(BitmapSelection::new(bitmap, rows)), nothing),
            Selected::Partly { certain, candidates, residual } => {
                let open = &candidates - &certain;
                let sample = Sample {
                    rows: sample_candidates(&open, SEED),
                    of: open.len(),
                    certain: certain.len(),
                };
                let certain = BitmapSelection::new(certain, rows);
                let possible = Some(BitmapSelection::new(candidates, rows));
                (Self::Judged { certain, possible, residual }, sample)
            }
            Selected::Unindexed { residual } => {
                let sample =
                    Sample { rows: sample_rows(rows, SEED), of: u64::from(rows), certain: 0 };
                let certain = BitmapSelection::new(RoaringBitmap::new(), rows);
                (Self::Judged { certain, possible: None, residual }, sample)
            }
        }
    }
}
