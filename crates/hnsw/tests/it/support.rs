//! Vectors, exact answers and threads for the tests.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::atomic::AtomicUsize;

use vectorizer_hnsw::{
    Executor, Graph, Host, Inline, Links, Outcome, Params, Scratch, SearchParams, build, search,
};
use vectorizer_model::budget::Unbounded;
use vectorizer_model::{AllRows, Cardinality, Ordinal, RowScorer, Scored, Scorer, Selection};

/// Numbers from 0 to 1, the same for the same seed.
pub(crate) struct Uniform(pub(crate) u64);

impl Uniform {
    pub(crate) fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 40) as f32 / (1 << 24) as f32
    }
}

/// Rows of `dim` components and squared Euclidean distances between them.
#[derive(Debug)]
pub(crate) struct Vectors {
    pub(crate) dim: usize,
    pub(crate) values: Vec<f32>,
}

impl Vectors {
    /// Rows around centres; ordinals follow the clusters, as point ids may.
    pub(crate) fn clustered(rows: usize, dim: usize, clusters: usize, seed: u64) -> Self {
        Self::apart(2.0, (rows, dim, clusters), seed)
    }

    /// As [`Self::clustered`], with centres in a cube of this side.
    pub(crate) fn apart(
        side: f32,
        (rows, dim, clusters): (usize, usize, usize),
        seed: u64,
    ) -> Self {
        let mut uniform = Uniform(seed);
        let centres: Vec<f32> = (0..clusters * dim).map(|_| side * uniform.next()).collect();
        let mut values = Vec::with_capacity(rows * dim);
        for row in 0..rows {
            let centre = &centres[row * clusters / rows * dim..][..dim];
            values.extend(centre.iter().map(|value| value + uniform.next() - 0.5));
        }
        Self { dim, values }
    }

    pub(crate) fn equal(rows: usize, dim: usize) -> Self {
        Self { dim, values: vec![0.5; rows * dim] }
    }

    pub(crate) fn row(&self, ordinal: Ordinal) -> &[f32] {
        &self.values[ordinal.index() * self.dim..][..self.dim]
    }

    /// The exact nearest of the rows that `admits` lets pass.
    pub(crate) fn nearest(
        &self,
        query: &[f32],
        limit: usize,
        admits: impl Fn(Ordinal) -> bool,
    ) -> Vec<Scored> {
        let rows = (0..self.rows()).map(Ordinal::from_index).filter(|row| admits(*row));
        let mut all: Vec<Scored> = rows
            .map(|ordinal| Scored { distance: distance(query, self.row(ordinal)), ordinal })
            .collect();
        all.sort_unstable();
        all.truncate(limit);
        all
    }

    pub(crate) fn query<'a>(&'a self, query: &'a [f32]) -> Query<'a> {
        Query { vectors: self, query }
    }
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

impl RowScorer for Vectors {
    fn rows(&self) -> usize {
        self.values.len() / self.dim
    }

    fn prefetch(&self, _: &[Ordinal]) {}

    fn score(&self, row: Ordinal, ordinals: &[Ordinal], out: &mut [f32]) {
        for (distance_to, ordinal) in out.iter_mut().zip(ordinals) {
            *distance_to = distance(self.row(row), self.row(*ordinal));
        }
    }
}

#[derive(Debug)]
pub(crate) struct Query<'a> {
    vectors: &'a Vectors,
    query: &'a [f32],
}

impl Scorer for Query<'_> {
    type Error = Infallible;

    fn prefetch(&mut self, _: &[Ordinal]) {}

    fn score(&mut self, ordinals: &[Ordinal], out: &mut [f32]) -> Result<(), Infallible> {
        assert_eq!(ordinals.len(), out.len());
        for (distance_to, ordinal) in out.iter_mut().zip(ordinals) {
            *distance_to = distance(self.query, self.vectors.row(*ordinal));
        }
        Ok(())
    }
}

/// Admits the rows of a set.
#[derive(Debug)]
pub(crate) struct Some(pub(crate) BTreeSet<Ordinal>);

impl Selection for Some {
    type Error = Infallible;

    fn admits(&mut self, ordinal: Ordinal) -> Result<bool, Infallible> {
        Ok(self.0.contains(&ordinal))
    }

    fn cardinality(&self) -> Cardinality {
        Cardinality::Exact(self.0.len() as u64)
    }
}

pub(crate) struct Threads(pub(crate) usize);

impl Executor for Threads {
    fn workers(&self) -> usize {
        self.0
    }

    fn run(&self, task: &(dyn Fn(usize) + Sync)) {
        std::thread::scope(|scope| {
            for worker in 0..self.0 {
                scope.spawn(move || task(worker));
            }
        });
    }
}

pub(crate) fn built(vectors: &Vectors, params: &Params, executor: &dyn Executor) -> Graph {
    let inserted = AtomicUsize::new(0);
    let host = Host { executor, cancelled: &|| false, inserted: &inserted, hint: |_| () };
    let graph = build(vectors, params, host, &mut Unbounded::default()).expect("no limits");
    assert_eq!(inserted.into_inner(), vectors.rows());
    graph
}

pub(crate) fn built_inline(vectors: &Vectors, params: &Params) -> Graph {
    built(vectors, params, &Inline)
}

/// The nearest rows as the graph finds them.
pub(crate) fn found<L: Links<Error: std::fmt::Debug>>(
    links: &mut L,
    vectors: &Vectors,
    query: &[f32],
    (ef, limit): (usize, usize),
) -> Vec<Scored> {
    let mut all = AllRows { rows: vectors.rows() as u64 };
    let params = SearchParams { ef, limit, visit_limit: usize::MAX, seeds: &[] };
    let mut scratch = Scratch::new();
    let outcome = search(links, &mut vectors.query(query), &mut all, &params, &mut scratch);
    assert!(matches!(outcome, Ok(Outcome::Done(_))), "an intact graph");
    scratch.results().to_vec()
}

/// The share of `truth` among `found`.
pub(crate) fn recall(found: &[Scored], truth: &[Scored]) -> f32 {
    let hits = truth.iter().filter(|row| found.contains(row)).count();
    hits as f32 / truth.len().max(1) as f32
}
