//! The vectors to store, the vectors to search for, and the right answers.

use std::borrow::Cow;
use std::path::Path;

use anyhow::Result;
use vectorizer_bench::{StoredSet, on_every_core};
use vectorizer_model::Metric;
use vectorizer_testkit::data::Matrix;
use vectorizer_testkit::oracle::{Neighbour, measure, nearest_of};
use vectorizer_testkit::random::Random;

use crate::args::{Args, MetricName};
use crate::clusters::Clusters;

/// Queries of generated data.
const QUERIES: u64 = 200;
/// Numbers of the rows that are queries; nobody stores as many.
const QUERY_ROWS: u64 = 1 << 40;
/// The payload's one field.
pub(crate) const FIELD: &str = "bucket";
/// Values that it has.
pub(crate) const BUCKETS: u32 = 1000;

/// What points hold besides their vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payloads {
    None,
    /// An integer, indexed.
    Bucket,
}

pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) metric: Metric,
    pub(crate) dim: usize,
    /// Rows to store before anything is measured.
    pub(crate) rows: usize,
    pub(crate) queries: Matrix,
    origin: Origin,
}

enum Origin {
    Generated(Clusters),
    Read { base: Matrix, truth: Vec<Vec<u32>> },
}

impl Source {
    pub(crate) fn load(args: &Args) -> Result<Self> {
        match &args.data {
            Some(folder) => Self::read(args, folder),
            None => Ok(Self::generate(args)),
        }
    }

    fn read(args: &Args, folder: &Path) -> Result<Self> {
        let set = StoredSet::read(folder)?;
        Ok(Self {
            metric: args.metric.map_or_else(|| set.metric(), Into::into),
            name: set.name,
            dim: set.base.dim,
            rows: set.base.rows(),
            queries: set.queries,
            origin: Origin::Read { base: set.base, truth: set.truth },
        })
    }

    fn generate(args: &Args) -> Self {
        let clusters = Clusters::new(args.rows, args.dim);
        let mut queries = Vec::new();
        for row in QUERY_ROWS..QUERY_ROWS + QUERIES {
            clusters.append(row, &mut queries);
        }
        Self {
            name: format!("synthetic-gaussian-clusters-{}x{}", args.rows, args.dim),
            metric: args.metric.map_or(Metric::L2, Into::into),
            dim: args.dim,
            rows: args.rows,
            queries: Matrix::new(args.dim, queries),
            origin: Origin::Generated(clusters),
        }
    }

    /// The components of a row. Rows beyond the last repeat those of a file; generated data never
    /// end.
    pub(crate) fn append(&self, row: u64, values: &mut Vec<f32>) {
        match &self.origin {
            Origin::Generated(clusters) => clusters.append(row, values),
            Origin::Read { base, .. } => {
                let row = usize::try_from(row).unwrap_or(usize::MAX) % base.rows();
                values.extend_from_slice(base.row(row));
            }
        }
    }

    /// The integer in the payload of a row, which its vector says nothing about.
    pub(crate) fn bucket(row: u64) -> u32 {
        let bucket = Random::new(!row).below(BUCKETS as usize);
        u32::try_from(bucket).unwrap_or(0)
    }

    /// All rows, for the oracle.
    pub(crate) fn base(&self) -> Cow<'_, Matrix> {
        match &self.origin {
            Origin::Read { base, .. } => Cow::Borrowed(base),
            Origin::Generated(clusters) => {
                let mut values = Vec::with_capacity(self.rows * self.dim);
                (0..self.rows as u64).for_each(|row| clusters.append(row, &mut values));
                Cow::Owned(Matrix::new(self.dim, values))
            }
        }
    }

    /// For each query its nearest rows: those of the file, or found by brute force.
    pub(crate) fn truth(&self, base: &Matrix, k: usize) -> Vec<Vec<Neighbour>> {
        match &self.origin {
            Origin::Generated(_) => self.truth_among(base, k, |_| true),
            Origin::Read { truth, .. } => {
                let stated = |(query, rows): (&[f32], &Vec<u32>)| {
                    measure(self.metric, base, query, &rows[..k.min(rows.len())])
                };
                self.queries.iter().zip(truth).map(stated).collect()
            }
        }
    }

    /// For each query its nearest among some rows, by brute force on every core.
    pub(crate) fn truth_among(
        &self,
        base: &Matrix,
        k: usize,
        admits: impl Fn(u32) -> bool + Sync,
    ) -> Vec<Vec<Neighbour>> {
        on_every_core(self.queries.rows(), |query| {
            nearest_of(self.metric, base, self.queries.row(query), (k, &admits))
        })
    }
}

impl From<MetricName> for Metric {
    fn from(name: MetricName) -> Self {
        match name {
            MetricName::L2 => Self::L2,
            MetricName::Dot => Self::Dot,
            MetricName::Cosine => Self::Cosine,
            MetricName::Manhattan => Self::Manhattan,
        }
    }
}
