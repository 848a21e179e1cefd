//! What is measured, and how.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use vectorizer_engine::{Durability, Residency};
use vectorizer_model::bytes::ByteCount;

/// Measures the engine in process, with recall beside every speed.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    /// Folder with base.*.npy, query.*.npy and groundtruth.*.npy; absent means generated data.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// Rows of generated data (labelled synthetic).
    #[arg(long, default_value_t = 100_000)]
    pub(crate) rows: usize,
    /// Components of generated data.
    #[arg(long, default_value_t = 128)]
    pub(crate) dim: usize,
    /// Distance; guessed from the vectors' lengths if absent.
    #[arg(long, value_enum)]
    pub(crate) metric: Option<MetricName>,
    /// Neighbours asked for.
    #[arg(long, default_value_t = 10)]
    pub(crate) k: usize,
    /// Candidate lists to measure.
    #[arg(long, value_delimiter = ',', default_values_t = [12, 16, 20, 24, 32, 40, 48, 64, 96, 128, 200, 300])]
    pub(crate) ef: Vec<usize>,
    /// Candidates rescored, as a multiple of k.
    #[arg(long, default_value_t = 2.0)]
    pub(crate) oversampling: f32,
    /// Threads that build graphs; searches always run on one.
    #[arg(long, default_value_t = 2)]
    pub(crate) threads: usize,
    /// Links of a graph node.
    #[arg(long, default_value_t = 16)]
    pub(crate) m: u32,
    /// Candidates while building.
    #[arg(long, default_value_t = 200)]
    pub(crate) ef_construct: u32,
    /// Points in one write.
    #[arg(long, default_value_t = 1000)]
    pub(crate) batch: usize,
    /// When a write counts as durable.
    #[arg(long, value_enum, default_value_t = DurabilityName::Fsync)]
    pub(crate) durability: DurabilityName,
    /// How index bytes are held.
    #[arg(long, value_enum, default_value_t = ResidencyName::Mapped)]
    pub(crate) residency: ResidencyName,
    /// The budget.
    #[arg(long, default_value = "8GiB")]
    pub(crate) memory: ByteCount,
    /// Data folder; a scratch folder if absent.
    #[arg(long)]
    pub(crate) folder: Option<PathBuf>,
    /// Print one line of JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Args {
    /// The settings that decide the figures.
    pub(crate) fn config(&self) -> serde_json::Value {
        serde_json::json!({
            "m": self.m,
            "ef_construct": self.ef_construct,
            "codes": "int8",
            "oversampling": self.oversampling,
            "build_threads": self.threads,
            "batch": self.batch,
            "durability": format!("{:?}", self.durability).to_lowercase(),
            "residency": format!("{:?}", self.residency).to_lowercase(),
        })
    }
}

/// A metric by name.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum MetricName {
    L2,
    Dot,
    Cosine,
    Manhattan,
}

/// A durability by name.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum DurabilityName {
    Fsync,
    Os,
}

impl From<DurabilityName> for Durability {
    fn from(name: DurabilityName) -> Self {
        match name {
            DurabilityName::Fsync => Self::Fsync,
            DurabilityName::Os => Self::Os,
        }
    }
}

/// A residency by name.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ResidencyName {
    Governed,
    Mapped,
}

impl From<ResidencyName> for Residency {
    fn from(name: ResidencyName) -> Self {
        match name {
            ResidencyName::Governed => Self::Governed,
            ResidencyName::Mapped => Self::Mapped,
        }
    }
}
