//! What a process holds and how its requests fare, at one moment of many.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use vectorizer_model::bytes::ByteCount;

use crate::cgroup::Cgroup;
use crate::metrics::Metrics;
use crate::server::{Server, resident};
use crate::tally::Tally;
use vectorizer_bench::http::Connection;

/// One moment, and the requests since the one before.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Checkpoint {
    pub(crate) seconds: f64,
    pub(crate) anonymous_bytes: u64,
    pub(crate) reserved_bytes: u64,
    /// Reserved, with base and drift.
    pub(crate) held_bytes: u64,
    /// By the server's own reading.
    pub(crate) measured_bytes: u64,
    pub(crate) drift_bytes: u64,
    pub(crate) unreclaimable_bytes: u64,
    /// Vectors that wait for a graph.
    pub(crate) backlog_bytes: u64,
    /// Bytes of files that the kernel holds for the container, if there is one.
    pub(crate) page_cache_bytes: Option<u64>,
    /// Times that the container's limit was met so far.
    pub(crate) limit_hits: Option<u64>,
    pub(crate) disk_bytes: u64,
    pub(crate) open_files: u64,
    pub(crate) threads: u64,
    pub(crate) requests: BTreeMap<&'static str, Since>,
}

/// Requests of one kind since the last checkpoint.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Since {
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// Where checkpoints are read.
pub(crate) struct Place<'a> {
    pub(crate) server: &'a Server,
    pub(crate) group: Option<&'a Cgroup>,
    pub(crate) data: &'a Path,
    pub(crate) tally: &'a Tally,
}

impl Place<'_> {
    /// Looks at everything, `seconds` after the start and `since` after the last look.
    pub(crate) fn look(
        &self,
        connection: &mut Connection,
        seconds: f64,
        since: f64,
    ) -> Result<Checkpoint> {
        let pid = self.server.pid();
        let metrics = Metrics::read(connection)?;
        let (anonymous_bytes, _) = resident(pid).context("the server is gone")?;
        let counted = self.group.map(Cgroup::read).transpose()?;
        let told = |(kind, (answered, p50_ms, p99_ms)): (&'static str, (usize, f64, f64))| {
            (kind, Since { per_second: answered as f64 / since, p50_ms, p99_ms })
        };
        Ok(Checkpoint {
            seconds,
            anonymous_bytes,
            reserved_bytes: metrics.get("vectorizer_memory_total_bytes")?,
            held_bytes: metrics.get("vectorizer_cluster_memory_usage_bytes")?,
            measured_bytes: metrics.get("vectorizer_memory_measured_bytes")?,
            drift_bytes: metrics.get("vectorizer_memory_drift_bytes")?,
            unreclaimable_bytes: metrics.get("vectorizer_memory_unreclaimable_bytes")?,
            backlog_bytes: metrics.get("vectorizer_backlog_bytes")?,
            page_cache_bytes: counted.map(|counted| counted.file_bytes),
            limit_hits: counted.map(|counted| counted.limit_hits),
            disk_bytes: disk_bytes(self.data)?,
            open_files: entries(&format!("/proc/{pid}/fd"))?,
            threads: entries(&format!("/proc/{pid}/task"))?,
            requests: self.tally.checkpoint().into_iter().map(told).collect(),
        })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>6.0} s", self.seconds)?;
        for (name, bytes) in [
            ("anonymous", self.anonymous_bytes),
            ("reserved", self.reserved_bytes),
            ("measured", self.measured_bytes),
            ("drift", self.drift_bytes),
            ("backlog", self.backlog_bytes),
            ("on disk", self.disk_bytes),
        ] {
            write!(f, "  {name} {}", ByteCount(bytes))?;
        }
        if let (Some(cached), Some(hits)) = (self.page_cache_bytes, self.limit_hits) {
            write!(f, "  page cache {}, limit met {hits} times", ByteCount(cached))?;
        }
        write!(f, "  {} files, {} threads", self.open_files, self.threads)?;
        for (kind, Since { per_second, p50_ms, p99_ms }) in &self.requests {
            write!(f, "  {kind} {per_second:.1}/s {p50_ms:.1} {p99_ms:.1} ms")?;
        }
        Ok(())
    }
}

fn entries(folder: &str) -> Result<u64> {
    let count = fs::read_dir(folder).with_context(|| folder.to_owned())?.count();
    Ok(u64::try_from(count)?)
}

/// Bytes on disk of all files below a folder that somebody uses: what goes meanwhile is not
/// counted.
pub(crate) fn disk_bytes(path: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        metadata => metadata.with_context(|| path.display().to_string())?,
    };
    if !metadata.is_dir() {
        return Ok(metadata.blocks() * 512);
    }
    let mut bytes = 0;
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        entries => entries.with_context(|| path.display().to_string())?,
    };
    for entry in entries {
        bytes += disk_bytes(&entry?.path())?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_counts_with_all_below_it() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(disk_bytes(folder.path()).unwrap(), 0);
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/b"), vec![1; 10_000]).unwrap();
        fs::write(folder.path().join("c"), vec![1; 10_000]).unwrap();
        assert!((20_000..60_000).contains(&disk_bytes(folder.path()).unwrap()));
        assert_eq!(disk_bytes(&folder.path().join("gone")).unwrap(), 0);
        assert_eq!(entries(folder.path().to_str().unwrap()).unwrap(), 2);
    }
}
