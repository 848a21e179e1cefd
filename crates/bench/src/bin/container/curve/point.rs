//! One point: a server with one budget in a container, and what its clients saw.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail, ensure};
use clap::ValueEnum;
use serde::Serialize;
use serde_json::json;
use vectorizer_model::bytes::ByteCount;
use vectorizer_model::settings::StorageType;

use super::corpus::{Corpus, JUDGED};
use super::folders::{Folders, collection, forget};
use crate::cgroup::{Cgroup, Counted};
use crate::server::{Server, Start};
use crate::watch::{Seen, watch};
use vectorizer_bench::http::Connection;

/// What a server says that cannot start in so little memory.
const TOLD_AT_START: &[&str] = &["memory"];
/// How it refuses a search for which there is no room.
const TOLD_AT_SEARCH: &[&str] = &["413:", "429:", "503:"];

/// Who holds the index bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// The budget, in page frames.
    Governed,
    /// The kernel, in its page cache.
    Mapped,
    /// The budget, for good: storage type `memory`.
    Memory,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Governed, Self::Mapped, Self::Memory];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Governed => "governed",
            Self::Mapped => "mapped",
            Self::Memory => "memory",
        })
    }
}

/// What a point is measured with.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Setting {
    pub(crate) kind: Kind,
    /// Of the vectors' bytes; none is without a limit.
    pub(crate) percent: Option<u64>,
    pub(crate) budget: u64,
    pub(crate) container: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Point {
    #[serde(flatten)]
    pub(crate) setting: Setting,
    pub(crate) outcome: Outcome,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Measured(Measured),
    /// It does not fit, and the server says so.
    Refused {
        reason: String,
    },
}

/// What clients saw.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Measured {
    pub(crate) qps: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    /// The slowest while it warmed up, the first of all among them.
    pub(crate) warm_max_ms: f64,
    pub(crate) failed: u64,
    pub(crate) recall: f64,
    pub(crate) seen: Seen,
    pub(crate) counted: Counted,
}

/// What all points share.
#[derive(Clone, Copy)]
pub(crate) struct Bench<'a> {
    pub(crate) server: &'a Path,
    pub(crate) scratch: &'a Path,
    pub(crate) data: &'a Corpus,
    pub(crate) folders: &'a Folders,
    pub(crate) copies: u64,
    pub(crate) clients: u64,
    pub(crate) warm_seconds: f64,
    pub(crate) seconds: f64,
    pub(crate) k: usize,
}

/// The answers of one phase.
#[derive(Debug, Default)]
struct Phase {
    micros: Vec<u32>,
    failed: u64,
}

impl Bench<'_> {
    pub(crate) fn measure(&self, setting: Setting) -> Result<Point> {
        let storage = match setting.kind {
            Kind::Memory => StorageType::Memory,
            Kind::Governed | Kind::Mapped => StorageType::Mmap,
        };
        let folder = self.folders.of(storage);
        forget(&folder)?;
        let group = Cgroup::create(setting.container)?;
        let residency = match setting.kind {
            Kind::Mapped => "storage.residency=mapped",
            Kind::Governed | Kind::Memory => "storage.residency=governed",
        };
        let server = Server::start(Start {
            binary: self.server,
            scratch: self.scratch,
            data: &folder,
            budget: setting.budget,
            group: Some(&group),
            set: &[residency],
            environment: &[],
        });
        let server = match server {
            Ok(server) => server,
            Err(error) => return refused(setting, &error.to_string(), TOLD_AT_START),
        };
        let first = Instant::now();
        if let Err(error) = self.ask(&mut Connection::new(server.address), 0) {
            return refused(setting, &error.to_string(), TOLD_AT_SEARCH);
        }
        let first_ms = first.elapsed().as_secs_f64() * 1000.0;
        // Beyond the queries that are judged, which no cache of answers is to know.
        let next = AtomicU64::new(JUDGED);
        let warm = self.phase(&server, &next, self.warm_seconds);
        let stop = AtomicBool::new(false);
        let (mut phase, seconds, seen) = thread::scope(|scope| {
            let watched = scope.spawn(|| watch(&server, &stop));
            let started = Instant::now();
            let phase = self.phase(&server, &next, self.seconds);
            let seconds = started.elapsed().as_secs_f64();
            stop.store(true, Ordering::Relaxed);
            let seen = watched.join().unwrap_or_else(|_panic| Err(anyhow!("the watcher panicked")));
            (phase, seconds, seen)
        });
        let seen = seen?;
        let recall = self.recall(&server)?;
        let counted = group.read()?;
        server.stop()?;
        phase.micros.sort_unstable();
        let warm_max = warm.micros.iter().max().map_or(0.0, |micros| f64::from(*micros) / 1000.0);
        let outcome = Outcome::Measured(Measured {
            qps: phase.micros.len() as f64 / seconds,
            p50_ms: percentile(&phase.micros, 50),
            p99_ms: percentile(&phase.micros, 99),
            max_ms: percentile(&phase.micros, 100),
            warm_max_ms: warm_max.max(first_ms),
            failed: warm.failed + phase.failed,
            recall,
            seen,
            counted,
        });
        Ok(Point { setting, outcome })
    }

    /// Asks new queries without pause, from all clients.
    fn phase(&self, server: &Server, next: &AtomicU64, seconds: f64) -> Phase {
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        let client = || {
            let (mut connection, mut phase) = (Connection::new(server.address), Phase::default());
            while Instant::now() < end {
                let number = next.fetch_add(1, Ordering::Relaxed);
                match self.ask(&mut connection, number) {
                    Ok((_, micros)) => phase.micros.push(micros),
                    Err(_) => phase.failed += 1,
                }
            }
            phase
        };
        let mut all = Phase::default();
        thread::scope(|scope| {
            let clients: Vec<_> = (0..self.clients).map(|_| scope.spawn(client)).collect();
            for client in clients {
                let phase = client.join().unwrap_or_default();
                all.micros.extend(phase.micros);
                all.failed += phase.failed;
            }
        });
        all
    }

    /// The ids found for a query, in any of the copies, and how long that took.
    fn ask(&self, connection: &mut Connection, number: u64) -> Result<(Vec<u64>, u32)> {
        let body = json!({ "query": self.data.query(number), "limit": self.k }).to_string();
        let path = format!("/collections/{}/points/query", collection(number % self.copies));
        let asked = Instant::now();
        let answer = connection.ask("POST", &path, body.as_bytes())?;
        let micros = u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX);
        let json = answer.json()?;
        ensure!(answer.status == 200, "{}: {}", answer.status, json["status"]["error"]);
        let points = json["result"]["points"].as_array();
        let ids = points.into_iter().flatten().filter_map(|point| point["id"].as_u64());
        Ok((ids.collect(), micros))
    }

    /// The share of the true neighbours that are found, over all judged queries.
    fn recall(&self, server: &Server) -> Result<f64> {
        let mut connection = Connection::new(server.address);
        let (mut found, mut all) = (0, 0);
        for (number, truth) in (0..).zip(&self.folders.truth) {
            let (ids, _) = self.ask(&mut connection, number)?;
            let truth = &truth[..self.k.min(truth.len())];
            found += truth.iter().filter(|id| ids.contains(id)).count();
            all += truth.len();
        }
        Ok(found as f64 / all.max(1) as f64)
    }
}

/// A point that does not fit.
///
/// # Errors
/// What the server said is nothing of memory.
fn refused(setting: Setting, why: &str, told: &[&str]) -> Result<Point> {
    // The last line says why; those before are its log.
    let reason = why.lines().rfind(|line| !line.trim().is_empty()).unwrap_or(why).to_owned();
    if !told.iter().any(|told| reason.contains(told)) {
        bail!("{} at {:?} percent: {why}", setting.kind, setting.percent);
    }
    Ok(Point { setting, outcome: Outcome::Refused { reason } })
}

fn percentile(sorted: &[u32], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
}

pub(crate) const HEADER: &str = "kind      percent      budget       QPS    p50 ms    p99 ms    \
    max ms   warm max  failed  recall   anonymous  page cache   limit hits";

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setting { kind, percent, budget, .. } = self.setting;
        let percent = percent.map_or("none".to_owned(), |percent| percent.to_string());
        let told = |bytes: u64| ByteCount(bytes).to_string();
        write!(f, "{:<9} {percent:>7} {:>11}", kind.to_string(), told(budget))?;
        let measured = match &self.outcome {
            Outcome::Measured(measured) => measured,
            Outcome::Refused { reason } => return write!(f, "  refused: {reason}"),
        };
        let Measured { qps, p50_ms, p99_ms, max_ms, warm_max_ms, failed, recall, .. } = measured;
        write!(
            f,
            " {qps:>9.1} {p50_ms:>9.2} {p99_ms:>9.2} {max_ms:>9.1} {warm_max_ms:>10.1} \
             {failed:>7} {recall:>7.4} {:>11} {:>11} {:>12}",
            told(measured.seen.anonymous),
            told(measured.counted.file_bytes),
            measured.counted.limit_hits,
        )
    }
}
