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
    Budget, Cardinality, Condition, Filter, KeyPath, Ordinal, Payload, PointId, Selection,
};
use vectorizer_payload::evaluate::predicate_holds;
use vectorizer_payload::{
    Answer, BitmapSelection, FieldIndex, FieldIndexBuilder, FieldIndexes, Leaf, Selected, Verified,
    is_empty_at, matches, select, values_at,
};

use crate::notation::path;
use crate::strategies::{KINDS, PATHS, filter, id_of, payload, predicate};

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
    let small = vec(payload(), 0..40);
    let large = (vec(payload(), 1..5), 600_usize..1400)
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

/// Indexes of some fields over the first rows.
fn indexes(kinds: &[Option<FieldIndexKind>], rows: &[Payload]) -> FieldIndexes {
    let mut indexes = FieldIndexes::new();
    for (key, kind) in PATHS.iter().zip(kinds) {
        if let Some(kind) = kind {
            indexes.insert(Arc::new(index(*kind, &path(key), rows)));
        }
    }
    indexes
}

/// The rows that the planner and a verifier over payloads admit.
fn resolve(selected: Selected, rows: &[Payload]) -> RoaringBitmap {
    let count = u32::try_from(rows.len()).expect("few rows");
    let judge =
        |residual: &Filter, row: Ordinal| matches(residual, id_of(row.0), &rows[row.index()]);
    let everything = || (0..count).collect::<RoaringBitmap>();
    match selected {
        Selected::All => everything(),
        Selected::Exact(found) => found,
        Selected::Unindexed { residual } => truth(rows, |row, _| judge(&residual, Ordinal(row))),
        Selected::Partly { certain, candidates, residual } => {
            assert!(certain.is_subset(&candidates));
            let mut verified = Verified::new(
                BitmapSelection::new(certain, count),
                BitmapSelection::new(candidates, count),
                |row| Ok::<_, Infallible>(judge(&residual, row)),
                Cardinality::Estimate(0),
            );
            let admitted = everything()
                .into_iter()
                .filter(|&row| verified.admits(Ordinal(row)).expect("payloads in memory"));
            admitted.collect()
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
        let indexes = indexes(&kinds, &old_rows);
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
        let leaf = Leaf {
            rows: count,
            indexes: &indexes,
            changed: Some(&changed),
            ids: &row_of,
        };
        for filter in &filters {
            let expected = truth(&rows, |row, payload| matches(filter, id_of(row), payload));
            let Ok(selected) = select(filter, &leaf);
            if let Some(cardinality) = selected.cardinality(count) {
                prop_assert_eq!(cardinality, Cardinality::Exact(expected.len()));
            }
            prop_assert_eq!(resolve(selected, &rows), expected, "{:?}", filter);
        }
    }

    #[test]
    fn what_indexes_hold_is_never_asked_of_payloads(rows in vec(payload(), 1..40)) {
        let indexes = indexes(&[Some(FieldIndexKind::Keyword); 6], &rows);
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
