//! The rows of one segment that a request may answer: alive, admitted by the filter, and with the
//! vector that is sought.

use std::ops::Range;
use std::sync::Arc;

use vectorizer_cache::allocated_bytes;
use vectorizer_memory::Drawn;
use vectorizer_model::filter::{Predicate, Scalar};
use vectorizer_model::{Cardinality, Condition, Filter, Ordinal, PointId, Selection, VectorName};
use vectorizer_payload::{
    Admitted, Leaf, Rows, Selected, estimate, sample_candidates, sample_rows, select,
};

use crate::besides::Besides;
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
        /// Whether the possible ones are so many that their neighbours are asked too.
        wide: bool,
    },
}

/// The rows of one segment that a request may answer.
pub(crate) struct RowSelection<'a> {
    view: &'a ReadView,
    live: &'a LiveSegment,
    candidates: Candidates<'a>,
    vector: Option<&'a VectorName>,
    cardinality: Cardinality,
    /// Rows that were read ahead, as so many were to be read at most.
    ahead: (Range<u32>, usize),
    /// The row after the one that was found last.
    turn: Ordinal,
    /// For bitmaps of the segment's rows, and tests of them.
    _held: Drawn,
}

/// Parts of a sample that are asked one after another, until enough is known.
const ROUNDS: usize = 16;
/// Parts that are asked before a scan, which needs to know less.
const SCAN_ROUNDS: usize = 2;
/// A share is known well enough, to a quarter, when so many rows of a sample are admitted.
const ENOUGH_HITS: u64 = 16;
/// Rows in order that are read side by side: at first, and after many were.
const AHEAD_MIN: usize = 4;
const AHEAD_MAX: usize = 64;
/// Bitmaps of a segment's rows that are there at once while indexes are asked.
const BITMAPS: u64 = 4;
/// With candidates of at least one row in so many, what is found out by the way is of use to all
/// who ask the same of payloads; fewer are judged alone.
const WIDE_PART: u64 = 4;
/// Bytes of the test that a condition becomes, beside the values it lists.
const CONDITION_BYTES: u64 = 1 << 10;

impl<'a> RowSelection<'a> {
    /// Asks the segment's indexes. A search, which names its vector, wants to know how many rows
    /// there are: where neither the indexes nor earlier searches know, a sample of payloads is
    /// asked.
    ///
    /// # Errors
    /// If memory is short or a page of an index cannot be read.
    pub(crate) fn new(
        view: &'a ReadView,
        live: &'a LiveSegment,
        filter: &Filter,
        vector: Option<&'a VectorName>,
        besides: &mut Besides,
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
        let mut counted = selected.cardinality(rows);
        let mut sample = None;
        let candidates = match selected {
            Selected::Exact(admitted) => Candidates::Exact(Admitted::new(admitted, rows)),
            Selected::Partly { certain, candidates, residual } => {
                let mut judge = Box::new(Judge::new(view, live, residual, changed));
                let wide = is_wide(&candidates, rows);
                if wide {
                    judge.go_on(besides);
                }
                let only_judged = matches!(candidates, Rows::All) && certain.count(rows) == Some(0);
                let known = judge.admitted_at_most().filter(|_| only_judged);
                // A search asks a sample if nothing better than this is known.
                let at_most = || candidates.count(rows);
                counted = known.or_else(at_most).map(Cardinality::Estimate);
                sample = (searches && known.is_none())
                    .then(|| Sample::of((&certain, &candidates), rows));
                let certain = Admitted::new(certain, rows);
                let possible = Admitted::new(candidates, rows);
                Candidates::Judged { certain, possible, judge, wide }
            }
        };
        let cardinality = counted.unwrap_or(Cardinality::Estimate(u64::from(rows)));
        let (ahead, turn) = ((0..0, 0), Ordinal(0));
        let mut selection =
            Self { view, live, candidates, vector, cardinality, ahead, turn, _held: held };
        if let Some(sample) = sample {
            selection.cardinality =
                selection.estimate(&sample, if walks { ROUNDS } else { SCAN_ROUNDS });
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

    /// How many rows there are, by some rounds of a sample. A row that cannot be judged is passed
    /// over, as nobody may ever ask for it.
    fn estimate(&mut self, sample: &Sample, rounds: usize) -> Cardinality {
        let (mut hits, mut asked) = (0, 0);
        for round in 0..rounds {
            // Each round is spread over the segment.
            let rows: Vec<Ordinal> =
                sample.rows.iter().skip(round).step_by(ROUNDS).copied().collect();
            self.prefetch(&rows);
            for is_candidate in rows.iter().filter_map(|row| self.is_candidate(*row).ok()) {
                hits += u64::from(is_candidate);
                asked += 1;
            }
            if hits >= ENOUGH_HITS {
                break;
            }
        }
        match estimate(hits, asked, sample.of) {
            Cardinality::Exact(rows) => Cardinality::Exact(sample.certain + rows),
            Cardinality::Estimate(rows) => Cardinality::Estimate(sample.certain + rows),
        }
    }

    fn is_candidate(&mut self, ordinal: Ordinal) -> Result<bool> {
        match &mut self.candidates {
            Candidates::Exact(rows) => Ok(rows.contains(ordinal)),
            Candidates::Judged { certain, possible, judge, .. } => {
                if certain.contains(ordinal) {
                    return Ok(true);
                }
                Ok(possible.contains(ordinal) && judge.admits(ordinal)?)
            }
        }
    }

    /// Reads the payloads of the next rows that may be asked: the more of them, the more were asked
    /// in turn.
    fn read_ahead(&mut self, from: Ordinal, end: Ordinal) {
        let most = (self.ahead.1 * 2).clamp(AHEAD_MIN, AHEAD_MAX);
        let (mut rows, mut next) = (Vec::with_capacity(most), from);
        while rows.len() < most
            && let Some(row) = self.candidates.first_from(next, end)
        {
            rows.push(row);
            next = Ordinal(row.0 + 1);
        }
        self.prefetch(&rows);
        self.ahead = (from.0..next.0, most);
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
        match &self.candidates {
            Candidates::Exact(_) => false,
            Candidates::Judged { judge, .. } => !judge.knows_all(),
        }
    }

    fn prefetch(&mut self, rows: &[Ordinal]) {
        let Candidates::Judged { certain, possible, judge, .. } = &self.candidates else { return };
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
        if from != self.turn {
            self.ahead = (0..0, 0);
        }
        let mut from = from;
        while let Some(row) = self.candidates.first_from(from, end) {
            from = Ordinal(row.0 + 1);
            self.turn = from;
            if self.candidates.are_read_one_by_one() && !self.ahead.0.contains(&row.0) {
                self.read_ahead(row, end);
            }
            if self.is_answerable(row) && self.candidates.admits_in_turn(row)? {
                return Ok(Some(row));
            }
        }
        self.turn = end;
        Ok(None)
    }
}

impl Candidates<'_> {
    /// The first row at or after `from` and before `end` that is not known to be left out.
    fn first_from(&mut self, from: Ordinal, end: Ordinal) -> Option<Ordinal> {
        match self {
            Self::Exact(rows) => rows.first_from(from, end),
            Self::Judged { certain, possible, judge, .. } => {
                let open = if certain.is_none() { judge.next_open(from)? } else { from };
                possible.first_from(open, end)
            }
        }
    }

    /// Whether those that are to be judged are too few for their neighbours to be asked too.
    fn are_read_one_by_one(&self) -> bool {
        matches!(self, Self::Judged { wide: false, .. })
    }

    /// Whether one of them is admitted, where those after it will be asked too.
    fn admits_in_turn(&mut self, row: Ordinal) -> Result<bool> {
        match self {
            Self::Exact(_) => Ok(true),
            Self::Judged { certain, .. } if certain.contains(row) => Ok(true),
            Self::Judged { wide: true, judge, .. } => judge.admits_in_turn(row),
            Self::Judged { judge, .. } => judge.admits(row),
        }
    }
}

/// Whether rows are enough of all that their neighbours are asked too.
fn is_wide(candidates: &Rows<'_>, rows: u32) -> bool {
    candidates.count(rows).is_none_or(|count| count * WIDE_PART >= u64::from(rows))
}

/// Bytes of the bitmaps and tests that asking the indexes leaves, and of what is left to ask of
/// payloads.
pub(crate) fn bytes_needed(filter: &Filter, rows: u32) -> u64 {
    if filter.is_empty() {
        return 0;
    }
    let bitmaps = BITMAPS * u64::from(rows).div_ceil(8) + Asked::bytes_needed(rows);
    bitmaps + conditions_bytes(filter)
}

/// Bytes of a filter's conditions, nested ones included, and of copies of what they list: of values
/// one may be made while another is kept.
fn conditions_bytes(filter: &Filter) -> u64 {
    let all = filter.must.iter().chain(&filter.should).chain(&filter.must_not);
    let bytes = all.map(|condition| match condition {
        Condition::Filter(inner) => CONDITION_BYTES + conditions_bytes(inner),
        Condition::HasId(ids) => CONDITION_BYTES + size_of_val(&**ids) as u64,
        Condition::Field {
            predicate: Predicate::Any(values) | Predicate::Except(values), ..
        } => CONDITION_BYTES + 2 * values.iter().map(scalar_bytes).sum::<u64>(),
        Condition::Field { predicate: Predicate::Match(value), .. } => {
            CONDITION_BYTES + 2 * scalar_bytes(value)
        }
        Condition::Field { predicate: Predicate::Range(_), .. } | Condition::IsEmpty(_) => {
            CONDITION_BYTES
        }
    });
    bytes.sum()
}

fn scalar_bytes(value: &Scalar) -> u64 {
    let text = match value {
        Scalar::Keyword(text) => allocated_bytes(text.len() as u64),
        Scalar::Bool(_) | Scalar::Int(_) => 0,
    };
    size_of::<Scalar>() as u64 + text
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
    fn of(selected: (&Rows<'_>, &Rows<'_>), rows: u32) -> Self {
        // The same segment is always asked the same rows, so that a plan can be repeated.
        const SEED: u64 = 0;
        if let (Rows::Bitmap(certain), Rows::Bitmap(candidates)) = selected {
            let open = candidates - certain;
            let rows = sample_candidates(&open, SEED);
            return Self { rows, of: open.len(), certain: certain.len() };
        }
        Self { rows: sample_rows(rows, SEED), of: u64::from(rows), certain: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vectorizer_memory::{Governor, Limits};
    use vectorizer_model::operation::PointBatch;
    use vectorizer_model::settings::FieldIndexKind;
    use vectorizer_model::{
        CollectionName, CollectionSettings, KeyPath, Operation, Payload, Value,
    };
    use vectorizer_vfs::Directory;
    use vectorizer_vfs::crash::TraceDirectory;

    use crate::{Engine, EngineOptions, Residency};

    fn open(root: &Arc<dyn Directory>) -> Engine {
        let governor = Governor::new(Limits::of_root(1 << 30));
        let residency = Residency::Governed;
        let options = EngineOptions { background: false, residency, ..EngineOptions::default() };
        Engine::open_in(Arc::clone(root), None, governor, options).expect("opens")
    }

    fn is_1(key: &str) -> Condition {
        let predicate = Predicate::Match(Scalar::Int(1));
        Condition::Field { key: KeyPath::key(key), predicate }
    }

    /// Of rows with a page each, the first hundred satisfy what an index answers, and all what
    /// none does.
    #[test]
    fn the_more_rows_are_asked_in_turn_the_more_are_read_ahead() {
        let root = TraceDirectory::new().directory();
        let (name, engine) = (CollectionName::new("things").expect("a name"), open(&root));
        let created = engine.create_collection(name.clone(), CollectionSettings::new([]));
        created.expect("accepted").wait().expect("done").expect("created");
        let payload = |id: u64| {
            let text = Value::Str("x".repeat(4_000));
            let side = Value::Int(i64::from(id < 100));
            let fields = [("side", side), ("v", Value::Int(1)), ("text", text)];
            Payload(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
        };
        let ids = (0..2_000).map(PointId::Num).collect();
        let payloads = (0..2_000).map(payload).collect();
        let points = Operation::Upsert(PointBatch { ids, vectors: Vec::new(), payloads });
        let (key, kind) = (KeyPath::key("side"), FieldIndexKind::Integer);
        for write in [Operation::CreateFieldIndex { key, kind }, points] {
            engine.write(&name, write).expect("room");
        }
        engine.flush().expect("room");
        engine.settle().expect("room");
        drop(engine);

        let engine = open(&root);
        let view = engine.view(&name).expect("there").uncached();
        let filter = Filter { must: vec![is_1("side"), is_1("v")], ..Filter::default() };
        let live = &view.state().segments[0];
        let mut besides = Besides::nothing();
        let mut rows = RowSelection::new(&view, live, &filter, None, &mut besides).expect("room");
        let mut next = |from, found| {
            let before = engine.page_stats();
            let row = rows.next(Ordinal(from), Ordinal(2_000)).expect("readable");
            assert_eq!(row, found, "from {from}");
            let after = engine.page_stats();
            (after.reads - before.reads, after.bytes_read - before.bytes_read)
        };
        let (_, bytes) = next(90, Some(Ordinal(90)));
        assert!(bytes < 10 * 4_096, "{bytes} bytes for one row");
        let in_turn = (0..100).map(|row| next(row, Some(Ordinal(row))).0);
        let reads: u64 = in_turn.sum();
        assert!(reads < 20, "{reads} reads of rows that lie side by side");
        next(100, None);
    }

    #[test]
    fn values_that_a_filter_lists_are_charged() {
        let filter = |predicate| {
            let condition = Condition::Field { key: KeyPath::key("k"), predicate };
            let inner = Filter { must_not: vec![condition], ..Filter::default() };
            Filter { should: vec![Condition::Filter(inner)], ..Filter::default() }
        };
        let texts = |count| (0..count).map(|_| Scalar::Keyword("x".repeat(100).into())).collect();
        let few = bytes_needed(&filter(Predicate::Any(texts(1))), 1_000);
        let many = bytes_needed(&filter(Predicate::Any(texts(1_001))), 1_000);
        let each = (size_of::<Scalar>() as u64) + allocated_bytes(100);
        assert_eq!(many - few, 2 * 1_000 * each);
    }
}
