//! The promise: a process under load stays inside its memory limit.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use ureq::Agent;

use crate::support::{Random, Server, answer, eventually, npy};

const DIM: usize = 128;
const ROWS: usize = 100_000;
/// What the process may hold beyond its limit, all of it not ours to reserve: the pages of the
/// binary and of the C library, and the first pages of stacks.
const BASE_BYTES: u64 = 16 << 20;
/// Threads that search while the import runs.
const SEARCHERS: u64 = 2;

/// A reading of `/proc/<pid>/status`, in bytes.
pub(crate) fn status(pid: u32, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    kilobytes.map(|count: u64| count << 10).expect("told in kB")
}

fn write_vectors(path: &Path) {
    let mut random = Random(11);
    let mut data = Vec::with_capacity(ROWS * DIM * 4);
    for row in 0..ROWS {
        let centre = (row % 64) as f32 / 8.0;
        for _ in 0..DIM {
            let noise = (random.below(2001) as f32 - 1000.0) / 1000.0;
            data.extend_from_slice(&(centre + noise).to_le_bytes());
        }
    }
    fs::write(path, npy("<f4", ROWS, DIM, &data)).expect("written");
}

/// The status of one search.
fn search(agent: &Agent, url: &str, seed: u64) -> u16 {
    let mut random = Random(seed);
    let query: Vec<f64> = (0..DIM).map(|_| random.component()).collect();
    let url = format!("{url}/collections/things/points/query");
    let post = agent.post(&url).header("content-type", "application/json");
    let sent = post.send(json!({ "query": query, "limit": 10 }).to_string());
    let mut response = sent.expect("an answer");
    response.body_mut().read_to_vec().expect("whole");
    response.status().as_u16()
}

fn agent() -> Agent {
    Agent::config_builder().http_status_as_error(false).build().into()
}

/// Searches until told to stop. Answers, refusals for lack of memory, and nothing else.
fn search_all_the_time(url: &str, lane: u64, stop: &AtomicBool) -> (u64, u64) {
    let agent = agent();
    let (mut answered, mut refused, mut seed) = (0, 0, lane);
    while !stop.load(Ordering::Relaxed) {
        seed += SEARCHERS;
        match search(&agent, url, seed) {
            200 => answered += 1,
            429 | 503 => refused += 1,
            // The import has yet to create the collection.
            404 => thread::sleep(Duration::from_millis(20)),
            other => panic!("a search was answered with {other}"),
        }
    }
    (answered, refused)
}

/// Watches the anonymous bytes of a process; the most it saw.
fn watch(pid: u32, stop: &AtomicBool, most: &AtomicU64) {
    while !stop.load(Ordering::Relaxed) {
        most.fetch_max(status(pid, "RssAnon"), Ordering::Relaxed);
        thread::sleep(Duration::from_millis(2));
    }
}

fn check(limit: &str, limit_bytes: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("vectors.npy");
    write_vectors(&file);
    let server = Server::start(&folder.path().join("data"), &["--memory-limit", limit]);
    let (pid, url) = (server.child.id(), server.url.as_str());
    let (stop, anonymous) = (AtomicBool::new(false), AtomicU64::new(0));
    let since = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| watch(pid, &stop, &anonymous));
        let stop = &stop;
        let lanes: Vec<_> = (0..SEARCHERS)
            .map(|lane| scope.spawn(move || search_all_the_time(url, lane, stop)))
            .collect();
        let file = file.to_str().expect("UTF-8");
        let import = ["import", "things", file, "--metric", "l2", "--url", url];
        assert_eq!(answer(&import)["rows"], json!(ROWS));
        // Background work goes on: flushes, merges, graphs.
        thread::sleep(Duration::from_secs(4));
        stop.store(true, Ordering::Relaxed);
        let counts = lanes.into_iter().map(|lane| lane.join().expect("no panic"));
        let (answered, refused) = counts.fold((0, 0), |(a, r), (b, s)| (a + b, r + s));
        assert!(answered > refused, "{answered} searches answered, {refused} refused");
    });
    let agent = agent();
    eventually("a search is answered", || search(&agent, url, 1) == 200);
    let (peak, anonymous) = (status(pid, "VmHWM"), anonymous.into_inner());
    let took = since.elapsed();
    let told = format!("peak {peak}, anonymous {anonymous}, limit {limit_bytes}, {took:?}");
    assert!(anonymous <= limit_bytes, "more than the limit: {told}");
    assert!(peak <= limit_bytes + BASE_BYTES, "more than limit and base: {told}");
    let info = answer(&["info", "things", "--url", url]);
    assert_eq!(info["points_count"].as_u64(), Some(ROWS as u64), "{info}");
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn an_import_under_searches_stays_within_the_limit() {
    check("64MB", 64 << 20);
    check("128MB", 128 << 20);
}
