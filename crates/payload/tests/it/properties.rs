//! Indexes, planner and verifier agree with asking every payload.

use std::convert::Infallible;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use roaring::RoaringBitmap;
use vectorizer_model::budget::Unbounded;
use vectorizer_model::filter::Predicate;
use vectorizer_model::settings::FieldIndexKind;
use vectorizer_model::{
    Budget, Cardinality, Condition, Filter, KeyPath, Ordinal, Payload, PointId,
};
use vectorizer_payload::evaluate::predicate_holds;
use vectorizer_payload::{
    Admitted, Answer, FieldIndex, FieldIndexBuilder, FieldIndexes, Leaf, Rows, Selected,
    is_empty_at, matches, select, values_at,
};

use crate::notation::path;
use crate::strategies::{KINDS, PATHS, filter, flat_payload, id_of, payload, predicate};
use crate::units::Granted;

fn index(kind: FieldIndexKind, key: &KeyPath, rows: &[Payload]) -> FieldIndex {
    let mut budget = Unbounded::default();
    let mut builder = FieldIndexBuilder::new(kind, key.clone());
    for (row, payload) in rows.iter().enumerate() {
        let added = builder.add(Ordinal::from_index(row), payload, &mut budget);
        added.expect("an ordered row and an unbounded budget");
    }
    let index = builder.finish(&mut budget).expect("an unbounded budget");
    assert_eq!(budget.held(), index.bytes(), "what the index takes stays held");
    index
}

/// Rows drawn from few payloads: few rows, or enough for bitmaps.
fn rows() -> impl Strategy<Value = Vec<Payload>> {
    prop_oneof![rows_of(payload().boxed()), rows_of(flat_payload().boxed())]
}

fn rows_of(payload: BoxedStrategy<Payload>) -> impl Strategy<Value = Vec<Payload>> {
    let small = vec(payload.clone(), 0..40);
    let large = (vec(payload, 1..5), 600_usize..1400)
        .prop_map(|(pool, count)| pool.into_iter().cycle().take(count).collect());
    prop_oneof![4 => small, 1 => large]
}

fn truth(rows: &[Payload], holds: impl Fn(u32, &Payload) -> bool) -> RoaringBitmap {
    let numbered = (0_u32..).zip(rows);
    numbered.filter(|&(row, payload)| holds(row, payload)).map(|(row, _)| row).collect()
}

fn check_answer(index: &FieldIndex, rows: &[Payload], predicate: &Predicate) {
    let expected = truth(rows, |_, payload| {
        let values = values_at(payload, index.key());
        values.into_iter().any(|value| predicate_holds(predicate, value))
    });
    match index.select(predicate) {
        Answer::Exact(found) => assert_eq!(found, expected),
        Answer::Between { certain, possible } => {
            assert!(certain.is_subset(&expected), "{certain:?} of {expected:?}");
            assert!(expected.is_subset(&possible), "{expected:?} of {possible:?}");
            assert!(certain.len() < possible.len());
        }
    }
    match index.count(predicate) {
        Cardinality::Exact(count) => assert_eq!(count, expected.len()),
        Cardinality::Estimate(bound) => assert!(bound >= expected.len(), "{bound}"),
    }
}

/// Indexes of some fields over the first rows. Without columns, every answer is written down.
fn indexes(kinds: &[Option<FieldIndexKind>], rows: &[Payload], with_columns: bool) -> FieldIndexes {
    let mut indexes = FieldIndexes::new();
    for (key, kind) in PATHS.iter().zip(kinds) {
        if let Some(kind) = kind {
            let limit = if with_columns { u64::MAX } else { 0 };
            indexes.insert(index(*kind, &path(key), rows), Box::new(Granted::new(limit)));
        }
    }
    indexes
}

/// The rows that the planner and a verifier over payloads admit, asked one by one and in order.
fn resolve(selected: Selected<'_>, rows: &[Payload]) -> RoaringBitmap {
    let count = u32::try_from(rows.len()).expect("few rows");
    let matching = |residual: &Filter, row| matches(residual, id_of(row), &rows[row as usize]);
    let (mut possible, certain, residual) = match selected {
        Selected::Exact(found) => (Admitted::new(found, count), None, Filter::default()),
        Selected::Partly { certain, candidates, residual } => {
            let certain = Admitted::new(certain, count);
            (Admitted::new(candidates, count), Some(certain), residual)
        }
    };
    let asked: RoaringBitmap = (0..count).filter(|&row| possible.contains(Ordinal(row))).collect();
    if let Some(certain) = &certain {
        let sure = (0..count).filter(|&row| certain.contains(Ordinal(row)));
        assert!(sure.collect::<RoaringBitmap>().is_subset(&asked));
    }
    let mut from = Ordinal(0);
    let found: RoaringBitmap = std::iter::from_fn(|| {
        let row = possible.first_from(from, Ordinal(count))?;
        from = Ordinal(row.0 + 1);
        Some(row.0)
    })
    .collect();
    assert_eq!(found, asked, "in order, and one by one");
    let sure = |row| certain.as_ref().is_none_or(|certain| certain.contains(Ordinal(row)));
    asked.into_iter().filter(|&row| sure(row) || matching(&residual, row)).collect()
}

/// Whether a row is asked by a test.
fn is_tested(selected: &Selected<'_>) -> bool {
    match selected {
        Selected::Exact(rows) => matches!(rows, Rows::Tested(_)),
        Selected::Partly { certain, candidates, .. } => {
            [certain, candidates].into_iter().any(|rows| matches!(rows, Rows::Tested(_)))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn an_index_is_exact_or_bounds_the_truth(
        rows in rows(),
        predicates in vec(predicate(), 1..8),
    ) {
        for key in PATHS {
            for kind in KINDS {
                let index = index(kind, &path(key), &rows);
                for predicate in &predicates {
                    check_answer(&index, &rows, predicate);
                }
                let empty = truth(&rows, |_, payload| is_empty_at(payload, &path(key)));
                prop_assert_eq!(index.empty_rows(), &empty);
            }
        }
    }

    #[test]
    fn an_index_survives_its_bytes(rows in rows(), key in 0..PATHS.len(), kind in 0..KINDS.len()) {
        let index = index(KINDS[kind], &path(PATHS[key]), &rows);
        let bytes = index.to_bytes();
        let read = FieldIndex::parse(&bytes).expect("own bytes");
        prop_assert_eq!(&read, &index);
        prop_assert_eq!(read.to_bytes(), bytes);
    }

    #[test]
    fn wrong_bytes_are_refused_or_harmless(
        rows in rows(),
        kind in 0..KINDS.len(),
        wounds in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
        predicates in vec(predicate(), 1..4),
    ) {
        let mut bytes = index(KINDS[kind], &path("a"), &rows).to_bytes();
        for (at, byte) in wounds {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(index) = FieldIndex::parse(&bytes) {
            for predicate in &predicates {
                drop(index.select(predicate));
                index.count(predicate);
            }
        }
    }

    #[test]
    fn every_cut_is_refused(rows in vec(payload(), 0..4), kind in 0..KINDS.len()) {
        let bytes = index(KINDS[kind], &path("a"), &rows).to_bytes();
        for end in 0..bytes.len() {
            prop_assert!(FieldIndex::parse(&bytes[..end]).is_err());
        }
        prop_assert!(FieldIndex::parse(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn planner_and_verifier_find_what_every_payload_says(
        old_rows in rows(),
        kinds in vec(proptest::option::weighted(0.7, prop::sample::select(&KINDS[..])), PATHS.len()),
        patches in vec((any::<prop::sample::Index>(), payload()), 0..4),
        later in vec(payload(), 0..2),
        filters in vec(filter(), 1..8),
    ) {
        let with_columns = indexes(&kinds, &old_rows, true);
        let without = indexes(&kinds, &old_rows, false);
        let mut rows = old_rows;
        rows.extend(later);
        let mut changed = RoaringBitmap::new();
        for (row, payload) in patches {
            if rows.is_empty() {
                break;
            }
            let row = row.index(rows.len());
            rows[row] = payload;
            changed.insert(Ordinal::from_index(row).0);
        }
        let count = u32::try_from(rows.len()).expect("few rows");
        let row_of = |id: PointId| -> Result<_, Infallible> {
            Ok((0..count).find(|&row| id_of(row) == id).map(Ordinal))
        };
        let changed = Arc::new(changed);
        let leaf = |indexes| Leaf {
            rows: count,
            indexes,
            changed: Some(Arc::clone(&changed)),
            ids: &row_of,
        };
        for filter in &filters {
            let expected = truth(&rows, |row, payload| matches(filter, id_of(row), payload));
            for indexes in [&with_columns, &without] {
                let Ok(selected) = select(filter, &leaf(indexes));
                if let Some(cardinality) = selected.cardinality(count) {
                    prop_assert_eq!(cardinality, Cardinality::Exact(expected.len()));
                }
                prop_assert_eq!(resolve(selected, &rows), expected.clone(), "{:?}", filter);
            }
        }
    }

    #[test]
    fn many_rows_with_one_value_each_are_tested_without_a_bitmap(
        pool in vec(flat_payload(), 1..5),
        predicate in predicate(),
        kind in 0..KINDS.len(),
    ) {
        let rows: Vec<Payload> = pool.into_iter().cycle().take(200).collect();
        let key = path("a");
        let expected = truth(&rows, |_, payload| {
            values_at(payload, &key).into_iter().any(|value| predicate_holds(&predicate, value))
        });
        let condition = Condition::Field { key: key.clone(), predicate };
        let filter = Filter { must: vec![condition], ..Filter::default() };
        let nobody = |_: PointId| -> Result<Option<Ordinal>, Infallible> { Ok(None) };
        let mut indexes = FieldIndexes::new();
        let index = index(KINDS[kind], &key, &rows);
        let held = index.valued_rows() & &expected;
        let exact = matches!(&filter.must[0], Condition::Field { predicate, .. }
            if matches!(index.select(predicate), Answer::Exact(_)));
        indexes.insert(index, Box::new(Granted::new(u64::MAX)));
        let leaf = Leaf { rows: 200, indexes: &indexes, changed: None, ids: &nobody };
        let Ok(selected) = select(&filter, &leaf);
        if exact && !held.is_empty() && held.len() < 200 && expected.len() < 200 {
            prop_assert!(is_tested(&selected), "{:?}", selected);
        }
        prop_assert_eq!(resolve(selected, &rows), expected);
    }

    #[test]
    fn what_indexes_hold_is_never_asked_of_payloads(rows in vec(payload(), 1..40)) {
        let indexes = indexes(&[Some(FieldIndexKind::Keyword); 6], &rows, true);
        let nobody = |_: PointId| -> Result<Option<Ordinal>, Infallible> { Ok(None) };
        let leaf = Leaf {
            rows: u32::try_from(rows.len()).expect("few rows"),
            indexes: &indexes,
            changed: None,
            ids: &nobody,
        };
        let conditions: Vec<Condition> = [r#"is a "a""#, r#"except b "b""#, "empty a[]", "id 3"]
            .into_iter()
            .map(crate::notation::condition)
            .collect();
        let filter = Filter {
            must: vec![conditions[0].clone()],
            should: conditions.clone(),
            must_not: conditions[1..].to_vec(),
        };
        let Ok(selected) = select(&filter, &leaf);
        prop_assert!(selected.residual().is_none());
    }
}
