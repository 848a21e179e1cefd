//! Where rows come from, whatever the format.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

use super::lines::Lines;
use super::matrix::Matrix;
use crate::cli::{Format, ImportArgs, MetricName};

/// Bytes of one request, about; the server takes 32 MiB.
pub(super) const BODY_BYTES: usize = 4 << 20;

/// Rows of a file, in order.
pub(super) trait Rows: Send {
    /// How many there are, if that is known beforehand.
    fn total_rows(&self) -> Option<u64>;

    /// Bytes of all rows, if that is known beforehand.
    fn total_bytes(&self) -> Option<u64>;

    /// Components of each vector, if all have the same.
    fn dim(&self) -> Option<u64>;

    /// The `vectors` of a new collection that takes these rows.
    ///
    /// # Errors
    /// The first row cannot be read.
    fn vectors(&mut self, metric: MetricName) -> anyhow::Result<Value>;

    /// Passes over rows that are already there.
    ///
    /// # Errors
    /// They cannot be read.
    fn skip(&mut self, rows: u64) -> anyhow::Result<()>;

    /// The next rows as the body of an upsert; none at the end.
    ///
    /// # Errors
    /// A row is not what it should be; the message says which.
    fn next_batch(&mut self, rows_max: u64) -> anyhow::Result<Option<Batch>>;

    /// Different ids among all rows so far.
    fn distinct(&self) -> u64;
}

/// Rows as the body of an upsert.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) rows: u64,
    pub(super) body: String,
    /// Bytes of the file up to and with these rows.
    pub(super) bytes_read: u64,
}

/// Whether the name means the standard input.
pub(super) fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

/// Opens what the arguments name.
pub(super) fn open(args: &ImportArgs) -> anyhow::Result<Box<dyn Rows>> {
    let format = format_of(&args.file, args.format)?;
    let (input, bytes) = open_input(&args.file)?;
    Ok(match format {
        Format::Jsonl => Box::new(Lines::new(input, bytes)),
        Format::Npy | Format::Fvecs | Format::Bvecs => {
            Box::new(Matrix::open(input, bytes, format)?.with_first_id(args.first_id))
        }
    })
}

/// Opens a file, or the standard input whose length nobody knows.
pub(crate) fn open_input(file: &Path) -> anyhow::Result<(Box<dyn Read + Send>, Option<u64>)> {
    if is_stdin(file) {
        return Ok((Box::new(BufReader::with_capacity(1 << 20, std::io::stdin())), None));
    }
    let opened = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    let metadata = opened.metadata().with_context(|| format!("cannot open {}", file.display()))?;
    if metadata.is_dir() {
        bail!("{} is a folder; give a file", file.display());
    }
    let bytes = metadata.is_file().then_some(metadata.len());
    Ok((Box::new(BufReader::with_capacity(1 << 20, opened)), bytes))
}

/// The format that was given, or that the name tells.
pub(crate) fn format_of(file: &Path, given: Option<Format>) -> anyhow::Result<Format> {
    if let Some(format) = given {
        return Ok(format);
    }
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or("");
    match extension.to_ascii_lowercase().as_str() {
        "npy" => Ok(Format::Npy),
        "fvecs" => Ok(Format::Fvecs),
        "bvecs" => Ok(Format::Bvecs),
        "jsonl" | "ndjson" => Ok(Format::Jsonl),
        _ if is_stdin(file) => Ok(Format::Jsonl),
        _ => bail!("{}: the name does not tell the format; give --format", file.display()),
    }
}

/// What the contract calls a metric.
pub(super) fn distance(metric: MetricName) -> &'static str {
    match metric {
        MetricName::Cosine => "Cosine",
        MetricName::L2 => "Euclid",
        MetricName::Dot => "Dot",
        MetricName::Manhattan => "Manhattan",
    }
}

/// The `vectors` of a new collection with one unnamed vector.
pub(super) fn vector_settings(dim: u64, metric: MetricName, datatype: &str) -> Value {
    let distance = distance(metric);
    // Vectors are normalised for the cosine, which whole numbers cannot hold.
    let datatype = match (datatype, metric) {
        ("uint8", MetricName::Cosine) => "float32",
        (datatype, _) => datatype,
    };
    serde_json::json!({ "size": dim, "distance": distance, "datatype": datatype })
}
