//! What was asked and how it went.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use vectorizer_bench::http::{Answer, Connection};

/// How long a refused writer waits before it tries again.
const RETRY: Duration = Duration::from_millis(250);

/// The outcomes of one kind of request.
#[derive(Debug, Default)]
struct Kind {
    micros: Vec<u32>,
    /// Those that the last checkpoint told.
    told: usize,
    refused: BTreeMap<String, u64>,
    /// The longest time from a first refusal to the admission of the same request, or to its end;
    /// of those that are not asked again, to the next that was answered.
    longest_refused: Duration,
    /// Since when each one was refused.
    refused_since: Option<Instant>,
}

/// The outcomes of all requests.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    kinds: Mutex<BTreeMap<&'static str, Kind>>,
    broken: Mutex<Vec<String>>,
    /// Since when each client waits for what it asked.
    waiting: Mutex<HashMap<ThreadId, Instant>>,
}

/// One kind of request in figures.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) answered: usize,
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    pub(crate) refused: BTreeMap<String, u64>,
    pub(crate) longest_refused_ms: f64,
}

/// What a request came to.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It was answered.
    Answered(Answer),
    /// It was refused, with a reason that a client can act on.
    Refused,
    /// Neither; the tally holds the reason.
    Broken,
}

impl Tally {
    /// Asks once and notes how it went.
    pub(crate) fn ask(
        &self,
        kind: &'static str,
        connection: &mut Connection,
        (method, path, body): (&str, &str, &[u8]),
    ) -> Outcome {
        self.waiting_now().insert(thread::current().id(), Instant::now());
        let outcome = self.ask_and_note(kind, connection, (method, path, body));
        self.waiting_now().remove(&thread::current().id());
        outcome
    }

    fn waiting_now(&self) -> MutexGuard<'_, HashMap<ThreadId, Instant>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask_and_note(
        &self,
        kind: &'static str,
        connection: &mut Connection,
        (method, path, body): (&str, &str, &[u8]),
    ) -> Outcome {
        let asked = Instant::now();
        let answer = match connection.ask(method, path, body) {
            Ok(answer) => answer,
            Err(error) => return self.broke(format!("{kind}: {error:#}")),
        };
        let took = asked.elapsed();
        if answer.status == 200 {
            let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
            let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
            kinds.entry(kind).or_default().answered(micros);
            return Outcome::Answered(answer);
        }
        match refusal(&answer) {
            Ok(refusal) => {
                let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
                kinds.entry(kind).or_default().refused(refusal);
                Outcome::Refused
            }
            Err(error) => self.broke(format!("{kind} {path}: {error:#}")),
        }
    }

    /// Asks until it is answered or `stop` says so. A request that broke may have been done: it is
    /// asked again, so it must be one that can be repeated.
    pub(crate) fn persist(
        &self,
        kind: &'static str,
        connection: &mut Connection,
        request: (&str, &str, &[u8]),
        stop: impl Fn() -> bool,
    ) -> Option<Answer> {
        let mut refused: Option<Instant> = None;
        let answer = loop {
            match self.ask(kind, connection, request) {
                Outcome::Answered(answer) => break Some(answer),
                Outcome::Refused => {
                    refused.get_or_insert_with(Instant::now);
                    if stop() {
                        break None;
                    }
                    thread::sleep(RETRY);
                }
                Outcome::Broken => break None,
            }
        };
        if let Some(since) = refused {
            let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
            let kind = kinds.entry(kind).or_default();
            kind.longest_refused = kind.longest_refused.max(since.elapsed());
        }
        answer
    }

    fn broke(&self, what: String) -> Outcome {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).push(what);
        Outcome::Broken
    }

    /// What was neither answered nor refused with a reason.
    pub(crate) fn broken(&self) -> Vec<String> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many of each kind were answered since the last checkpoint, with p50 and p99.
    pub(crate) fn checkpoint(&self) -> BTreeMap<&'static str, (usize, f64, f64)> {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let told = |(name, kind): (&&'static str, &mut Kind)| {
            let mut since = kind.micros[kind.told..].to_vec();
            kind.told = kind.micros.len();
            since.sort_unstable();
            (*name, (since.len(), milliseconds(&since, 50), milliseconds(&since, 99)))
        };
        kinds.iter_mut().map(told).collect()
    }

    /// How many of each kind were answered so far.
    pub(crate) fn answered(&self) -> BTreeMap<&'static str, usize> {
        let kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.iter().map(|(name, kind)| (*name, kind.micros.len())).collect()
    }

    /// The slowest that was answered since so many were, or that is waited for so long already.
    pub(crate) fn slowest_ms(&self, since: &BTreeMap<&'static str, usize>) -> f64 {
        // Looked at first: what is answered meanwhile is among the answered.
        let waited = self.waiting_now().values().map(Instant::elapsed).max().unwrap_or_default();
        let kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let later = kinds.iter().flat_map(|(name, kind)| {
            kind.micros.iter().skip(since.get(name).copied().unwrap_or(0))
        });
        let answered = later.max().map_or(0.0, |micros| f64::from(*micros) / 1000.0);
        answered.max(waited.as_secs_f64() * 1000.0)
    }

    pub(crate) fn figures(&self, seconds: f64) -> BTreeMap<&'static str, Figures> {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.iter_mut().map(|(name, kind)| (*name, kind.figures(seconds))).collect()
    }
}

impl Kind {
    fn answered(&mut self, micros: u32) {
        self.micros.push(micros);
        self.end_refusals();
    }

    fn refused(&mut self, reason: String) {
        *self.refused.entry(reason).or_default() += 1;
        self.refused_since.get_or_insert_with(Instant::now);
    }

    fn end_refusals(&mut self) {
        if let Some(since) = self.refused_since.take() {
            self.longest_refused = self.longest_refused.max(since.elapsed());
        }
    }

    fn figures(&mut self, seconds: f64) -> Figures {
        self.end_refusals();
        self.micros.sort_unstable();
        let at = |percent| milliseconds(&self.micros, percent);
        Figures {
            answered: self.micros.len(),
            per_second: self.micros.len() as f64 / seconds,
            p50_ms: at(50),
            p99_ms: at(99),
            max_ms: at(100),
            refused: self.refused.clone(),
            longest_refused_ms: self.longest_refused.as_secs_f64() * 1000.0,
        }
    }
}

/// The sample, in milliseconds, below which that percentage of the sorted ones is.
fn milliseconds(sorted: &[u32], percent: usize) -> f64 {
    let rank = sorted.len().saturating_sub(1) * percent / 100;
    sorted.get(rank).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
}

/// A refusal that a client can act on: a status that says whether to try again, and a message.
fn refusal(answer: &Answer) -> Result<String> {
    let body = answer.json()?;
    let message = body["status"]["error"].as_str();
    let message =
        message.with_context(|| format!("{} without a message: {body}", answer.status))?;
    anyhow::ensure!(matches!(answer.status, 413 | 429 | 503), "{}: {message}", answer.status);
    // Figures differ from one refusal to the next.
    let words: String = message.chars().filter(|c| !c.is_ascii_digit()).take(60).collect();
    Ok(format!("{}: {words}", answer.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_to_the_end_counts_as_long() {
        let tally = Tally::default();
        let mut kinds = tally.kinds.lock().unwrap();
        let searches = kinds.entry("search").or_default();
        searches.refused("503: no room".to_owned());
        searches.refused_since = Instant::now().checked_sub(Duration::from_secs(12));
        drop(kinds);
        let figures = tally.figures(20.0);
        assert!(figures["search"].longest_refused_ms > 11_999.0, "{figures:?}");
        assert_eq!(figures["search"].answered, 0);
    }

    #[test]
    fn the_slowest_is_that_of_later_answers_of_any_kind() {
        let tally = Tally::default();
        let answer =
            |kind, micros| tally.kinds.lock().unwrap().entry(kind).or_default().answered(micros);
        answer("search", 9000);
        let since = tally.answered();
        assert!(tally.slowest_ms(&since).abs() < f64::EPSILON);
        answer("search", 2000);
        answer("scroll", 3000);
        assert!((tally.slowest_ms(&since) - 3.0).abs() < f64::EPSILON);
    }

    #[test]
    fn what_is_not_answered_yet_is_slow_too() {
        let tally = Tally::default();
        let asked = Instant::now().checked_sub(Duration::from_secs(3)).expect("long after boot");
        tally.waiting_now().insert(thread::current().id(), asked);
        let slowest = tally.slowest_ms(&tally.answered());
        assert!((2_999.0..12_000.0).contains(&slowest), "{slowest}");
    }

    #[test]
    fn an_answer_ends_refusals() {
        let mut kind = Kind::default();
        kind.refused("429".to_owned());
        kind.refused_since = Instant::now().checked_sub(Duration::from_secs(3));
        kind.answered(7);
        assert!(kind.refused_since.is_none());
        let longest = kind.figures(1.0).longest_refused_ms;
        assert!((2_999.0..12_000.0).contains(&longest), "{longest}");
    }
}
