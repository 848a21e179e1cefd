//! Searches under a selection.

use std::collections::BTreeSet;

use vectorizer_hnsw::{Graph, Outcome, Params, Scratch, SearchParams, search};
use vectorizer_model::{Ordinal, RowScorer};

use crate::support::{Some, Uniform, Vectors, built_inline, recall};

const DIM: usize = 16;

fn setting() -> (Vectors, Graph) {
    let vectors = Vectors::clustered(10_000, DIM, 100, 11);
    let graph = built_inline(&vectors, &Params { m: 16, ef_construct: 100, seed: 2 });
    (vectors, graph)
}

fn mean_recall(
    (vectors, graph): &(Vectors, Graph),
    admitted: &BTreeSet<Ordinal>,
    ef: usize,
) -> f32 {
    let seeds: Vec<Ordinal> =
        admitted.iter().step_by(admitted.len().div_ceil(32)).copied().collect();
    let params = SearchParams { ef, limit: 10, visit_limit: usize::MAX, seeds: &seeds };
    let mut selection = Some(admitted.clone());
    let mut scratch = Scratch::new();
    let mut total = 0.0;
    let queries = vectors.values.chunks_exact(DIM).step_by(199);
    let count = queries.len();
    for query in queries {
        let mut scorer = vectors.query(query);
        let outcome = search(&mut &*graph, &mut scorer, &mut selection, &params, &mut scratch);
        assert!(matches!(outcome, Ok(Outcome::Done(_))));
        let found = scratch.results();
        assert!(found.iter().all(|row| admitted.contains(&row.ordinal)));
        assert!(found.is_sorted());
        total += recall(found, &vectors.nearest(query, 10, |row| admitted.contains(&row)));
    }
    total / count as f32
}

fn random(share: f32, rows: usize) -> BTreeSet<Ordinal> {
    let mut uniform = Uniform(5);
    (0..rows).map(Ordinal::from_index).filter(|_| uniform.next() < share).collect()
}

#[test]
fn filtered_rows_are_found() {
    let setting = setting();
    for (share, ef) in [(0.9, 64), (0.5, 64), (0.3, 64), (0.1, 64), (0.01, 100)] {
        let recall = mean_recall(&setting, &random(share, setting.0.rows()), ef);
        assert!(recall >= 0.95, "{share} of the rows admitted: recall {recall}");
    }
}

#[test]
fn rows_far_from_the_query_are_found() {
    let setting = setting();
    // Clusters follow ordinals: of most queries no admitted row is near.
    let admitted: BTreeSet<Ordinal> = (2_000..2_800).map(Ordinal).collect();
    let recall = mean_recall(&setting, &admitted, 100);
    assert!(recall >= 0.95, "recall {recall}");
}

#[test]
fn nothing_admitted_means_nothing_found() {
    let (vectors, graph) = setting();
    let mut scratch = Scratch::new();
    let params = SearchParams { ef: 64, limit: 10, visit_limit: usize::MAX, seeds: &[] };
    let mut nothing = Some(BTreeSet::new());
    let mut scorer = vectors.query(&[0.5; DIM]);
    let outcome = search(&mut &graph, &mut scorer, &mut nothing, &params, &mut scratch);
    assert!(matches!(outcome, Ok(Outcome::Done(_))));
    assert!(scratch.results().is_empty());
}

#[test]
fn the_visit_limit_ends_a_search() {
    let (vectors, graph) = setting();
    let mut scratch = Scratch::new();
    for share in [1.0, 0.5, 0.01] {
        let mut selection = Some(random(share, vectors.rows()));
        let params = SearchParams { ef: 500, limit: 10, visit_limit: 200, seeds: &[] };
        let mut scorer = vectors.query(&[0.5; DIM]);
        let outcome = search(&mut &graph, &mut scorer, &mut selection, &params, &mut scratch);
        let Ok(Outcome::LimitReached(visits)) = outcome else { panic!("{share}: {outcome:?}") };
        assert!(visits.scored + visits.expanded < 200 + 2_200, "{visits:?}");
    }
}
