//! Vectors of files, with queries and their right answers.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use vectorizer_model::Metric;
use vectorizer_testkit::data::Matrix;
use vectorizer_testkit::data::npy::{read_matrix, read_rows};

/// What a folder with `base.*.npy`, `query.*.npy` and `groundtruth.*.npy` holds.
#[derive(Debug)]
pub struct StoredSet {
    /// The folder's name.
    pub name: String,
    /// The vectors to store; shape `[rows, dim]`.
    pub base: Matrix,
    /// The vectors to search for; shape `[queries, dim]`.
    pub queries: Matrix,
    /// For each query its nearest rows, nearest first.
    pub truth: Vec<Vec<u32>>,
}

impl StoredSet {
    /// Reads all of it.
    ///
    /// # Errors
    /// A file is not there or cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        Ok(Self {
            name: folder.file_name().map_or_else(String::new, |n| n.to_string_lossy().into()),
            base: read_matrix(&find(folder, "base.")?, usize::MAX)?,
            queries: read_matrix(&find(folder, "query.")?, usize::MAX)?,
            truth: read_rows(&find(folder, "groundtruth.")?, usize::MAX)?,
        })
    }

    /// Unit vectors are compared by angle, others by length.
    pub fn metric(&self) -> Metric {
        let unit = |row: &[f32]| (row.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 0.02;
        if self.base.iter().take(100).all(unit) { Metric::Cosine } else { Metric::L2 }
    }
}

fn find(folder: &Path, prefix: &str) -> Result<PathBuf> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        if name.is_some_and(|name| name.starts_with(prefix)) {
            return Ok(path);
        }
    }
    bail!("{} has no file {prefix}*.npy", folder.display())
}
