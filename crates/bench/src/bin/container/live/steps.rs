//! What is done to the server, one step after another.

use std::fmt;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde_json::{Value, json};
use vectorizer_testkit::leak;
use vectorizer_testkit::random::Random;

use crate::metrics::Metrics;
use crate::server::{Server, resident};
use crate::tally::Tally;
use vectorizer_bench::http::Connection;

/// Bytes that an eviction is to free.
const EVICTED: u64 = 100_000_000;
/// Time for page frames to fill up again.
const REFILL: Duration = Duration::from_secs(4);
/// Longer than anything may take.
const PATIENCE: Duration = Duration::from_mins(2);
/// Points of the collection whose answers are kept, all of which are an answer.
const ANSWER_POINTS: usize = 4000;
const ANSWER_DIM: usize = 8;
/// Bytes of answers that are kept before some are evicted.
const KEPT: u64 = 150_000_000;
/// How the server's log tells of a leak.
const LEAK_LINE: &str = "much is held that nobody reserved";
/// Less than so much drift is nothing that was leaked.
const FORGOTTEN: u64 = leak::LEAKED_BYTES / 100 * 10;
/// A leak is known when as much counts as held as the process holds, but for so much.
const UNKNOWN: u64 = leak::LEAKED_BYTES / 100 * 20;
/// A search may be held up for so long.
const HELD_UP_MOST_MS: f64 = 250.0;
/// So soon after an eviction or a change of limits, a search that it held up for longer than that is
/// answered, or has been waited for as long.
const HELD_UP: Duration = Duration::from_millis(300);
const KEPT_METRIC: &str = "vectorizer_memory_reserved_bytes{class=\"query_cache\"}";

/// How long something took, again and again.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    what: &'static str,
    ms: Vec<f64>,
    /// Longer fails a check.
    pub(super) most_ms: f64,
    /// What did not come about, whatever the time.
    pub(super) missed: Vec<String>,
    note: String,
}

impl Step {
    pub(super) fn slowest_ms(&self) -> f64 {
        self.ms.iter().copied().fold(0.0, f64::max)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, ms, most_ms, note, missed: _ } = self;
        let ms: Vec<String> = ms.iter().map(|ms| format!("{ms:.1}")).collect();
        write!(f, "{what:<44} {} ms (at most {most_ms:.0})  {note}", ms.join(", "))
    }
}

/// A server and the way to tell it what to do.
pub(super) struct Live<'a> {
    server: &'a Server,
    /// How others fare.
    tally: &'a Tally,
    budget: u64,
    connection: Connection,
    random: Random,
}

impl<'a> Live<'a> {
    pub(super) fn new(server: &'a Server, tally: &'a Tally, budget: u64) -> Self {
        let connection = Connection::new(server.address);
        Self { server, tally, budget, connection, random: Random::new(5) }
    }

    /// Every step, so many times.
    pub(super) fn all(&mut self, shrunk: u64, rounds: usize) -> Result<Vec<Step>> {
        let mut steps = vec![self.evictions("evict 100 MB of kept answers", "query", rounds)?];
        self.wait_until("page frames fill up", |live| {
            let reserved = live.metric("vectorizer_memory_total_bytes")?;
            Ok(reserved > live.budget / 100 * 60)
        })?;
        steps.push(self.evictions("evict 100 MB of page frames", "index_pages", rounds)?);
        steps.extend(self.shrinks(shrunk, rounds)?);
        steps.extend(self.leaks(rounds)?);
        Ok(steps)
    }

    fn evictions(&mut self, what: &'static str, cache: &str, rounds: usize) -> Result<Step> {
        let (mut ms, mut freed, mut missed) = (Vec::new(), Vec::new(), Vec::new());
        let mut slowest = 0.0_f64;
        for _ in 0..rounds {
            if cache == "query" {
                self.keep_answers()?;
            } else {
                thread::sleep(REFILL);
            }
            let body = json!({ "bytes": EVICTED, "cache": cache });
            let since = self.tally.answered();
            let (answer, took) = self.ask("POST", "/api/cache/memory/evict", &body)?;
            ms.push(took);
            thread::sleep(HELD_UP);
            slowest = slowest.max(self.tally.slowest_ms(&since));
            let bytes = answer["freed_bytes"].as_u64().context("no freed_bytes")?;
            if bytes < EVICTED {
                missed.push(format!("{what}: {bytes} bytes were freed"));
            }
            freed.push(format!("{:.0}", bytes as f64 / 1e6));
        }
        let note = format!("freed {} MB, slowest search {slowest:.0} ms", freed.join(", "));
        Ok(Step { what, ms, most_ms: 100.0, missed, note })
    }

    /// A smaller limit, until it is answered and until the process holds as little.
    fn shrinks(&mut self, shrunk: u64, rounds: usize) -> Result<Vec<Step>> {
        let (mut answered, mut followed, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        let (mut missed, mut held_up) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            thread::sleep(REFILL);
            let before = self.metric("vectorizer_memory_total_bytes")?;
            if before <= shrunk {
                missed.push(format!("only {before} bytes were held before a limit of {shrunk}"));
            }
            let since = self.tally.answered();
            let started = Instant::now();
            let path = "/api/cache/memory";
            let (_, took) = self.ask("PUT", path, &json!({ "max_memory_bytes": shrunk }))?;
            answered.push(took);
            self.wait_until("the process holds as little", |live| {
                let books = live.metric("vectorizer_memory_total_bytes")?;
                let (anonymous, _) = resident(live.server.pid()).unwrap_or((u64::MAX, 0));
                Ok(books <= shrunk && anonymous <= shrunk)
            })?;
            followed.push(milliseconds(started));
            notes.push(format!("{:.0}", before as f64 / 1e6));
            thread::sleep(HELD_UP);
            held_up.push(self.tally.slowest_ms(&since));
            // Searches go on in the little room for a while.
            thread::sleep(REFILL);
            self.ask("PUT", path, &json!({ "max_memory_bytes": self.budget }))?;
        }
        let note = format!("from {} MB reserved", notes.join(", "));
        let step = |what, ms, most_ms, missed, note| Step { what, ms, most_ms, missed, note };
        let plain = |what, ms, most_ms| step(what, ms, most_ms, Vec::new(), String::new());
        Ok(vec![
            step("shrink, until it is answered", answered, 2000.0, missed, note),
            plain("shrink, until books and process hold as little", followed, 2000.0),
            plain("shrink, slowest search meanwhile", held_up, HELD_UP_MOST_MS),
        ])
    }

    /// A leak, until it counts as held and until it is told. What is reserved and not used yet hides
    /// some of it from the drift; together they are what counts.
    fn leaks(&mut self, rounds: usize) -> Result<Vec<Step>> {
        let (mut lowered, mut told) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            self.wait_until("the last leak is forgotten", |live| {
                Ok(live.metric("vectorizer_memory_drift_bytes")? < FORGOTTEN)
            })?;
            // The alarm is put down a look later.
            thread::sleep(REFILL);
            let told_before = self.server.log_lines(LEAK_LINE)?;
            let before = anonymous_bytes(self.server)?;
            let started = Instant::now();
            self.signal(leak::LEAK)?;
            let (mut lower, mut warned) = (None, None);
            self.wait_until("the leak is known and told", |live| {
                let anonymous = anonymous_bytes(live.server)?;
                let metrics = Metrics::read(&mut live.connection)?;
                let reserved = metrics.get("vectorizer_memory_total_bytes")?;
                let counted = reserved + metrics.get("vectorizer_memory_drift_bytes")?;
                let leaked = anonymous + UNKNOWN >= before + leak::LEAKED_BYTES;
                if leaked && counted + UNKNOWN >= anonymous && lower.is_none() {
                    lower = Some(milliseconds(started));
                }
                if warned.is_none() && live.server.log_lines(LEAK_LINE)? > told_before {
                    warned = Some(milliseconds(started));
                }
                Ok(lower.is_some() && warned.is_some())
            })?;
            lowered.extend(lower);
            told.extend(warned);
            self.signal(leak::GIVE_BACK)?;
        }
        let step = |what, ms| {
            let (missed, note) = Default::default();
            Step { what, ms, most_ms: 1000.0, missed, note }
        };
        Ok(vec![
            step("200 MiB leak, until it counts as held", lowered),
            step("200 MiB leak, until it is told", told),
        ])
    }

    fn signal(&self, name: &str) -> Result<()> {
        let pid = self.server.pid().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status()?;
        ensure!(sent.success(), "kill: {sent}");
        Ok(())
    }

    /// Makes a small collection, all of which is one answer.
    pub(super) fn make_answers(&mut self) -> Result<()> {
        let create = json!({ "vectors": { "size": ANSWER_DIM, "distance": "Euclid" } });
        self.ask("PUT", "/collections/answers", &create)?;
        for from in (0..ANSWER_POINTS).step_by(1000) {
            let mut point = |id: usize| json!({ "id": id, "vector": self.random_vector() });
            let points: Vec<Value> = (from..from + 1000).map(&mut point).collect();
            self.ask("PUT", "/collections/answers/points", &json!({ "points": points }))?;
        }
        Ok(())
    }

    /// Asks for all of it again and again, until enough answers are kept.
    pub(super) fn keep_answers(&mut self) -> Result<()> {
        let since = Instant::now();
        while self.metric(KEPT_METRIC)? < KEPT {
            ensure!(since.elapsed() < PATIENCE, "{} bytes are kept", self.metric(KEPT_METRIC)?);
            for _ in 0..50 {
                // Every point is kept, and one is shown.
                let query = json!({
                    "query": self.random_vector(), "limit": 1, "offset": ANSWER_POINTS - 1,
                    "params": { "exact": true },
                });
                self.ask("POST", "/collections/answers/points/query", &query)?;
            }
        }
        Ok(())
    }

    fn random_vector(&mut self) -> Vec<f64> {
        (0..ANSWER_DIM).map(|_| self.random.unit()).collect()
    }

    fn metric(&mut self, name: &str) -> Result<u64> {
        Metrics::read(&mut self.connection)?.get(name)
    }

    fn ask(&mut self, method: &str, path: &str, body: &Value) -> Result<(Value, f64)> {
        let body = body.to_string();
        let started = Instant::now();
        let answer = self.connection.ask(method, path, body.as_bytes())?;
        let took = milliseconds(started);
        let json = answer.json()?;
        ensure!(answer.status == 200, "{method} {path}: {}: {json}", answer.status);
        Ok((json, took))
    }

    fn wait_until(
        &mut self,
        what: &str,
        mut is_so: impl FnMut(&mut Self) -> Result<bool>,
    ) -> Result<()> {
        let since = Instant::now();
        while !is_so(self)? {
            if since.elapsed() > PATIENCE {
                bail!("not within two minutes: {what}");
            }
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

fn anonymous_bytes(server: &Server) -> Result<u64> {
    let (anonymous, _) = resident(server.pid()).context("the server's status cannot be read")?;
    Ok(anonymous)
}
