//! Selections, samples, budgets and wanted indexes.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use roaring::RoaringBitmap;
use vectorizer_model::budget::{Budget, BudgetExceeded, Unbounded};
use vectorizer_model::settings::FieldIndexKind;
use vectorizer_model::{AllRows, Cardinality, Filter, Ordinal, PointId, Selection};
use vectorizer_payload::sample::SAMPLE_ROWS;
use vectorizer_payload::{
    BitmapSelection, FieldIndex, FieldIndexBuilder, FieldIndexes, Leaf, PayloadError, Rows,
    Selected, Without, estimate, sample_candidates, sample_rows, select, wanted_indexes,
};

use crate::notation::{condition, path, payload};

#[test]
fn a_selection_admits_its_rows_in_either_form() {
    for (rows, step) in [(1000, 2), (1000, 7), (10_000, 997), (1, 1), (64, 1), (65, 64)] {
        let bitmap: RoaringBitmap = (0..rows).step_by(step).collect();
        let mut selection = BitmapSelection::new(bitmap.clone(), rows);
        assert_eq!(selection.cardinality(), Cardinality::Exact(bitmap.len()));
        for row in 0..rows + 200 {
            assert_eq!(selection.admits(Ordinal(row)), Ok(bitmap.contains(row)));
        }
        assert!(selection.ordinals().map(|row| row.0).eq(bitmap.iter()));
        // In order, twice each, and back again.
        for from in (0..rows + 2).flat_map(|row| [row, row]).chain((0..rows).rev()) {
            let next = bitmap.range(from..).next().map(Ordinal);
            assert_eq!(selection.first_from(Ordinal(from)), next, "from {from} of {rows}");
        }
    }
    let beyond = BitmapSelection::new((0..100).collect(), 10);
    assert_eq!(beyond.cardinality(), Cardinality::Exact(10));
    assert_eq!(BitmapSelection::new(RoaringBitmap::new(), 0).ordinals().count(), 0);
}

#[test]
fn the_gone_are_left_out() {
    let mut selection =
        Without::new(AllRows { rows: 10 }, |row: Ordinal| row.0.is_multiple_of(2), 5);
    let admitted = (0..10).filter(|&row| selection.admits(Ordinal(row)) == Ok(true));
    assert_eq!(admitted.collect::<Vec<_>>(), [1, 3, 5, 7, 9]);
    assert_eq!(selection.cardinality(), Cardinality::Estimate(10));
}

#[test]
fn samples_are_spread_ordered_and_repeatable() {
    assert_eq!(sample_rows(3, 9), [Ordinal(0), Ordinal(1), Ordinal(2)]);
    let sample = sample_rows(1_000_000, 9);
    assert_eq!(sample, sample_rows(1_000_000, 9));
    assert_ne!(sample, sample_rows(1_000_000, 10));
    assert_eq!(sample.len(), SAMPLE_ROWS as usize);
    for (stretch, row) in sample.iter().enumerate() {
        assert_eq!(row.index() / 1000, stretch);
    }
    let candidates: RoaringBitmap = (0..30_000).map(|row| row * 5).collect();
    let sample = sample_candidates(&candidates, 9);
    assert_eq!(sample.len(), SAMPLE_ROWS as usize);
    assert!(sample.is_sorted() && sample.iter().all(|row| candidates.contains(row.0)));
}

#[test]
fn estimates_are_neither_zero_nor_more_than_all() {
    assert_eq!(estimate(7, 40, 40), Cardinality::Exact(7));
    assert_eq!(estimate(0, 0, 0), Cardinality::Exact(0));
    assert_eq!(estimate(0, 0, 10), Cardinality::Estimate(5));
    assert_eq!(estimate(0, 1000, 1_000_000), Cardinality::Estimate(500));
    assert_eq!(estimate(500, 1000, 1_000_000), Cardinality::Estimate(500_000));
    assert!(estimate(1000, 1000, 1_000_000).rows() <= 1_000_000);
}

/// Grants so many bytes and no more.
pub(crate) struct Granted {
    limit: u64,
    held: u64,
}

impl Granted {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, held: 0 }
    }
}

impl Budget for Granted {
    fn try_grow(&mut self, bytes: u64) -> Result<(), BudgetExceeded> {
        let available = self.limit - self.held;
        if bytes > available {
            return Err(BudgetExceeded { requested: bytes, available });
        }
        self.held += bytes;
        Ok(())
    }

    fn shrink(&mut self, bytes: u64) {
        self.held -= bytes;
    }

    fn held(&self) -> u64 {
        self.held
    }
}

#[test]
fn a_builder_stops_at_its_budget() {
    let mut budget = Granted::new(1 << 20);
    let mut builder = FieldIndexBuilder::new(FieldIndexKind::Keyword, path("a"));
    let mut refused = None;
    for row in 0..1_000_000 {
        let row_payload = payload(&format!(r#"{{"a":"text {row}"}}"#));
        if let Err(error) = builder.add(Ordinal(row), &row_payload, &mut budget) {
            refused = Some((row, error));
            break;
        }
    }
    let (row, error) = refused.expect("the budget is too small");
    assert!(matches!(error, PayloadError::Budget(_)), "{error}");
    assert_eq!(builder.held(), budget.held());
    let index = builder.finish(&mut budget).expect("what was added fits");
    assert_eq!(index.rows(), row);
    assert_eq!(index.distinct_values(), row as usize);
    assert_eq!(budget.held(), index.bytes());
}

/// Payloads of a field, of so many rows, in one of some shapes.
fn shaped(shape: usize, row: u32) -> (FieldIndexKind, String) {
    let wide = "x".repeat(300);
    match shape {
        0 => (FieldIndexKind::Integer, format!(r#"{{"a":{}}}"#, row % 9)),
        1 => (FieldIndexKind::Keyword, format!(r#"{{"a":"text {row}"}}"#)),
        2 => (FieldIndexKind::Keyword, format!(r#"{{"a":"{wide} {}"}}"#, row % 50)),
        3 => (FieldIndexKind::Integer, format!(r#"{{"a":[{row},1,2,3,4,{}]}}"#, row % 700)),
        _ => (FieldIndexKind::Bool, r#"{"b":"another"}"#.to_owned()),
    }
}

#[test]
fn a_sample_and_an_index_tell_what_building_it_takes() {
    const ROWS: u32 = 20_000;
    const STEPS: u64 = 128 << 10;
    for shape in 0..5 {
        let (kind, _) = shaped(shape, 0);
        let build = |rows: &[Ordinal]| {
            let (mut budget, key) = (Unbounded::default(), path("a"));
            let mut builder = FieldIndexBuilder::new(kind, key);
            for row in rows {
                let added = builder.add(*row, &payload(&shaped(shape, row.0).1), &mut budget);
                added.expect("an ordered row and an unbounded budget");
            }
            builder
        };
        let sample = sample_rows(ROWS, 3);
        let told = build(&sample).bytes_for(ROWS, SAMPLE_ROWS);
        let all = build(&(0..ROWS).map(Ordinal).collect::<Vec<_>>());
        let held = all.held();
        let index = all.finish(&mut Granted { limit: held, held }).expect("what was added fits");
        let built = index.build_bytes();
        for (from, bytes) in [("a sample", told), ("the index", built)] {
            let fits = bytes >= held && bytes <= held + held / 8 + STEPS;
            assert!(fits, "shape {shape}: {held} bytes were held, {bytes} by {from}");
        }
    }
}

#[test]
fn an_index_is_written_in_runs_until_one_is_refused() {
    let mut budget = Unbounded::default();
    let mut builder = FieldIndexBuilder::new(FieldIndexKind::Keyword, path("a"));
    for row in 0..3_000 {
        let added = builder.add(Ordinal(row), &payload(&shaped(2, row).1), &mut budget);
        added.expect("an ordered row and an unbounded budget");
    }
    let index = builder.finish(&mut budget).expect("an unbounded budget");
    let whole = index.to_bytes();
    for refused in [usize::MAX, 0, 2] {
        let (mut runs, mut bytes) = (0, Vec::new());
        let written = index.write(|run| {
            assert!(run.len() <= FieldIndex::WRITE_BYTES, "{} bytes", run.len());
            bytes.extend_from_slice(run);
            runs += 1;
            if runs > refused { Err("refused") } else { Ok(()) }
        });
        if refused == usize::MAX {
            assert!(written.is_ok() && runs > 3 && bytes == whole, "{runs} runs");
        } else {
            assert_eq!((written, runs), (Err("refused"), refused + 1));
        }
    }
}

#[test]
fn rows_come_in_order_and_left_out_ones_are_empty() {
    let mut budget = Unbounded::default();
    let mut builder = FieldIndexBuilder::new(FieldIndexKind::Integer, path("a"));
    let row = payload(r#"{"a":1}"#);
    assert_eq!(builder.add(Ordinal(3), &row, &mut budget), Ok(()));
    let again = builder.add(Ordinal(3), &row, &mut budget);
    assert_eq!(again, Err(PayloadError::RowOrder { ordinal: 3, next: 4 }));
    let index = builder.finish(&mut budget).expect("an unbounded budget");
    assert!(index.empty_rows().iter().eq(0..3));
    assert!(index.valued_rows().iter().eq([3]));
}

#[test]
fn a_scan_names_the_index_that_would_mend_it() {
    let indexes = FieldIndexes::new();
    let nobody = |_: PointId| -> Result<Option<Ordinal>, Infallible> { Ok(None) };
    let leaf = Leaf { rows: 100, indexes: &indexes, changed: None, ids: &nobody };
    let filter = Filter {
        must: vec![condition("is a.b 1"), condition("range c gt=1")],
        must_not: vec![condition("empty d"), condition("is a.b 2")],
        ..Filter::default()
    };
    let Ok(selected) = select(&filter, &leaf);
    let Selected::Partly { candidates: Rows::All, residual, .. } = selected else {
        panic!("{selected:?}");
    };
    assert_eq!(residual, filter);
    let wanted: Vec<_> = wanted_indexes(&residual, &indexes)
        .into_iter()
        .map(|want| (want.key.to_string(), want.kind))
        .collect();
    assert_eq!(
        wanted,
        [
            ("a.b".to_owned(), Some(FieldIndexKind::Integer)),
            ("c".to_owned(), Some(FieldIndexKind::Float)),
            ("d".to_owned(), None),
        ]
    );
}

/// A budget whose holder tells what it holds.
struct Told {
    budget: Granted,
    held: Arc<AtomicU64>,
}

impl Budget for Told {
    fn try_grow(&mut self, bytes: u64) -> Result<(), BudgetExceeded> {
        self.budget.try_grow(bytes)?;
        self.held.store(self.budget.held, Relaxed);
        Ok(())
    }

    fn shrink(&mut self, bytes: u64) {
        self.budget.shrink(bytes);
        self.held.store(self.budget.held, Relaxed);
    }

    fn held(&self) -> u64 {
        self.budget.held
    }
}

/// Asks for half of 1000 rows that hold `payload_of` them; the answer, and the bytes of its column.
fn ask_half(limit: u64, payload_of: impl Fn(u32) -> String) -> (bool, u64) {
    let mut builder = FieldIndexBuilder::new(FieldIndexKind::Integer, path("a"));
    for row in 0..1000 {
        let added =
            builder.add(Ordinal(row), &payload(&payload_of(row)), &mut Unbounded::default());
        added.expect("an ordered row");
    }
    let index = builder.finish(&mut Unbounded::default()).expect("an unbounded budget");
    let held = Arc::new(AtomicU64::new(0));
    let mut indexes = FieldIndexes::new();
    let budget = Told { budget: Granted::new(limit), held: Arc::clone(&held) };
    indexes.insert(index, Box::new(budget));
    let nobody = |_: PointId| -> Result<Option<Ordinal>, Infallible> { Ok(None) };
    let leaf = Leaf { rows: 1000, indexes: &indexes, changed: None, ids: &nobody };
    let filter = Filter { must: vec![condition("range a gte=500")], ..Filter::default() };
    let mut tested = false;
    for _ in 0..2 {
        let Ok(selected) = select(&filter, &leaf);
        assert_eq!(selected.cardinality(1000), Some(Cardinality::Exact(500)));
        tested = matches!(selected, Selected::Exact(Rows::Tested(_)));
    }
    (tested, held.load(Relaxed))
}

#[test]
fn a_column_is_held_once_and_given_up_for_want_of_room() {
    let single = |row| format!(r#"{{"a":{row}}}"#);
    assert_eq!(ask_half(2000, single), (true, 2000));
    assert_eq!(ask_half(1999, single), (false, 0));
    let several = |row| if row == 7 { r#"{"a":[7,8]}"#.to_owned() } else { single(row) };
    assert_eq!(ask_half(2000, several), (false, 0));
}
