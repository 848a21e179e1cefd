//! Frames and bytes per second of 512-byte payloads, by group size and durability.
//!
//! `cargo run --release -p vectorizer-log --example append [folder]`; the folder, by default one
//! in the system's temporary folder, decides which disk is measured.

use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use vectorizer_log::{Durability, Entry, Log, LogConfig};
use vectorizer_model::{Epoch, RequestId, SequenceNumber, ShardId};
use vectorizer_vfs::OsDirectory;

const PAYLOAD_BYTES: usize = 512;
const TIME_PER_CASE: Duration = Duration::from_secs(2);

fn main() -> Result<(), Box<dyn Error>> {
    let folder = match std::env::args().nth(1) {
        Some(parent) => tempfile::tempdir_in(parent)?,
        None => tempfile::tempdir()?,
    };
    say("durability  group     frames/s       MB/s  group ms");
    for durability in [Durability::Fsync, Durability::Os] {
        for group in [1, 64, 1024] {
            let name = format!("{durability:?}-{group}");
            let (frames, took) = append(&folder.path().join(&name), durability, group)?;
            let per_second = frames as f64 / took.as_secs_f64();
            let megabytes = per_second * PAYLOAD_BYTES as f64 / 1e6;
            let group_ms = took.as_secs_f64() * 1e3 / (frames / group) as f64;
            say(&format!(
                "{durability:<10?} {group:>6} {per_second:>12.0} {megabytes:>10.1} {group_ms:>9.3}"
            ));
        }
    }
    let took = replay(&folder.path().join("Os-1024"))?;
    say(&took);
    Ok(())
}

/// Appends groups for a while, letting files go as they fill; frames and time.
fn append(
    path: &Path,
    durability: Durability,
    group: u64,
) -> Result<(u64, Duration), Box<dyn Error>> {
    let config = LogConfig { durability, ..LogConfig::new(1) };
    let (log, _) = Log::open(OsDirectory::open(path)?, config, &mut |_| ControlFlow::Continue(()))?;
    let payload = vec![7; PAYLOAD_BYTES];
    let start = Instant::now();
    let mut frames = 0;
    while start.elapsed() < TIME_PER_CASE {
        for _ in 0..group {
            frames += 1;
            log.append(Entry {
                shard: ShardId(1),
                epoch: Epoch(0),
                seq: SequenceNumber(frames),
                request: RequestId(u128::from(frames)),
                payload: payload.clone(),
                companion: (),
            })?;
        }
        log.commit()?;
        if log.bytes_on_disk() > 512 << 20 {
            log.release(ShardId(1), SequenceNumber(frames));
            log.collect()?;
        }
    }
    Ok((frames, start.elapsed()))
}

/// Opens a log that was left behind.
fn replay(path: &Path) -> Result<String, Box<dyn Error>> {
    let start = Instant::now();
    let config = LogConfig::new(1);
    let (log, recovery) =
        Log::<()>::open(OsDirectory::open(path)?, config, &mut |_| ControlFlow::Continue(()))?;
    let took = start.elapsed().as_secs_f64();
    let bytes = log.bytes_on_disk();
    Ok(format!(
        "replay of {} frames, {:.0} MB: {took:.3} s, {:.0} MB/s",
        recovery.entries,
        bytes as f64 / 1e6,
        bytes as f64 / 1e6 / took
    ))
}

#[expect(clippy::print_stdout, reason = "an example talks to its user")]
fn say(line: &str) {
    println!("{line}");
}
