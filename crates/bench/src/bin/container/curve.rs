//! The curve: how fast and how right searches are at budgets below the data, by who holds the
//! index bytes. Each point is a server of its own in a container of its own.

mod corpus;
mod folders;
mod point;

use std::fmt;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use serde::Serialize;
use vectorizer_model::bytes::{ByteCount, GIB};

use self::corpus::Corpus;
use self::folders::Folders;
use self::point::{Kind, Measured, Outcome, Point, Setting};
use crate::cgroup::Counted;
use crate::{print, tell};

/// At this percentage of the data p99 is at most [`P99_TIMES`] that without a limit.
const CHECKED_PERCENT: u64 = 25;
const P99_TIMES: f64 = 5.0;
/// So much less of the neighbours may be found below the data than without a limit.
const RECALL_LOST: f64 = 0.01;
/// No query takes longer.
const LONGEST_MS: f64 = 1000.0;

/// What is drawn.
#[derive(Debug, Args)]
pub(crate) struct CurveArgs {
    /// The server's binary.
    #[arg(long, default_value = "target/release/vectorizer")]
    server: PathBuf,
    /// Folder with base.*.npy, query.*.npy and groundtruth.*.npy; absent means generated data.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Rows of generated data (clusters, labelled synthetic).
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Components of generated data.
    #[arg(long, default_value_t = 384)]
    dim: usize,
    /// Collections that hold all of the data each: real sets are small beside what a process needs.
    #[arg(long, default_value_t = 1)]
    copies: u64,
    /// Budgets in percent of the vectors' bytes; the first point has no limit.
    #[arg(long, value_delimiter = ',', default_values_t = [100, 50, 25, 10, 5])]
    percents: Vec<u64>,
    /// Who holds the index bytes.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Kind::ALL)]
    kinds: Vec<Kind>,
    /// The container's limit in percent of the budget.
    #[arg(long, default_value_t = 110)]
    container_percent: u64,
    /// Clients that search, each without pause.
    #[arg(long, default_value_t = 2)]
    clients: u64,
    /// Seconds of warming up for each point.
    #[arg(long, default_value_t = 10.0)]
    warm_seconds: f64,
    /// Seconds that are measured for each point.
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// Neighbours asked for.
    #[arg(long, default_value_t = 10)]
    k: usize,
    /// A folder that keeps the data and is found again; a scratch folder if absent.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Fails if the promise was broken.
    #[arg(long)]
    check: bool,
    /// Prints one line of JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Curve {
    question: &'static str,
    data: String,
    copies: u64,
    data_bytes: u64,
    disk_bytes: u64,
    clients: u64,
    seconds: f64,
    points: Vec<Point>,
}

pub(crate) fn run(args: &CurveArgs) -> Result<()> {
    let scratch = tempfile::tempdir_in(std::env::current_dir()?)?;
    let folder = args.folder.clone().unwrap_or_else(|| scratch.path().join("data"));
    std::fs::create_dir_all(&folder)?;
    let data = match &args.data {
        Some(folder) => Corpus::read(folder)?,
        None => Corpus::generate(args.rows, args.dim)?,
    };
    let folders = Folders::prepare(&folder.canonicalize()?, &data, args.copies, args.k)?;
    let mut curve = Curve {
        question: "curve",
        data_bytes: data.rows * data.dim as u64 * 4 * args.copies,
        data: data.name.clone(),
        copies: args.copies,
        disk_bytes: folders.disk_bytes,
        clients: args.clients,
        seconds: args.seconds,
        points: Vec::new(),
    };
    tell(&curve.to_string());
    let bench = point::Bench {
        server: &args.server,
        scratch: scratch.path(),
        data: &data,
        folders: &folders,
        copies: args.copies,
        clients: args.clients,
        warm_seconds: args.warm_seconds,
        seconds: args.seconds,
        k: args.k,
    };
    for kind in &args.kinds {
        let unlimited = [None];
        for percent in unlimited.into_iter().chain(args.percents.iter().copied().map(Some)) {
            let setting = curve.setting(*kind, percent, args.container_percent);
            let point = bench.measure(setting)?;
            tell(&point.to_string());
            curve.points.push(point);
        }
    }
    if args.json {
        print(&serde_json::to_string(&curve)?)?;
    } else {
        print(&curve.to_string())?;
    }
    if args.check { curve.check() } else { Ok(()) }
}

impl Curve {
    /// Without a limit there is room for all of the index several times.
    fn setting(&self, kind: Kind, percent: Option<u64>, container_percent: u64) -> Setting {
        let plenty = 4 * self.disk_bytes + GIB;
        let budget = percent.map_or(plenty, |percent| self.data_bytes / 100 * percent);
        Setting { kind, percent, budget, container: budget / 100 * container_percent }
    }

    fn measured(&self, kind: Kind, percent: Option<u64>) -> Option<&Measured> {
        let of = |point: &&Point| point.setting.kind == kind && point.setting.percent == percent;
        match &self.points.iter().find(of)?.outcome {
            Outcome::Measured(measured) => Some(measured),
            Outcome::Refused { .. } => None,
        }
    }

    /// Whether searches get slower smoothly where the budget governs them. What the kernel does
    /// with mapped files is no promise of ours, and is only shown.
    fn check(&self) -> Result<()> {
        let mut broken = Vec::new();
        for point in self.points.iter().filter(|point| point.setting.kind == Kind::Governed) {
            let percent = point.setting.percent.unwrap_or(0);
            let measured = match &point.outcome {
                Outcome::Measured(measured) => measured,
                Outcome::Refused { reason } => {
                    broken.push(format!("at {percent} percent it does not fit: {reason}"));
                    continue;
                }
            };
            let Counted { limit_hits, oom_kills, .. } = measured.counted;
            if limit_hits + oom_kills > 0 {
                broken.push(format!("at {percent} percent the limit was met {limit_hits} times"));
            }
            let best = self.measured(Kind::Governed, None).map_or(1.0, |best| best.recall);
            if measured.recall < best - RECALL_LOST {
                broken.push(format!("at {percent} percent recall is {:.4}", measured.recall));
            }
            let longest = measured.max_ms.max(measured.warm_max_ms);
            if longest > LONGEST_MS {
                broken.push(format!("at {percent} percent a query took {longest:.0} ms"));
            }
            if measured.failed > 0 {
                broken.push(format!("at {percent} percent {} queries failed", measured.failed));
            }
        }
        let p99 = |percent| self.measured(Kind::Governed, percent).map(|measured| measured.p99_ms);
        match (p99(None), p99(Some(CHECKED_PERCENT))) {
            (Some(unlimited), Some(limited)) => {
                let times = limited / unlimited;
                if times > P99_TIMES {
                    broken.push(format!("p99 at {CHECKED_PERCENT} percent is {times:.1} times"));
                }
            }
            _ => broken.push(format!("nothing was measured at {CHECKED_PERCENT} percent")),
        }
        ensure!(broken.is_empty(), "the promise was broken: {broken:#?}");
        Ok(())
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, disk) = (ByteCount(self.data_bytes), ByteCount(self.disk_bytes));
        let Self { data, copies, clients, .. } = self;
        writeln!(
            f,
            "{data}, {copies} times: {bytes} of vectors, {disk} on disk; {clients} clients"
        )?;
        writeln!(f, "{}", point::HEADER)?;
        self.points.iter().try_for_each(|point| writeln!(f, "{point}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: &[(Kind, Option<u64>, f64, f64)]) -> Curve {
        let point = |&(kind, percent, p99_ms, max_ms): &(Kind, Option<u64>, f64, f64)| Point {
            setting: Setting { kind, percent, budget: 0, container: 0 },
            outcome: Outcome::Measured(Measured { p99_ms, max_ms, ..Measured::default() }),
        };
        Curve {
            question: "curve",
            data: String::new(),
            copies: 1,
            data_bytes: 1000,
            disk_bytes: 2000,
            clients: 1,
            seconds: 1.0,
            points: points.iter().map(point).collect(),
        }
    }

    #[test]
    fn budgets_are_shares_of_the_vectors_bytes() {
        let setting = curve(&[]).setting(Kind::Mapped, Some(25), 110);
        assert_eq!((setting.budget, setting.container), (250, 220));
        let setting = curve(&[]).setting(Kind::Mapped, None, 100);
        assert_eq!(setting.budget, GIB + 8000);
    }

    #[test]
    fn a_check_goes_by_what_the_budget_governs() {
        let (governed, mapped) = (Kind::Governed, Kind::Mapped);
        let best = (governed, None, 2.0, 5.0);
        let of = |points: &[(Kind, Option<u64>, f64, f64)]| curve(points).check();
        assert!(of(&[best, (governed, Some(25), 10.0, 999.0)]).is_ok());
        assert!(
            of(&[best, (governed, Some(25), 10.0, 9.0), (mapped, Some(25), 99.0, 3e3)]).is_ok()
        );
        for (points, told) in [
            (vec![best, (governed, Some(25), 10.1, 20.0)], "is 5."),
            (
                vec![best, (governed, Some(25), 3.0, 9.0), (governed, Some(5), 3.0, 1001.0)],
                "1001 ms",
            ),
            (vec![best, (mapped, Some(25), 1.0, 1.0)], "nothing was measured"),
        ] {
            let error = of(&points).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn a_check_asks_for_recall_room_and_a_container_that_is_kept() {
        let kept = || {
            let (governed, fast) = (Kind::Governed, (2.0, 5.0));
            curve(&[(governed, None, fast.0, fast.1), (governed, Some(25), fast.0, fast.1)])
        };
        assert!(kept().check().is_ok());
        let measured = |change: fn(&mut Measured)| {
            let mut measured = Measured { p99_ms: 2.0, recall: 0.9, ..Measured::default() };
            change(&mut measured);
            Outcome::Measured(measured)
        };
        for (outcome, told) in [
            (measured(|point| point.recall = 0.88), "recall is 0.8800"),
            (measured(|point| point.counted.limit_hits = 2), "met 2 times"),
            (measured(|point| point.counted.oom_kills = 1), "met 0 times"),
            (measured(|point| point.failed = 1), "1 queries failed"),
            (Outcome::Refused { reason: "no memory".to_owned() }, "does not fit: no memory"),
        ] {
            let mut broken = kept();
            broken.points[0].outcome = measured(|_| ());
            broken.points[1].outcome = outcome;
            let error = broken.check().unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
