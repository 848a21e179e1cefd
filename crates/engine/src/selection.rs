//! The rows of one segment that a request may answer: alive, admitted by the filter, and with the
//! vector that is sought.

use std::sync::Arc;

use vectorizer_memory::Drawn;
use vectorizer_model::{Cardinality, Condition, Filter, Ordinal, PointId, Selection, VectorName};
use vectorizer_payload::{
    Admitted, Leaf, Rows, Selected, estimate, sample_candidates, sample_rows, select,
};

use crate::error::{EngineError, Result};
use crate::judge::Judge;
use crate::state::LiveSegment;
use crate::verdicts::Asked;
use crate::view::ReadView;

/// Which rows the payload indexes leave over.
enum Candidates<'a> {
    Exact(Admitted<'a>),
    /// `certain` rows, and those of the `possible` ones that a judge of payloads admits.
    Judged {
        certain: Admitted<'a>,
        possible: Admitted<'a>,
        judge: Box<Judge<'a>>,
    },
}

/// The rows of one segment that a request may answer.
pub(crate) struct RowSelection<'a> {
    view: &'a ReadView,
    live: &'a LiveSegment,
    candidates: Candidates<'a>,
    vector: Option<&'a VectorName>,
    cardinality: Cardinality,
    /// Rows before this one were read ahead.
    ahead: Ordinal,
    /// For bitmaps of the segment's rows, and tests of them.
    _held: Drawn,
}

/// Parts of a sample that are asked one after another, until enough is known.
const ROUNDS: usize = 16;
/// A share is known well enough, to a quarter, when so many rows of a sample are admitted.
const ENOUGH_HITS: u64 = 16;
/// Rows in order that are read side by side.
const AHEAD: u32 = 64;
/// Bitmaps of a segment's rows that are there at once while indexes are asked.
const BITMAPS: u64 = 4;
/// With candidates of at least one row in so many, what is found out by the way is of use to all
/// who ask the same of payloads; fewer are judged alone.
const WIDE_PART: u64 = 4;
/// Bytes of the test that a condition becomes, with the values it lists.
const CONDITION_BYTES: u64 = 1 << 10;

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
        let held = view.reserve(bytes_needed(filter, rows))?;
        let walks = vector.is_some_and(|name| live.segment.has_graph(name));
        let searches = vector.is_some();
        let vector = vector.filter(|name| !live.segment.is_complete(name));
        let find = |id: PointId| live.segment.find(id).map_err(EngineError::from);
        let changed = view.changed_rows(live).map(Arc::new);
        let indexes = live.segment.indexes();
        let leaf = Leaf { rows, indexes, changed: changed.clone(), ids: &find };
        let selected = select(filter, &leaf)?;
        let counted = selected.cardinality(rows);
        let sample = (searches && counted.is_none()).then(|| Sample::of(&selected, rows));
        let candidates = match selected {
            Selected::Exact(admitted) => Candidates::Exact(Admitted::new(admitted, rows)),
            Selected::Partly { certain, candidates, residual } => {
                let mut judge = Box::new(Judge::new(view, live, residual, changed));
                if is_wide(&candidates, rows) {
                    judge.go_on()?;
                }
                Candidates::Judged {
                    certain: Admitted::new(certain, rows),
                    possible: Admitted::new(candidates, rows),
                    judge,
                }
            }
        };
        let cardinality = counted.unwrap_or(Cardinality::Estimate(u64::from(rows)));
        let ahead = Ordinal(0);
        let mut selection =
            Self { view, live, candidates, vector, cardinality, ahead, _held: held };
        match sample {
            Some(sample) if walks => selection.cardinality = selection.estimate(&sample)?,
            // A scan asks few rows, and need not know.
            Some(sample) => {
                selection.cardinality = Cardinality::Estimate(sample.certain + sample.of);
            }
            None => {}
        }
        let dead = u64::from(live.deaths.count().min(rows));
        if dead > 0 || vector.is_some() {
            // As many of those admitted are dead as of all.
            let admitted = selection.cardinality.rows().min(rows.into());
            let alive = admitted * (u64::from(rows) - dead) / u64::from(rows.max(1));
            selection.cardinality = Cardinality::Estimate(alive);
        }
        Ok(selection)
    }

    fn estimate(&mut self, sample: &Sample) -> Result<Cardinality> {
        let (mut hits, mut asked) = (0, 0);
        for round in 0..ROUNDS {
            // Each round is spread over the segment.
            let rows: Vec<Ordinal> =
                sample.rows.iter().skip(round).step_by(ROUNDS).copied().collect();
            self.prefetch(&rows);
            for &ordinal in &rows {
                hits += u64::from(self.is_candidate(ordinal)?);
            }
            asked += rows.len() as u64;
            if hits >= ENOUGH_HITS {
                break;
            }
        }
        Ok(match estimate(hits, asked, sample.of) {
            Cardinality::Exact(rows) => Cardinality::Exact(sample.certain + rows),
            Cardinality::Estimate(rows) => Cardinality::Estimate(sample.certain + rows),
        })
    }

    fn is_candidate(&mut self, ordinal: Ordinal) -> Result<bool> {
        match &mut self.candidates {
            Candidates::Exact(rows) => Ok(rows.contains(ordinal)),
            Candidates::Judged { certain, possible, judge } => {
                if certain.contains(ordinal) {
                    return Ok(true);
                }
                Ok(possible.contains(ordinal) && judge.admits(ordinal)?)
            }
        }
    }

    /// Reads the payloads of the next rows that may be asked.
    fn read_ahead(&mut self, from: Ordinal, end: Ordinal) {
        let end = Ordinal(end.0.min(from.0.saturating_add(AHEAD)));
        let rows: Vec<Ordinal> = (from.0..end.0).map(Ordinal).collect();
        self.prefetch(&rows);
        self.ahead = end;
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

    fn reads_rows(&self) -> bool {
        matches!(self.candidates, Candidates::Judged { .. })
    }

    fn prefetch(&mut self, rows: &[Ordinal]) {
        let Candidates::Judged { certain, possible, judge } = &self.candidates else { return };
        let open = |row: &Ordinal| {
            judge.must_read(*row)
                && possible.contains(*row)
                && !certain.contains(*row)
                && self.is_answerable(*row)
        };
        let open: Vec<Ordinal> = rows.iter().copied().filter(open).collect();
        self.live.segment.prefetch_payloads(&open);
    }

    fn next(&mut self, from: Ordinal, end: Ordinal) -> Result<Option<Ordinal>> {
        let mut from = from;
        loop {
            let Some(row) = self.candidates.first_from(from, end) else { return Ok(None) };
            if row >= self.ahead && self.candidates.are_few() {
                self.read_ahead(row, end);
            }
            if self.is_answerable(row) && self.candidates.admits_in_turn(row)? {
                return Ok(Some(row));
            }
            from = Ordinal(row.0 + 1);
        }
    }
}

impl Candidates<'_> {
    /// The first row at or after `from` and before `end` that is not known to be left out.
    fn first_from(&mut self, from: Ordinal, end: Ordinal) -> Option<Ordinal> {
        match self {
            Self::Exact(rows) => rows.first_from(from, end),
            Self::Judged { certain, possible, judge } => {
                let open = if certain.is_none() { judge.next_open(from)? } else { from };
                possible.first_from(open, end)
            }
        }
    }

    /// Whether those that are to be judged are few, and judged one by one.
    fn are_few(&self) -> bool {
        matches!(self, Self::Judged { possible: Admitted::Bitmap(_), .. })
    }

    /// Whether one of them is admitted, where those after it will be asked too.
    fn admits_in_turn(&mut self, row: Ordinal) -> Result<bool> {
        match self {
            Self::Exact(_) => Ok(true),
            Self::Judged { certain, .. } if certain.contains(row) => Ok(true),
            Self::Judged { possible: Admitted::Bitmap(_), judge, .. } => judge.admits(row),
            Self::Judged { judge, .. } => judge.admits_in_turn(row),
        }
    }
}

/// Whether rows are enough of all that their neighbours are asked too.
fn is_wide(candidates: &Rows<'_>, rows: u32) -> bool {
    candidates.count(rows).is_none_or(|count| count * WIDE_PART >= u64::from(rows))
}

/// Bytes of the bitmaps and tests that asking the indexes leaves.
pub(crate) fn bytes_needed(filter: &Filter, rows: u32) -> u64 {
    if filter.is_empty() {
        return 0;
    }
    let bitmaps = BITMAPS * u64::from(rows).div_ceil(8) + Asked::bytes_needed(rows);
    bitmaps + conditions(filter) * CONDITION_BYTES
}

/// Conditions of a filter, nested ones included.
fn conditions(filter: &Filter) -> u64 {
    let all = filter.must.iter().chain(&filter.should).chain(&filter.must_not);
    let counts = all.map(|condition| match condition {
        Condition::Filter(inner) => 1 + conditions(inner),
        Condition::Field { .. } | Condition::IsEmpty(_) | Condition::HasId(_) => 1,
    });
    counts.sum()
}

/// Rows to ask for an estimate.
struct Sample {
    rows: Vec<Ordinal>,
    /// Rows that the sample stands for.
    of: u64,
    /// Rows that are admitted for certain, outside of the sample.
    certain: u64,
}

impl Sample {
    fn of(selected: &Selected<'_>, rows: u32) -> Self {
        // The same segment is always asked the same rows, so that a plan can be repeated.
        const SEED: u64 = 0;
        if let Selected::Partly {
            certain: Rows::Bitmap(certain),
            candidates: Rows::Bitmap(candidates),
            ..
        } = selected
        {
            let open = candidates - certain;
            let rows = sample_candidates(&open, SEED);
            return Self { rows, of: open.len(), certain: certain.len() };
        }
        Self { rows: sample_rows(rows, SEED), of: u64::from(rows), certain: 0 }
    }
}
