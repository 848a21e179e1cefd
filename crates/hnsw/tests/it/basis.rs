//! Graphs that start from the graph of some of their rows.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::atomic::AtomicUsize;

use vectorizer_hnsw::links::NO_LINK;
use vectorizer_hnsw::{Basis, BuildError, Executor, Graph, Host, Inline, Links, Params, build_on};
use vectorizer_model::budget::{Budget, Unbounded};
use vectorizer_model::{Ordinal, RowScorer};

use crate::graph::{check_invariants, reached};
use crate::recall::mean_recall;
use crate::support::{Threads, Vectors, built_inline};

const PARAMS: Params = Params { m: 16, ef_construct: 100, seed: 5 };

/// The rows of `vectors` that `keep` lets pass, in order, and where each row of `vectors` went.
fn part(vectors: &Vectors, keep: impl Fn(usize) -> bool) -> (Vectors, Vec<u32>) {
    let mut values = Vec::new();
    let mut places = Vec::new();
    for row in 0..vectors.rows() {
        let next = u32::try_from(values.len() / vectors.dim).expect("few rows");
        places.push(if keep(row) { next } else { NO_LINK });
        if keep(row) {
            values.extend_from_slice(vectors.row(Ordinal::from_index(row)));
        }
    }
    (Vectors { dim: vectors.dim, values }, places)
}

fn grown_on(
    basis: (&Graph, &[u32]),
    vectors: &Vectors,
    executor: &dyn Executor,
    budget: &mut dyn Budget,
) -> Result<(Graph, usize), BuildError<Infallible>> {
    let inserted = AtomicUsize::new(0);
    let host = Host { executor, cancelled: &|| false, inserted: &inserted, hint: |_| () };
    let (links, places) = basis;
    let basis = Basis { upper: links.upper(), links, places };
    let graph = build_on(vectors, Some(basis), &PARAMS, host, budget)?;
    Ok((graph, inserted.into_inner()))
}

/// The graph of all `vectors`, grown on that of those that `old` lets pass.
fn in_two_steps(
    vectors: &Vectors,
    old: impl Fn(usize) -> bool,
    executor: &dyn Executor,
) -> (Graph, usize) {
    let (first, _) = part(vectors, &old);
    let places: Vec<u32> =
        (0..).zip(0..vectors.rows()).filter(|(_, row)| old(*row)).map(|(row, _)| row).collect();
    let basis = built_inline(&first, &PARAMS);
    grown_on((&basis, &places), vectors, executor, &mut Unbounded::default()).expect("no limits")
}

#[test]
fn only_other_rows_are_inserted_and_all_are_found() {
    let vectors = Vectors::clustered(12_000, 24, 60, 11);
    let whole = mean_recall(&vectors, &built_inline(&vectors, &PARAMS), 100);
    // Every other row; and the first clusters only, as when rows come sorted.
    for old in
        [|row: usize| row.is_multiple_of(2), |row: usize| row < 7_000, |row: usize| row < 300]
    {
        for executor in [&Inline as &dyn Executor, &Threads(3)] {
            let (graph, inserted) = in_two_steps(&vectors, old, executor);
            check_invariants(&graph);
            assert_eq!(inserted, (0..12_000).filter(|row| !old(*row)).count());
            assert!(reached(&graph) >= 11_995);
            let recall = mean_recall(&vectors, &graph, 100);
            assert!(recall >= whole - 0.01, "recall {recall}, {whole} when built at once");
        }
    }
}

#[test]
fn gone_rows_leave_no_hole() {
    let vectors = Vectors::clustered(12_000, 24, 60, 12);
    let graph = built_inline(&vectors, &PARAMS);
    for (of, left) in [(10, 9), (4, 3), (2, 1)] {
        let (rest, places) = part(&vectors, |row| row % of < left);
        let whole = mean_recall(&rest, &built_inline(&rest, &PARAMS), 100);
        let kept = grown_on((&graph, &places), &rest, &Inline, &mut Unbounded::default());
        let (kept, _) = kept.expect("no limits");
        check_invariants(&kept);
        let recall = mean_recall(&rest, &kept, 100);
        assert!(recall >= whole - 0.01, "{left} of {of} left: {recall}, {whole} when built anew");
    }
}

#[test]
fn a_gone_cluster_takes_its_links_along() {
    let vectors = Vectors::clustered(6_000, 16, 30, 13);
    let graph = built_inline(&vectors, &PARAMS);
    let (rest, places) = part(&vectors, |row| !(1_000..3_000).contains(&row));
    let kept = grown_on((&graph, &places), &rest, &Threads(2), &mut Unbounded::default());
    let (kept, _) = kept.expect("no limits");
    check_invariants(&kept);
    assert!(reached(&kept) >= 3_996, "{}", reached(&kept));
    let (_, places) = part(&vectors, |_| false);
    let empty = Vectors { dim: 16, values: Vec::new() };
    let none = grown_on((&graph, &places), &empty, &Inline, &mut Unbounded::default());
    assert_eq!(none.expect("no limits").0.rows(), 0);
}

#[test]
fn a_basis_of_another_shape_is_not_used() {
    let vectors = Vectors::clustered(1_000, 8, 10, 14);
    let other = built_inline(&vectors, &Params { m: 8, ..PARAMS });
    let places: Vec<u32> = (0..1_000).collect();
    let anew = grown_on((&other, &places), &vectors, &Inline, &mut Unbounded::default());
    let (anew, inserted) = anew.expect("no limits");
    assert_eq!(inserted, 1_000);
    assert!(anew == built_inline(&vectors, &PARAMS));
}

#[test]
fn one_seed_one_worker_and_one_basis_give_one_graph() {
    let vectors = Vectors::clustered(2_000, 8, 20, 15);
    let old = |row: usize| !row.is_multiple_of(3);
    assert!(in_two_steps(&vectors, old, &Inline) == in_two_steps(&vectors, old, &Inline));
}

/// Links that cannot be read.
#[derive(Debug)]
struct Broken<'a>(&'a Graph);

impl Links for Broken<'_> {
    type Error = &'static str;

    fn rows(&self) -> usize {
        self.0.rows()
    }

    fn entry(&self) -> Option<(Ordinal, u8)> {
        self.0.upper().entry()
    }

    fn prefetch(&mut self, _: &[Ordinal]) {}

    fn neighbors(&mut self, _: u8, _: Ordinal, _: &mut Vec<Ordinal>) -> Result<(), Self::Error> {
        Err("unreadable")
    }
}

#[test]
fn a_failed_read_gives_the_budget_back() {
    let vectors = Vectors::clustered(500, 8, 5, 16);
    let graph = built_inline(&vectors, &PARAMS);
    let places: Vec<u32> = (0..500).collect();
    let inserted = AtomicUsize::new(0);
    let host = Host { executor: &Inline, cancelled: &|| false, inserted: &inserted, hint: |_| () };
    let basis = Basis { upper: graph.upper(), links: Broken(&graph), places: &places };
    let mut budget = Unbounded::default();
    let failed = build_on(&vectors, Some(basis), &PARAMS, host, &mut budget);
    assert_eq!(failed, Err(BuildError::Links("unreadable")));
    assert_eq!(budget.held(), 0);
}

#[test]
fn a_higher_row_becomes_the_entry() {
    let vectors = Vectors::clustered(3_000, 8, 20, 17);
    let whole = built_inline(&vectors, &PARAMS);
    let (entry, top) = whole.upper().entry().expect("rows");
    let low: BTreeSet<Ordinal> = whole.upper().nodes(1).collect();
    let (graph, _) = in_two_steps(
        &vectors,
        |row| row < 200 && !low.contains(&Ordinal::from_index(row)),
        &Inline,
    );
    assert!(graph.upper().entry().is_some_and(|(_, reached)| reached >= top), "{entry} {top}");
}
