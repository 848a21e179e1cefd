//! The vectors of a curve, its queries and the right answers.

use std::path::Path;

use anyhow::Result;
use vectorizer_bench::{StoredSet, on_every_core};
use vectorizer_model::Metric;
use vectorizer_testkit::data::Matrix;
use vectorizer_testkit::oracle::nearest;
use vectorizer_testkit::random::Random;

use crate::vectors::Vectors;

/// Queries whose answers are held against the truth.
pub(crate) const JUDGED: u64 = 200;
/// Rows of one cluster of generated data, on average.
const CLUSTER_ROWS: usize = 500;
/// Keys of queries begin here; nobody stores as many rows.
const QUERY_KEYS: u64 = 1 << 40;
/// A query of a file that is asked again differs by so much, in each component, that no cache of
/// answers knows it.
const DIFFERENCE: f64 = 0.02;

pub(crate) struct Corpus {
    pub(crate) name: String,
    pub(crate) metric: Metric,
    pub(crate) dim: usize,
    pub(crate) rows: u64,
    origin: Origin,
}

enum Origin {
    Generated(Vectors),
    Read { base: Matrix, queries: Matrix, truth: Vec<Vec<u32>> },
}

impl Corpus {
    pub(crate) fn generate(rows: u64, dim: usize) -> Result<Self> {
        let clusters = usize::try_from(rows)? / CLUSTER_ROWS + 1;
        Ok(Self {
            name: format!("synthetic-clusters-{rows}x{dim}"),
            metric: Metric::L2,
            dim,
            rows,
            origin: Origin::Generated(Vectors::with_centres(dim, clusters)),
        })
    }

    /// Reads `base.*.npy`, `query.*.npy` and `groundtruth.*.npy`.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let set = StoredSet::read(folder)?;
        let (metric, dim, rows) = (set.metric(), set.base.dim, set.base.rows() as u64);
        let StoredSet { name, base, queries, truth } = set;
        Ok(Self { name, metric, dim, rows, origin: Origin::Read { base, queries, truth } })
    }

    pub(crate) fn append(&self, row: u64, values: &mut Vec<f32>) {
        match &self.origin {
            Origin::Generated(vectors) => values.extend(vectors.row(row)),
            Origin::Read { base, .. } => {
                values.extend_from_slice(base.row(usize::try_from(row).unwrap_or(0)));
            }
        }
    }

    /// How many queries have a stated answer, at most.
    pub(crate) fn judged(&self) -> u64 {
        match &self.origin {
            Origin::Generated(_) => JUDGED,
            Origin::Read { queries, truth, .. } => {
                JUDGED.min(queries.rows() as u64).min(truth.len() as u64)
            }
        }
    }

    /// A query; no two are equal.
    pub(crate) fn query(&self, number: u64) -> Vec<f32> {
        match &self.origin {
            Origin::Generated(vectors) => vectors.row(QUERY_KEYS + number),
            Origin::Read { queries, .. } => {
                let row = usize::try_from(number).unwrap_or(0) % queries.rows();
                let mut query = queries.row(row).to_vec();
                if number >= queries.rows() as u64 {
                    let mut random = Random::new(number);
                    for value in &mut query {
                        *value *= vary(&mut random);
                    }
                }
                query
            }
        }
    }

    /// The ids of the `k` nearest rows of each judged query, by brute force on every core.
    pub(crate) fn truth(&self, k: usize) -> Vec<Vec<u64>> {
        let judged = usize::try_from(self.judged()).unwrap_or(0);
        let vectors = match &self.origin {
            Origin::Read { truth, .. } => {
                let first =
                    |rows: &Vec<u32>| rows.iter().take(k).map(|row| (*row).into()).collect();
                return truth.iter().take(judged).map(first).collect();
            }
            Origin::Generated(vectors) => vectors,
        };
        let mut values = Vec::new();
        (0..self.rows).for_each(|row| values.extend(vectors.row(row)));
        let base = Matrix::new(self.dim, values);
        on_every_core(judged, |number| {
            let near = nearest(self.metric, &base, &self.query(number as u64), k);
            near.iter().map(|neighbour| neighbour.row.into()).collect()
        })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "vectors are singles")]
fn vary(random: &mut Random) -> f32 {
    (1.0 + DIFFERENCE * (2.0 * random.unit() - 1.0)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_queries_differ_and_their_truth_is_near() {
        let data = Corpus::generate(3000, 16).unwrap();
        assert_ne!(data.query(0), data.query(1));
        let truth = data.truth(3);
        assert_eq!(truth.len(), 200);
        let distance =
            |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum() };
        let row = |row| {
            let mut values = Vec::new();
            data.append(row, &mut values);
            values
        };
        let query = data.query(7);
        let nearest = (0..3000).map(|id| distance(&row(id), &query)).fold(f32::MAX, f32::min);
        let first = distance(&row(truth[7][0]), &query);
        assert!((first - nearest).abs() < 1e-4, "{first} {nearest}");
    }

    #[test]
    fn a_query_of_a_file_is_asked_again_a_little_different() {
        let matrix = |values: &[f32]| Matrix::new(2, values.to_vec());
        let origin = Origin::Read {
            base: matrix(&[1.0, 2.0]),
            queries: matrix(&[1.0, 2.0, 3.0, 4.0]),
            truth: vec![vec![0, 5], vec![0]],
        };
        let data = Corpus { name: String::new(), metric: Metric::L2, dim: 2, rows: 1, origin };
        assert_eq!(data.query(1), [3.0, 4.0]);
        let again = data.query(3);
        assert!(again != [3.0, 4.0] && again != data.query(5), "{again:?}");
        assert!((again[0] - 3.0).abs() <= 0.06 && (again[1] - 4.0).abs() <= 0.08, "{again:?}");
        assert_eq!((data.judged(), data.truth(1)), (2, vec![vec![0], vec![0]]));
    }
}
