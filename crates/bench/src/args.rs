//! What is measured, and how.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use vectorizer_engine::{Durability, Residency};
use vectorizer_model::bytes::ByteCount;
use vectorizer_model::settings::HnswSettings;

/// Measures the engine in process, with recall beside every speed.
#[derive(Debug, Parser)]
#[command(version, args_override_self = true)]
pub(crate) struct Args {
    /// The question to answer.
    #[arg(value_enum, default_value_t = Question::Recall)]
    question: Question,
    /// Overrides the question, for the processes that a question starts.
    #[arg(long, value_enum, hide = true)]
    only: Option<Question>,
    /// Folder with base.*.npy, query.*.npy and groundtruth.*.npy; absent means generated data.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// Rows of generated data (Gaussian clusters, labelled synthetic).
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
    /// Candidate lists that recall measures.
    #[arg(long, value_delimiter = ',', default_values_t = [12, 16, 20, 24, 32, 40, 48, 64, 96, 128, 200, 300])]
    pub(crate) ef: Vec<usize>,
    /// Candidates that recall rescores, as a multiple of k; other questions take the default.
    #[arg(long, default_value_t = 2.0)]
    pub(crate) oversampling: f32,
    /// Threads that build graphs; searches always run on one.
    #[arg(long, default_value_t = 2)]
    pub(crate) threads: usize,
    /// Rows that merged segments hold at most; all if absent.
    #[arg(long)]
    pub(crate) segment_rows: Option<u32>,
    /// Links of a graph node.
    #[arg(long, default_value_t = HnswSettings::default().m)]
    pub(crate) m: u32,
    /// Candidates while building; 200 for recall, as its peers have, else the engine's default.
    #[arg(long)]
    ef_construct: Option<u32>,
    /// Points in one write.
    #[arg(long, default_value_t = 1000)]
    pub(crate) batch: usize,
    /// When a write counts as durable; ingest and single measure both.
    #[arg(long, value_enum, default_value_t = DurabilityName::Fsync)]
    pub(crate) durability: DurabilityName,
    /// How index bytes are held.
    #[arg(long, value_enum, default_value_t = ResidencyName::Mapped)]
    pub(crate) residency: ResidencyName,
    /// The budget.
    #[arg(long, default_value = "8GiB")]
    pub(crate) memory: ByteCount,
    /// Data folder, filled if it is empty, else searched as it is; a scratch folder if absent.
    #[arg(long)]
    pub(crate) folder: Option<PathBuf>,
    /// Seconds of each phase that measures latency.
    #[arg(long, default_value_t = 10.0)]
    pub(crate) seconds: f64,
    /// Queries per second of the open loop; a tenth of what the closed loop did if absent.
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// Vectors per second that under-load writes; half of the sustained rate if absent.
    #[arg(long)]
    pub(crate) write_rate: Option<f64>,
    /// Where recall and plot draw recall against queries per second, as SVG.
    #[arg(long)]
    pub(crate) plot: Option<PathBuf>,
    /// Results whose curves are drawn too: of bench/peers/run.py, or lines of --json.
    #[arg(long, num_args = 1..)]
    pub(crate) beside: Vec<PathBuf>,
    /// Print one line of JSON for each question instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Args {
    pub(crate) fn question(&self) -> Question {
        self.only.unwrap_or(self.question)
    }

    pub(crate) fn ef_construct(&self) -> u32 {
        let recall = self.question() == Question::Recall;
        let default = if recall { 200 } else { HnswSettings::default().ef_construct };
        self.ef_construct.unwrap_or(default)
    }

    /// The settings that decide the figures.
    pub(crate) fn config(&self) -> serde_json::Value {
        serde_json::json!({
            "m": self.m,
            "ef_construct": self.ef_construct(),
            "codes": "int8",
            "oversampling": self.oversampling,
            "build_threads": self.threads,
            "segment_rows": self.segment_rows,
            "batch": self.batch,
            "durability": self.durability.word(),
            "residency": format!("{:?}", self.residency).to_lowercase(),
        })
    }
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Question {
    /// Recall and speed over candidate lists; ingest, build, start, memory and disk besides.
    Recall,
    /// Rates of bulk writes with either durability, until acknowledged and until indexed.
    Ingest,
    /// Latency of searches while another thread writes, beside that of a collection at rest.
    UnderLoad,
    /// Recall and speed where 100, 50, 10, 1 and 0.1 percent of the rows match.
    Filtered,
    /// Time to open a folder and to the first answer, and idle memory, in a new process.
    Open,
    /// The same query through the library and over a kept REST connection.
    Rest,
    /// One point at a time: read by id, and written with either durability.
    Single,
    /// Draws the results named by --beside; measures nothing.
    Plot,
    /// All that measure, each in a process of its own.
    All,
    /// The new process of open.
    #[value(hide = true)]
    Reopen,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DurabilityName {
    Fsync,
    Os,
}

impl DurabilityName {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Fsync => "fsync",
            Self::Os => "os",
        }
    }
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
