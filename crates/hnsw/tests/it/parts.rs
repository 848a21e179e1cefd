//! Graphs that are built a part at a time.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use proptest::prelude::*;
use vectorizer_hnsw::build::bytes_needed;
use vectorizer_hnsw::{
    Executor, GraphBytes, HnswError, Host, Inline, Links, Params, PartsError, Plan, Workshop,
    build_in_parts,
};
use vectorizer_model::budget::{Budget, BudgetExceeded, Unbounded};
use vectorizer_model::{Ordinal, RowScorer};
use vectorizer_testkit::allocation::heap_of;

use crate::recall::mean_recall;
use crate::support::{Threads, Vectors, built_inline};

const PARAMS: Params = Params { m: 16, ef_construct: 100, seed: 5 };

/// A draft in memory, and a disk that refuses once it was asked so often.
#[derive(Debug)]
struct Memory<'a> {
    vectors: &'a Vectors,
    draft: Vec<u8>,
    graph: Vec<u8>,
    calls: Cell<usize>,
    calls_max: usize,
}

#[derive(Debug, PartialEq)]
struct Refused;

impl<'a> Memory<'a> {
    fn of(vectors: &'a Vectors) -> Self {
        // Whoever counts the build's bytes must not meet these.
        let draft = Vec::with_capacity(vectors.rows() * 2 * (2 + 8 * PARAMS.m0() as usize));
        let graph = Vec::with_capacity(vectors.rows() * 8 * 32);
        Self { vectors, draft, graph, calls: Cell::new(0), calls_max: usize::MAX }
    }

    fn call(&self) -> Result<(), Refused> {
        self.calls.set(self.calls.get() + 1);
        if self.calls.get() > self.calls_max { Err(Refused) } else { Ok(()) }
    }
}

impl Workshop for Memory<'_> {
    type Rows = Vectors;
    type Error = Refused;

    fn rows(&self) -> usize {
        self.vectors.rows()
    }

    fn room(&self, rows: usize) -> Vectors {
        let dim = self.vectors.dim;
        Vectors { dim, values: Vec::with_capacity(rows * dim) }
    }

    fn load(&self, into: &mut Vectors, kept: usize, rows: &[u32]) -> Result<(), Refused> {
        self.call()?;
        assert!(rows.is_sorted(), "ascending");
        into.values.truncate(kept * into.dim);
        for row in rows {
            into.values.extend(self.vectors.row(Ordinal(*row)));
        }
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        self.call()?;
        self.draft.extend_from_slice(bytes);
        Ok(())
    }

    fn read(&mut self, from: u64, out: &mut [u8]) -> Result<(), Refused> {
        self.call()?;
        let from = usize::try_from(from).expect("in memory");
        out.copy_from_slice(&self.draft[from..from + out.len()]);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        self.call()?;
        self.graph.extend_from_slice(bytes);
        Ok(())
    }
}

fn row_bytes(vectors: &Vectors, rows: usize) -> u64 {
    (rows * vectors.dim * size_of::<f32>()) as u64
}

/// What a build at once takes, rows included.
fn needed_at_once(vectors: &Vectors, params: &Params) -> u64 {
    bytes_needed(vectors.rows(), params, 1) + row_bytes(vectors, vectors.rows())
}

fn planned(vectors: &Vectors, limit: u64, params: &Params, workers: usize) -> Option<Plan> {
    Plan::within(limit, (vectors.rows(), &|rows| row_bytes(vectors, rows)), params, workers)
}

fn run(
    workshop: &mut Memory<'_>,
    (plan, params): (&Plan, &Params),
    executor: &dyn Executor,
    budget: &mut dyn Budget,
) -> Result<usize, PartsError<Refused>> {
    let inserted = AtomicUsize::new(0);
    let host = Host { executor, cancelled: &|| false, inserted: &inserted, hint: |_| () };
    build_in_parts(workshop, plan, params, host, budget)?;
    Ok(inserted.into_inner())
}

/// The bytes of the graph built within so many percent of what a build at once takes.
fn built_within(vectors: &Vectors, percent: u64, params: &Params, on: &dyn Executor) -> Vec<u8> {
    let limit = needed_at_once(vectors, params) * percent / 100;
    let plan = planned(vectors, limit, params, on.workers()).expect("enough");
    assert!(plan.bytes() <= limit, "{plan:?} within {limit}");
    let mut workshop = Memory::of(vectors);
    let inserted = run(&mut workshop, (&plan, params), on, &mut Unbounded::default());
    assert_eq!(inserted, Ok(vectors.rows()), "each row counts once");
    workshop.graph
}

/// Rows that links of layer 0 lead to from the entry, which keep what all lists keep.
fn reached(bytes: &[u8], m: usize) -> usize {
    let mut links = GraphBytes::parse(bytes).expect("bytes just written");
    let (mut seen, mut left, mut out) = (BTreeSet::new(), Vec::new(), Vec::new());
    left.extend(links.entry().map(|(entry, _)| entry));
    seen.extend(left.iter().copied());
    while let Some(row) = left.pop() {
        links.neighbors(0, row, &mut out).expect("links to rows");
        let distinct: BTreeSet<Ordinal> = out.iter().copied().collect();
        assert_eq!(distinct.len(), out.len(), "{row} has a link twice");
        assert!(!distinct.contains(&row), "{row} links to itself");
        assert!(out.len() <= 2 * m);
        left.extend(out.iter().copied().filter(|link| seen.insert(*link)));
    }
    seen.len()
}

#[test]
fn parts_find_what_one_build_finds() {
    let vectors = Vectors::clustered(20_000, 32, 100, 1);
    let whole = built_inline(&vectors, &PARAMS);
    let builds = [(50, &Inline as &dyn Executor), (25, &Threads(3)), (16, &Inline)];
    for (percent, executor) in builds {
        let bytes = built_within(&vectors, percent, &PARAMS, executor);
        let reached = reached(&bytes, 16);
        assert!(reached >= 19_998, "{reached} rows reached in {percent} percent");
        for ef in [64, 128] {
            let whole = mean_recall(&vectors, &whole, ef);
            let recall = mean_recall(&vectors, GraphBytes::parse(&bytes).expect("a graph"), ef);
            let told = format!("recall {recall} in {percent} percent, {whole} at once, ef {ef}");
            assert!(recall >= whole - 0.01, "{told}");
        }
    }
}

#[test]
fn one_seed_and_one_worker_give_the_same_bytes() {
    let vectors = Vectors::clustered(8_000, 8, 20, 4);
    let params = Params { m: 8, ef_construct: 40, seed: 1 };
    let bytes = built_within(&vectors, 50, &params, &Inline);
    assert!(bytes == built_within(&vectors, 50, &params, &Threads(1)));
    assert!(bytes != built_within(&vectors, 50, &Params { seed: 2, ..params }, &Inline));
}

#[test]
fn odd_degrees_and_equal_rows_make_graphs() {
    for m in [2, 3, 5, 16] {
        let params = Params { m, ef_construct: 60, seed: 8 };
        let vectors = Vectors::clustered(6_000, 16, 50, 3);
        let reached_rows = reached(&built_within(&vectors, 60, &params, &Inline), m as usize);
        let least = if m > 3 { 5_995 } else { 5_400 };
        assert!(reached_rows >= least, "m {m}: {reached_rows} of 6000 reached");
    }
    let equal = Vectors::equal(6_000, 16);
    let reached = reached(&built_within(&equal, 60, &PARAMS, &Inline), 16);
    assert!(reached >= 5_990, "{reached} of 6000 equal rows reached");
}

#[test]
fn plans_keep_their_limits_or_there_is_none() {
    let vectors = Vectors::clustered(10_000, 8, 20, 4);
    let whole = needed_at_once(&vectors, &PARAMS);
    let mut parts = 0;
    for percent in [90, 60, 40, 30, 20] {
        let limit = whole * percent / 100;
        let plan = planned(&vectors, limit, &PARAMS, 1).expect("enough");
        assert!(plan.bytes() <= limit && plan.parts() >= parts, "{plan:?} within {limit}");
        parts = plan.parts();
    }
    assert_eq!(planned(&vectors, whole / 100, &PARAMS, 1), None);
    assert_eq!(planned(&vectors, 0, &PARAMS, 1), None);
    let no_graph = Params { m: 1, ..PARAMS };
    assert_eq!(planned(&vectors, u64::MAX, &no_graph, 1), None);
    assert_eq!(planned(&Vectors::clustered(100, 8, 2, 4), u64::MAX, &PARAMS, 1), None, "too few");
}

/// A budget that refuses beyond a limit, and remembers the most that it granted.
#[derive(Debug)]
struct Limited {
    limit: u64,
    held: u64,
    peak: u64,
}

impl Budget for Limited {
    fn try_grow(&mut self, bytes: u64) -> Result<(), BudgetExceeded> {
        let available = self.limit - self.held;
        if bytes > available {
            return Err(BudgetExceeded { requested: bytes, available });
        }
        self.held += bytes;
        self.peak = self.peak.max(self.held);
        Ok(())
    }

    fn shrink(&mut self, bytes: u64) {
        self.held -= bytes;
    }

    fn held(&self) -> u64 {
        self.held
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A build holds no more than it said, and says so before it begins.
    #[test]
    fn what_is_planned_is_what_is_held(
        rows in 1_500_usize..6_000,
        dim in 1_usize..40,
        m in 2_u32..24,
        ef_construct in 1_u32..80,
        percent in 5_u64..80,
        granted in 50_u64..150,
        seed: u64,
    ) {
        let vectors = Vectors::clustered(rows, dim, 7, seed);
        let params = Params { m, ef_construct, seed };
        let limit = needed_at_once(&vectors, &params) * percent / 100;
        let Some(plan) = planned(&vectors, limit, &params, 1) else { return Ok(()) };
        prop_assert!(plan.bytes() <= limit);
        let mut budget = Limited { limit: plan.bytes() * granted / 100, held: 0, peak: 0 };
        let mut workshop = Memory::of(&vectors);
        let (done, heap) =
            heap_of(|| run(&mut workshop, (&plan, &params), &Inline, &mut budget));
        prop_assert_eq!(budget.held, 0);
        if granted < 100 {
            let refused = matches!(done, Err(PartsError::Hnsw(HnswError::Budget(_))));
            prop_assert!(refused, "{:?}", done);
            prop_assert_eq!((budget.peak, workshop.calls.get()), (0, 0));
            return Ok(());
        }
        prop_assert_eq!(done, Ok(rows));
        let told = format!("{heap:?} of {plan:?}");
        prop_assert!(heap.peak.cast_unsigned() <= plan.bytes(), "{}", told);
        prop_assert!(heap.peak.cast_unsigned() * 4 >= plan.bytes(), "{}", told);
    }
}

#[test]
fn failures_and_cancelling_end_a_build_that_holds_nothing() {
    let vectors = Vectors::clustered(6_000, 8, 20, 4);
    let params = Params { m: 8, ef_construct: 20, seed: 1 };
    let limit = needed_at_once(&vectors, &params) / 2;
    let plan = planned(&vectors, limit, &params, 1).expect("enough");
    let mut whole = Memory::of(&vectors);
    run(&mut whole, (&plan, &params), &Inline, &mut Unbounded::default()).expect("a graph");
    let calls = whole.calls.get();
    for calls_max in [0, 1, 2, calls / 2, calls - 2, calls - 1] {
        let mut budget = Unbounded::default();
        let mut workshop = Memory { calls_max, ..Memory::of(&vectors) };
        let failed = run(&mut workshop, (&plan, &params), &Inline, &mut budget);
        assert_eq!(failed, Err(PartsError::Workshop(Refused)), "after {calls_max} calls");
        assert_eq!(budget.held(), 0);
    }
    let (asked, asked_max) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
    let cancelled = || asked.fetch_add(1, Relaxed) >= asked_max.load(Relaxed);
    let inserted = AtomicUsize::new(0);
    let host = Host { executor: &Inline, cancelled: &cancelled, inserted: &inserted, hint: |_| () };
    let build = |budget: &mut dyn Budget| {
        asked.store(0, Relaxed);
        build_in_parts(&mut Memory::of(&vectors), &plan, &params, host, budget)
    };
    assert_eq!(build(&mut Unbounded::default()), Ok(()));
    let all = asked.load(Relaxed);
    for at in [0, 1, 5, all / 2, all - 1] {
        asked_max.store(at, Relaxed);
        let mut budget = Unbounded::default();
        let ended = build(&mut budget);
        assert_eq!(ended, Err(PartsError::Hnsw(HnswError::Cancelled)), "when asked {at} times");
        assert_eq!(budget.held(), 0);
    }
}
