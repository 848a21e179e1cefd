//! Graphs that are built a part at a time.

mod held;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use vectorizer_hnsw::build::bytes_needed;
use vectorizer_hnsw::{
    Executor, GraphBytes, HnswError, Host, Inline, Links, Params, PartsError, Plan, Workshop,
    build_in_parts,
};
use vectorizer_model::budget::{Budget, Unbounded};
use vectorizer_model::{Ordinal, RowScorer};

use crate::recall::mean_recall;
use crate::support::{Threads, Uniform, Vectors, built_inline, found, recall};

const PARAMS: Params = Params { m: 16, ef_construct: 100, seed: 5 };

/// A draft in memory, and a disk that refuses once it was asked so often.
#[derive(Debug)]
struct Memory<'a> {
    vectors: &'a Vectors,
    draft: Vec<u8>,
    graph: Vec<u8>,
    calls: Cell<usize>,
    calls_max: usize,
    /// A bit of the draft that comes back otherwise: which byte, and its place.
    flipped: Option<(u64, u8)>,
}

#[derive(Debug, PartialEq)]
struct Refused;

impl<'a> Memory<'a> {
    fn of(vectors: &'a Vectors) -> Self {
        // Whoever counts the build's bytes must not meet these.
        let draft = Vec::with_capacity(vectors.rows() * 2 * (2 + 8 * PARAMS.m0() as usize));
        let graph = Vec::with_capacity(vectors.rows() * 8 * 32);
        Self { vectors, draft, graph, calls: Cell::new(0), calls_max: usize::MAX, flipped: None }
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
        let start = usize::try_from(from).expect("in memory");
        out.copy_from_slice(&self.draft[start..start + out.len()]);
        if let Some((byte, bit)) = self.flipped
            && let Some(at) = byte.checked_sub(from).and_then(|at| usize::try_from(at).ok())
            && let Some(byte) = out.get_mut(at)
        {
            *byte ^= 1 << bit;
        }
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

#[test]
fn a_draft_that_comes_back_otherwise_ends_the_build() {
    let vectors = Vectors::clustered(1_500, 4, 20, 4);
    let params = Params { m: 8, ef_construct: 10, seed: 1 };
    let limit = needed_at_once(&vectors, &params);
    let plan = planned(&vectors, limit, &params, 1).expect("enough");
    let build = |flipped: Option<(u64, u8)>| {
        let mut workshop = Memory { flipped, ..Memory::of(&vectors) };
        let mut budget = Unbounded::default();
        let built = run(&mut workshop, (&plan, &params), &Inline, &mut budget);
        assert_eq!(budget.held(), 0);
        (built, workshop.draft.len() as u64)
    };
    let (built, bytes) = build(None);
    assert_eq!(built, Ok(1_500));
    // A list begins with the number of its links, of which each is a row and a distance.
    let first = (0..10).flat_map(|byte| [0, 3, 7].map(|bit| (byte, bit)));
    let others = (1..40).map(|part| (bytes * part / 40, 4)).chain([(bytes - 1, 0)]);
    for flipped in first.chain(others) {
        let failed = build(Some(flipped)).0;
        let told = matches!(failed, Err(PartsError::Hnsw(HnswError::Draft { .. })));
        assert!(told, "{flipped:?} of {bytes}: {failed:?}");
    }
}

/// The least that a query near a row finds of what is nearest to it.
fn least_recall(vectors: &Vectors, bytes: &[u8], ef: usize) -> f32 {
    let mut links = GraphBytes::parse(bytes).expect("a graph");
    let mut uniform = Uniform(7);
    let rows = 0..vectors.rows();
    let recalls = rows.step_by(vectors.rows() / 300).map(|near| {
        let near = vectors.row(Ordinal::from_index(near));
        let query: Vec<f32> = near.iter().map(|value| value + uniform.next() - 0.5).collect();
        let results = found(&mut links, vectors, &query, (ef, 10));
        recall(&results, &vectors.nearest(&query, 10, |_| true))
    });
    recalls.fold(1.0, f32::min)
}

#[test]
fn every_query_finds_its_cluster_however_far_clusters_lie() {
    for (side, dim, seed) in [(40.0, 16, 1), (10.0, 32, 3)] {
        let vectors = Vectors::apart(side, (20_000, dim, 150), seed);
        for percent in [25, 16] {
            let bytes = built_within(&vectors, percent, &PARAMS, &Inline);
            let least = least_recall(&vectors, &bytes, 64);
            assert!(least >= 0.7, "{least} in {percent} percent, side {side}");
        }
    }
}
