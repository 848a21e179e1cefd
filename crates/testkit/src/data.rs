//! Vectors for tests and benchmarks: seeded ones, and the shared data sets.
//!
//! The data sets lie outside the project. [`data_folder`] finds them; a test that needs them is
//! skipped with a message where they are absent.

pub mod npy;
pub mod vecs;

use std::path::{Path, PathBuf};

use vectorizer_model::Metric;

use crate::random::Random;

/// Vectors row after row: shape `[n, dim]`, row-major.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matrix {
    /// Components of a row, at least 1.
    pub dim: usize,
    /// `n * dim` components.
    pub values: Vec<f32>,
}

impl Matrix {
    /// Takes components row after row.
    ///
    /// # Panics
    /// If `dim` is 0 or the components are not whole rows.
    pub fn new(dim: usize, values: Vec<f32>) -> Self {
        assert!(dim > 0, "a row has components");
        assert!(values.len().is_multiple_of(dim), "rows are whole");
        Self { dim, values }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.values.len() / self.dim.max(1)
    }

    /// One row, `[dim]`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.dim..][..self.dim]
    }

    /// Every row in order.
    pub fn iter(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact(self.dim.max(1))
    }

    /// Keeps the first `rows` rows.
    pub fn truncate(&mut self, rows: usize) {
        self.values.truncate(rows * self.dim);
    }
}

impl<'a> IntoIterator for &'a Matrix {
    type Item = &'a [f32];
    type IntoIter = std::slice::ChunksExact<'a, f32>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Why a data file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The file system refused.
    #[error("cannot read {path}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what its name promises.
    #[error("{path} is not usable: {reason}")]
    Format {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Components evenly drawn from -1 to 1.
pub fn uniform(seed: u64, rows: usize, dim: usize) -> Matrix {
    let mut random = Random::new(seed);
    fill(rows, dim, || 2.0 * random.unit() - 1.0)
}

/// Components of the standard normal distribution.
pub fn gaussian(seed: u64, rows: usize, dim: usize) -> Matrix {
    let mut random = Random::new(seed);
    fill(rows, dim, || random.normal())
}

/// Rows scattered around `clusters` centres, which are themselves drawn as by [`gaussian`];
/// `spread` is the deviation of a component from its centre's.
///
/// # Panics
/// If `clusters` is 0.
pub fn clustered(seed: u64, rows: usize, dim: usize, (clusters, spread): (usize, f64)) -> Matrix {
    let centres = gaussian(seed, clusters, dim);
    let mut random = Random::new(!seed);
    let mut values = Vec::with_capacity(rows * dim);
    for _ in 0..rows {
        let centre = centres.row(random.below(clusters)).iter();
        values.extend(centre.map(|&mean| narrow(f64::from(mean) + spread * random.normal())));
    }
    Matrix::new(dim, values)
}

fn fill(rows: usize, dim: usize, mut next: impl FnMut() -> f64) -> Matrix {
    Matrix::new(dim, (0..rows * dim).map(|_| narrow(next())).collect())
}

#[expect(clippy::cast_possible_truncation, reason = "test data are singles")]
fn narrow(value: f64) -> f32 {
    value as f32
}

/// A data set with its exact answers.
#[derive(Debug, Clone)]
pub struct DataSet {
    /// How its vectors are compared.
    pub metric: Metric,
    /// The vectors to search.
    pub base: Matrix,
    /// The vectors to search for.
    pub queries: Matrix,
    /// For each query its nearest rows of the whole base, nearest first.
    pub truth: Vec<Vec<u32>>,
}

impl DataSet {
    /// Descriptors of photographs: 200,000 x 128, 500 queries, L2.
    ///
    /// Absent, with a message, where the data are.
    ///
    /// # Errors
    /// [`DataError`] if files are there but cannot be used.
    pub fn sift() -> Result<Option<Self>, DataError> {
        let files = ["sift/base.u8.npy", "sift/query.u8.npy", "sift/groundtruth.i32.npy"];
        Self::load(Metric::L2, files)
    }

    /// Sentence embeddings: 100,000 x 384, 500 queries, cosine.
    ///
    /// Absent, with a message, where the data are.
    ///
    /// # Errors
    /// [`DataError`] if files are there but cannot be used.
    pub fn minilm() -> Result<Option<Self>, DataError> {
        Self::load(
            Metric::Cosine,
            [
                "minilm-wordnet/base.f16.npy",
                "minilm-wordnet/query.f32.npy",
                "minilm-wordnet/groundtruth.i32.npy",
            ],
        )
    }

    fn load(metric: Metric, files: [&str; 3]) -> Result<Option<Self>, DataError> {
        let Some(folder) = data_folder() else {
            return Ok(None);
        };
        let [base, queries, truth] = files.map(|file| folder.join(file));
        Ok(Some(Self {
            metric,
            base: npy::read_matrix(&base, usize::MAX)?,
            queries: npy::read_matrix(&queries, usize::MAX)?,
            truth: npy::read_rows(&truth, usize::MAX)?,
        }))
    }
}

/// The folder with the shared data: `VECTORIZER_TEST_DATA` if it is set, else `../shared/data`
/// beside the workspace. Prints that tests are skipped if it is not there.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub fn data_folder() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("VECTORIZER_TEST_DATA").map_or_else(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no test data in {}; set VECTORIZER_TEST_DATA", folder.display());
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::{measure, recall};

    #[test]
    fn generators_are_seeded_and_shaped() {
        for make in [uniform, gaussian] {
            let matrix = make(7, 10, 3);
            assert_eq!((matrix.rows(), matrix.dim), (10, 3));
            assert_eq!(matrix, make(7, 10, 3));
            assert_ne!(matrix, make(8, 10, 3));
            assert_eq!(matrix.iter().nth(4), Some(matrix.row(4)));
        }
        let mut close = clustered(7, 100, 4, (5, 0.0));
        close.values.dedup();
        let mut distinct: Vec<Vec<u32>> = clustered(7, 100, 4, (5, 0.0))
            .iter()
            .map(|row| row.iter().map(|x| x.to_bits()).collect())
            .collect();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 5);
    }

    #[test]
    fn shared_data_are_what_they_say() {
        for load in [DataSet::sift, DataSet::minilm] {
            let Some(data) = load().unwrap() else { return };
            assert_eq!(data.base.dim, data.queries.dim);
            assert_eq!(data.truth.len(), data.queries.rows());
            let query = data.queries.row(3);
            let truth = crate::oracle::nearest(data.metric, &data.base, query, 10);
            let stated = measure(data.metric, &data.base, query, &data.truth[3]);
            assert!(recall(&stated, &truth, 10) > 0.999);
        }
    }
}
