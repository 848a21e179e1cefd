//! kill -9 at random moments of a server under writes: whatever was acknowledged is there
//! afterwards, nothing deleted is back, and no write is there in part.
//!
//! `VECTORIZER_KILL_SEED` and `VECTORIZER_KILL_POINTS` choose other moments and more of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::Agent;

use crate::support::{Random, Server, answer};

const DIM: usize = 16;
/// Servers that are killed side by side, each on its own folder.
const LANES: u64 = 4;
/// Threads that write to one server, each to points of its own.
const WRITERS: u64 = 3;
/// Points of one writer.
const IDS: u64 = 40;
/// One start of so many is killed before it is ready.
const STARTS_KILLED: u64 = 4;
/// Such a start is killed after this long, at most.
const START_MS_MAX: u64 = 25;
/// Kills happen this long after the writers began, at most.
const KILL_MS_MAX: u64 = 150;

/// What a point is: the write that made it, and the patch of its payload since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Point {
    write: u64,
    patch: Option<u64>,
}

/// The points that are there.
type Points = BTreeMap<u64, Point>;

/// One request: what it makes of each point, all or nothing.
#[derive(Debug, Clone)]
struct Change {
    path: &'static str,
    method: &'static str,
    body: Value,
    after: BTreeMap<u64, Option<Point>>,
}

fn vector(id: u64, write: u64) -> Vec<f64> {
    let mut random = Random(id << 32 ^ write);
    (0..DIM).map(|_| random.component()).collect()
}

/// Long enough that memtables fill up and are flushed while the server is being killed.
fn filler(write: u64) -> String {
    let length = usize::try_from(write % 37).expect("small") * 60;
    format!("{write:08x}").repeat(length / 8 + 1)
}

impl Change {
    fn random(random: &mut Random, writer: u64, write: u64, points: &Points) -> Self {
        let count = 1 + random.below(5);
        let ids: Vec<u64> = (0..count).map(|_| writer * IDS + random.below(IDS)).collect();
        let present: Vec<u64> = ids.iter().copied().filter(|id| points.contains_key(id)).collect();
        match random.below(10) {
            0..2 => Self {
                path: "/points/delete?wait=true",
                method: "POST",
                body: json!({ "points": ids }),
                after: ids.iter().map(|id| (*id, None)).collect(),
            },
            2..4 if !present.is_empty() => {
                let patched = |id: &u64| {
                    let before = points.get(id).map_or(0, |point| point.write);
                    (*id, Some(Point { write: before, patch: Some(write) }))
                };
                Self {
                    path: "/points/payload?wait=true",
                    method: "POST",
                    body: json!({ "points": present, "payload": { "patch": write } }),
                    after: present.iter().map(patched).collect(),
                }
            }
            _ => {
                let point = |id: &u64| {
                    json!({
                        "id": id,
                        "vector": vector(*id, write),
                        "payload": { "write": write, "filler": filler(write) },
                    })
                };
                let made = Some(Point { write, patch: None });
                Self {
                    path: "/points?wait=true",
                    method: "PUT",
                    body: json!({ "points": ids.iter().map(point).collect::<Vec<_>>() }),
                    after: ids.iter().map(|id| (*id, made)).collect(),
                }
            }
        }
    }

    fn apply(&self, points: &mut Points) {
        for (id, after) in &self.after {
            match after {
                Some(point) => points.insert(*id, *point),
                None => points.remove(id),
            };
        }
    }
}

/// What one writer knows.
#[derive(Debug, Clone)]
struct Writer {
    number: u64,
    random: Random,
    writes: u64,
    /// As acknowledged.
    points: Points,
    /// Sent, and not answered before the kill.
    unanswered: Option<Change>,
}

impl Writer {
    fn new(number: u64, seed: u64) -> Self {
        let random = Random(seed ^ number << 8);
        Self { number, random, writes: 0, points: Points::new(), unanswered: None }
    }

    /// Writes until the server is gone.
    fn run(&mut self, agent: &Agent, collection: &str, acknowledged: &AtomicU64) {
        loop {
            self.writes += 1;
            let change = Change::random(&mut self.random, self.number, self.writes, &self.points);
            let url = format!("{collection}{}", change.path);
            let body = change.body.to_string();
            let request = match change.method {
                "PUT" => agent.put(&url),
                _ => agent.post(&url),
            };
            match request.content_type("application/json").send(&body) {
                Ok(answer) if answer.status().is_success() => {
                    change.apply(&mut self.points);
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                Ok(mut refusal) => {
                    let said = refusal.body_mut().read_to_string().unwrap_or_default();
                    panic!("refused {} {body}: {said}", change.path);
                }
                Err(_gone) => {
                    self.unanswered = Some(change);
                    return;
                }
            }
        }
    }

    /// Holds what is there against what was acknowledged, and takes it over.
    fn check(&mut self, found: &Points) -> Result<(), String> {
        let range = self.number * IDS..(self.number + 1) * IDS;
        let found: Points = found.range(range).map(|(id, point)| (*id, *point)).collect();
        let mut with_unanswered = self.points.clone();
        if let Some(change) = self.unanswered.take() {
            change.apply(&mut with_unanswered);
        }
        if found != self.points && found != with_unanswered {
            let differing = |id: &u64| found.get(id) != self.points.get(id);
            let lines: Vec<String> = (self.number * IDS..(self.number + 1) * IDS)
                .filter(differing)
                .map(|id| {
                    let (found, acknowledged) = (found.get(&id), self.points.get(&id));
                    let sent = with_unanswered.get(&id);
                    format!("{id}: found {found:?}, acknowledged {acknowledged:?}, sent {sent:?}")
                })
                .collect();
            return Err(format!("writer {}:\n{}", self.number, lines.join("\n")));
        }
        self.points = found;
        Ok(())
    }
}

/// Reads every point and checks that it is whole.
fn read_all(agent: &Agent, collection: &str) -> Result<Points, String> {
    let body = json!({ "limit": 1000, "with_payload": true, "with_vector": true });
    let mut answer = agent
        .post(format!("{collection}/points/scroll"))
        .content_type("application/json")
        .send(body.to_string())
        .map_err(|error| error.to_string())?;
    let text = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
    let page: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let points = page["result"]["points"].as_array().ok_or_else(|| text.clone())?;
    let mut found = Points::new();
    for point in points {
        let broken = || format!("a point in part: {point}");
        let id = point["id"].as_u64().ok_or_else(broken)?;
        let write = point["payload"]["write"].as_u64().ok_or_else(broken)?;
        let patch = point["payload"]["patch"].as_u64();
        let stored: Option<Vec<f64>> =
            point["vector"].as_array().map(|v| v.iter().filter_map(Value::as_f64).collect());
        if stored != Some(vector(id, write)) || point["payload"]["filler"] != json!(filler(write)) {
            return Err(broken());
        }
        found.insert(id, Point { write, patch });
    }
    Ok(found)
}

fn agent() -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(20)))
        .build();
    config.new_agent()
}

/// One server, killed `kills` times.
fn lane(lane: u64, seed: u64, kills: u64, folder: &Path, acknowledged: &AtomicU64) {
    let mut random = Random(seed.wrapping_mul(31).wrapping_add(lane));
    let durability = if lane.is_multiple_of(2) { "fsync" } else { "os" };
    let arguments = ["--durability", durability, "--memory-limit", "64MB"];
    let mut writers: Vec<Writer> = (0..WRITERS).map(|n| Writer::new(n, random.next())).collect();
    for kill in 0..=kills {
        while random.below(STARTS_KILLED) == 0 {
            let after = Duration::from_micros(random.below(START_MS_MAX * 1000));
            Server::start_and_kill(folder, &arguments, after);
        }
        let mut server = Server::start(folder, &arguments);
        let agent = agent();
        let collection = format!("{}/collections/lane", server.url);
        if kill == 0 {
            let body = json!({ "vectors": { "size": DIM, "distance": "Euclid" } });
            let made = agent.put(&collection).content_type("application/json");
            let made = made.send(body.to_string()).expect("answered");
            assert!(made.status().is_success());
        }
        let found = read_all(&agent, &collection);
        let found = found.unwrap_or_else(|error| panic!("lane {lane}, kill {kill}: {error}"));
        for writer in &mut writers {
            let checked = writer.check(&found);
            checked.unwrap_or_else(|error| panic!("lane {lane}, after kill {kill}, {error}"));
        }
        assert!(found.keys().all(|id| *id < WRITERS * IDS), "a point that nobody wrote");
        if kill == kills {
            let (code, said) = server.stop();
            assert_eq!(code, Some(0), "{said}");
            return;
        }
        let moment = Duration::from_micros(random.below(KILL_MS_MAX * 1000));
        thread::scope(|scope| {
            for writer in &mut writers {
                let (agent, collection) = (agent.clone(), &collection);
                scope.spawn(move || writer.run(&agent, collection, acknowledged));
            }
            thread::sleep(moment);
            server.kill();
        });
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn acknowledged_writes_survive_every_kill() {
    let seed = number("VECTORIZER_KILL_SEED", 1);
    let points = number("VECTORIZER_KILL_POINTS", 200);
    println!("seed {seed}, {points} kills");
    let (since, acknowledged) = (Instant::now(), AtomicU64::new(0));
    let folder = tempfile::tempdir().expect("a folder");
    thread::scope(|scope| {
        for number in 0..LANES {
            let (folder, acknowledged) = (folder.path().join(number.to_string()), &acknowledged);
            let kills = points / LANES + u64::from(number < points % LANES);
            scope.spawn(move || lane(number, seed, kills, &folder, acknowledged));
        }
    });
    let mut segments = 0;
    for number in 0..LANES {
        let path = folder.path().join(number.to_string());
        let report = answer(&["verify", "--path", path.to_str().expect("UTF-8")]);
        assert_eq!(report["damages"], json!([]));
        segments += report["segments"].as_u64().unwrap_or(0);
    }
    let (writes, seconds) = (acknowledged.into_inner(), since.elapsed().as_secs_f64());
    println!("{points} kills, {writes} acknowledged writes, nothing lost, {seconds:.1} s");
    assert!(writes > points, "hardly anything was written");
    assert!(segments >= LANES, "hardly anything was flushed");
}

#[test]
fn losses_ghosts_and_torn_batches_are_noticed() {
    let point = |write| Point { write, patch: None };
    let acknowledged = Points::from([(1, point(1)), (2, point(2))]);
    let after = BTreeMap::from([(1, None), (3, Some(point(5)))]);
    let unanswered = Change { path: "", method: "", body: Value::Null, after };
    let is_accepted = |found: Points| {
        let mut writer = Writer::new(0, 1);
        writer.points = acknowledged.clone();
        writer.unanswered = Some(unanswered.clone());
        writer.check(&found).is_ok()
    };
    assert!(is_accepted(acknowledged.clone()));
    assert!(is_accepted(Points::from([(2, point(2)), (3, point(5))])));
    let lost = Points::from([(1, point(1))]);
    let older = Points::from([(1, point(1)), (2, point(1))]);
    let ghost = Points::from([(1, point(1)), (2, point(2)), (4, point(3))]);
    let torn = Points::from([(2, point(2))]);
    for found in [lost, older, ghost, torn] {
        assert!(!is_accepted(found.clone()), "{found:?}");
    }
}
