//! What every graph keeps true.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicUsize;

use vectorizer_hnsw::build::bytes_needed;
use vectorizer_hnsw::{Graph, HnswError, Host, Inline, Links, Params, build};
use vectorizer_model::budget::{Budget, BudgetExceeded};
use vectorizer_model::{Ordinal, RowScorer};

use crate::support::{Threads, Vectors, built, built_inline, found};

fn neighbors(graph: &Graph, level: u8, of: Ordinal) -> Vec<Ordinal> {
    let mut out = Vec::new();
    let Ok(()) = Links::neighbors(&mut &*graph, level, of, &mut out);
    out
}

/// Rows that links of layer 0 lead to from the entry.
pub(crate) fn reached(graph: &Graph) -> usize {
    let Some((entry, _)) = graph.upper().entry() else { return 0 };
    let mut seen = BTreeSet::from([entry]);
    let mut left = vec![entry];
    while let Some(row) = left.pop() {
        left.extend(neighbors(graph, 0, row).into_iter().filter(|link| seen.insert(*link)));
    }
    seen.len()
}

pub(crate) fn check_invariants(graph: &Graph) {
    let Some((entry, top)) = graph.upper().entry() else {
        assert_eq!(graph.rows(), 0);
        return;
    };
    assert!(top == 0 || graph.upper().nodes(top).any(|node| node == entry));
    for level in 0..=top {
        let on_level: BTreeSet<Ordinal> = match level {
            0 => (0..graph.rows()).map(Ordinal::from_index).collect(),
            _ => graph.upper().nodes(level).collect(),
        };
        let most = graph.m() as usize * if level == 0 { 2 } else { 1 };
        for node in &on_level {
            let links = neighbors(graph, level, *node);
            assert!(links.len() <= most, "degree");
            assert!(!links.contains(node), "{node} links to itself");
            let distinct: BTreeSet<Ordinal> = links.iter().copied().collect();
            assert_eq!(distinct.len(), links.len(), "{node} has a link twice");
            assert!(distinct.is_subset(&on_level), "a link leaves layer {level}");
        }
    }
}

#[test]
fn graphs_keep_their_invariants() {
    let vectors = Vectors::clustered(5_000, 16, 50, 3);
    for m in [2, 5, 16] {
        for workers in [1, 3] {
            let params = Params { m, ef_construct: 60, seed: 8 };
            let graph = built(&vectors, &params, &Threads(workers));
            check_invariants(&graph);
            let reached = reached(&graph);
            let least = if m > 2 { 4_995 } else { 4_500 };
            assert!(reached >= least, "m {m}, {workers} workers: {reached} of 5000 reached");
        }
    }
}

#[test]
fn one_seed_and_one_worker_give_one_graph() {
    let vectors = Vectors::clustered(2_000, 8, 20, 4);
    let params = Params { m: 8, ef_construct: 40, seed: 1 };
    let graph = built_inline(&vectors, &params);
    assert!(graph == built_inline(&vectors, &params));
    assert!(graph == built(&vectors, &params, &Threads(1)));
    assert!(graph != built_inline(&vectors, &Params { seed: 2, ..params }));
}

#[test]
fn equal_rows_stay_reachable() {
    let vectors = Vectors::equal(3_000, 4);
    for workers in [1, 2] {
        let params = Params { m: 16, ef_construct: 100, seed: 1 };
        let graph = built(&vectors, &params, &Threads(workers));
        check_invariants(&graph);
        let reached = reached(&graph);
        assert!(reached >= 2_997, "{reached} of 3000 reached");
        assert_eq!(found(&mut &graph, &vectors, &[0.5; 4], (64, 10)).len(), 10);
    }
}

#[test]
fn duplicates_do_not_cut_off_others() {
    let mut vectors = Vectors::clustered(4_000, 8, 40, 6);
    for row in 1_000..2_000 {
        vectors.values.copy_within(8_000..8_008, row * 8);
    }
    let graph = built_inline(&vectors, &Params { m: 16, ef_construct: 100, seed: 1 });
    check_invariants(&graph);
    let reached = reached(&graph);
    assert!(reached >= 3_996, "{reached} of 4000 reached");
}

#[test]
fn tiny_graphs_answer() {
    for rows in 0..4 {
        let vectors = Vectors::clustered(rows, 2, 1, 7);
        let graph = built(&vectors, &Params::default(), &Threads(2));
        check_invariants(&graph);
        assert_eq!(found(&mut &graph, &vectors, &[0.0; 2], (4, 10)).len(), rows);
        assert_eq!(found(&mut &graph, &vectors, &[0.0; 2], (4, 0)).len(), 0);
    }
}

#[test]
fn parameters_are_checked() {
    let vectors = Vectors::clustered(10, 2, 1, 7);
    for params in [
        Params { m: 1, ..Params::default() },
        Params { m: 513, ..Params::default() },
        Params { ef_construct: 0, ..Params::default() },
    ] {
        let inserted = AtomicUsize::new(0);
        let host =
            Host { executor: &Inline, cancelled: &|| false, inserted: &inserted, hint: |_| () };
        let refused = build(&vectors, &params, host, &mut Capped { most: 0, held: 0 });
        assert!(matches!(refused, Err(HnswError::Params { .. })));
    }
}

/// Grants up to a number of bytes.
struct Capped {
    most: u64,
    held: u64,
}

impl Budget for Capped {
    fn try_grow(&mut self, bytes: u64) -> Result<(), BudgetExceeded> {
        let available = self.most - self.held;
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
fn the_budget_holds_the_graph_and_nothing_else() {
    let vectors = Vectors::clustered(2_000, 4, 10, 9);
    let params = Params { m: 8, ef_construct: 40, seed: 1 };
    let most = bytes_needed(vectors.rows(), &params, 1);
    let inserted = AtomicUsize::new(0);
    let host = Host { executor: &Inline, cancelled: &|| false, inserted: &inserted, hint: |_| () };

    let mut budget = Capped { most, held: 0 };
    let graph = build(&vectors, &params, host, &mut budget).expect("just enough");
    assert_eq!(budget.held(), graph.bytes());

    let mut budget = Capped { most: most - 1, held: 0 };
    let refused = build(&vectors, &params, host, &mut budget);
    assert!(matches!(refused, Err(HnswError::Budget(_))));
    assert_eq!(budget.held(), 0);

    let mut budget = Capped { most, held: 0 };
    let cancelled = build(&vectors, &params, Host { cancelled: &|| true, ..host }, &mut budget);
    assert!(matches!(cancelled, Err(HnswError::Cancelled)));
    assert_eq!(budget.held(), 0);
}
