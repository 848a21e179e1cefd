//! The vectors to store, the vectors to search for, and the right answers.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use vectorizer_model::settings::{HnswSettings, Quantization, StorageType, VectorSettings};
use vectorizer_model::{CollectionSettings, Datatype, Metric, VectorName};
use vectorizer_testkit::data::npy::{read_matrix, read_rows};
use vectorizer_testkit::data::{Matrix, clustered};
use vectorizer_testkit::oracle::{Neighbour, ground_truth, measure};

use crate::args::{Args, MetricName};

/// Queries of generated data.
const QUERIES: usize = 200;

pub(crate) struct Data {
    pub(crate) name: String,
    pub(crate) metric: Metric,
    pub(crate) base: Matrix,
    pub(crate) queries: Matrix,
    pub(crate) truth: Vec<Vec<Neighbour>>,
}

impl Data {
    pub(crate) fn load(args: &Args) -> Result<Self> {
        match &args.data {
            Some(folder) => Self::read(args, folder),
            None => Ok(Self::generate(args)),
        }
    }

    fn read(args: &Args, folder: &Path) -> Result<Self> {
        let base = read_matrix(&find(folder, "base.")?, usize::MAX)?;
        let queries = read_matrix(&find(folder, "query.")?, usize::MAX)?;
        let truth = read_rows(&find(folder, "groundtruth.")?, usize::MAX)?;
        let metric = args.metric.map_or_else(|| guess(&base), Into::into);
        let truth = queries
            .iter()
            .zip(&truth)
            .map(|(query, rows)| measure(metric, &base, query, &rows[..args.k.min(rows.len())]))
            .collect();
        let name = folder.file_name().map_or_else(String::new, |n| n.to_string_lossy().into());
        Ok(Self { name, metric, base, queries, truth })
    }

    fn generate(args: &Args) -> Self {
        let metric = args.metric.map_or(Metric::L2, Into::into);
        let all = clustered(1, args.rows + QUERIES, args.dim, (args.rows / 500 + 1, 0.4));
        let (base, queries) = all.values.split_at(args.rows * args.dim);
        let base = Matrix::new(args.dim, base.to_vec());
        let queries = Matrix::new(args.dim, queries.to_vec());
        let truth = ground_truth(metric, &base, &queries, args.k);
        let name = format!("synthetic-{}x{}", args.rows, args.dim);
        Self { name, metric, base, queries, truth }
    }

    pub(crate) fn settings(&self, args: &Args) -> CollectionSettings {
        let vector = VectorSettings {
            dim: u32::try_from(self.base.dim).unwrap_or(u32::MAX),
            metric: self.metric,
            datatype: Datatype::Float32,
            on_disk: None,
            hnsw: None,
            quantization: None,
        };
        CollectionSettings {
            vectors: [(VectorName::unnamed(), vector)].into(),
            hnsw: HnswSettings {
                m: args.m,
                ef_construct: args.ef_construct,
                ..HnswSettings::default()
            },
            quantization: Quantization::Int8,
            storage_type: StorageType::Mmap,
            field_indexes: std::collections::BTreeMap::new(),
            on_disk_payload: false,
            tuning: std::collections::BTreeMap::new(),
        }
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

/// Unit vectors are compared by angle, others by length.
fn guess(base: &Matrix) -> Metric {
    let unit = |row: &[f32]| (row.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 0.02;
    if base.iter().take(100).all(unit) { Metric::Cosine } else { Metric::L2 }
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
