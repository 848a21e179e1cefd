//! The alert rules, evaluated on what servers tell that are well, and that are not.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use vectorizer_memory::{Class, Limits, Reservation, Tenant};

use crate::server::{Folder, Server, config};

const MIB: u64 = 1 << 20;

/// Sums by the name of the measurement.
type Scrape = BTreeMap<String, f64>;

fn scrape(server: &Server) -> Scrape {
    let mut sums = Scrape::new();
    for line in server.client().get("/metrics").body.lines() {
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        if let (false, Ok(value)) = (line.starts_with('#'), value.parse::<f64>()) {
            let name = series.split('{').next().expect("a name");
            *sums.entry(name.to_owned()).or_default() += value;
        }
    }
    sums
}

/// The rules' names and expressions.
fn rules() -> Vec<(String, String)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/prometheus/alerts.yml");
    let text = std::fs::read_to_string(file).expect("the rules");
    let rules: Value = serde_saphyr::from_str(&text).expect("YAML");
    let text = |rule: &Value, key: &str| rule[key].as_str().expect("a text").to_owned();
    let rules = rules["groups"][0]["rules"].as_array().expect("rules").iter();
    rules.map(|rule| (text(rule, "alert"), text(rule, "expr"))).collect()
}

/// As much of Prometheus' language as the rules use, on one server's series; a rate is that
/// between two scrapes, as if its whole window lay between them.
struct Expression<'a> {
    /// The words that are left, last first.
    words: Vec<String>,
    before: &'a Scrape,
    after: &'a Scrape,
}

impl Expression<'_> {
    fn value(&mut self) -> Option<f64> {
        let left = self.product();
        if !self.takes(">") {
            return left;
        }
        let right = self.product();
        left.filter(|left| right.is_some_and(|right| *left > right))
    }

    fn product(&mut self) -> Option<f64> {
        let mut left = self.factor();
        loop {
            let divides = self.takes("/");
            if !divides && !self.takes("*") {
                return left;
            }
            let right = self.factor();
            let both = left.zip(right);
            left = both.map(|(left, right)| if divides { left / right } else { left * right });
        }
    }

    fn factor(&mut self) -> Option<f64> {
        let word = self.word();
        match &*word {
            "(" => self.until_closed(),
            "sum" => {
                for expected in ["by", "(", "instance", ")", "("] {
                    self.expect(expected);
                }
                self.until_closed()
            }
            "rate" => self.rate(),
            "clamp_min" | "clamp_max" => {
                self.expect("(");
                let value = self.value();
                self.expect(",");
                let bound = self.until_closed()?;
                value.map(
                    |value| if word == "clamp_min" { value.max(bound) } else { value.min(bound) },
                )
            }
            name if name.starts_with("vectorizer_") => self.after.get(name).copied(),
            number => Some(number.parse().expect("a word that is known here, or a number")),
        }
    }

    fn rate(&mut self) -> Option<f64> {
        self.expect("(");
        let name = self.word();
        self.expect("[");
        let window = self.word();
        self.expect("]");
        self.expect(")");
        let minutes: f64 = window.strip_suffix('m').and_then(|m| m.parse().ok()).expect("minutes");
        let (before, after) = (self.before.get(&name)?, self.after.get(&name)?);
        Some((after - before) / (60.0 * minutes))
    }

    fn until_closed(&mut self) -> Option<f64> {
        let value = self.value();
        self.expect(")");
        value
    }

    fn word(&mut self) -> String {
        self.words.pop().expect("the expression goes on")
    }

    fn takes(&mut self, word: &str) -> bool {
        let is_next = self.words.last().is_some_and(|next| next == word);
        if is_next {
            self.words.pop();
        }
        is_next
    }

    fn expect(&mut self, word: &str) {
        assert_eq!(self.word(), word);
    }
}

fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut inside = false;
    for c in text.chars() {
        let of_word = c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
        match words.last_mut() {
            Some(last) if of_word && inside => last.push(c),
            _ if c != ' ' => words.push(c.to_string()),
            _ => {}
        }
        inside = of_word;
    }
    words.reverse();
    words
}

/// The alerts whose conditions hold.
fn firing(before: &Scrape, after: &Scrape) -> Vec<String> {
    let mut firing = Vec::new();
    for (name, text) in rules() {
        let mut expression = Expression { words: words(&text), before, after };
        let holds = expression.value().is_some();
        assert_eq!(expression.words, Vec::<String>::new(), "{name} is read to its end");
        firing.extend(holds.then_some(name));
    }
    firing
}

fn firing_at(server: &Server) -> Vec<String> {
    let now = scrape(server);
    firing(&now, &now)
}

fn start(folder: &Folder, root: u64) -> Server {
    let limits = Limits::of_root(root).with_emergency(root / 50).with_cache_limit(root / 16);
    Server::start_with(folder, config(), limits)
}

/// Charges so many bytes to a class, past whoever holds it otherwise.
fn hold(server: &Server, class: Class, bytes: u64) -> Reservation {
    server.governor.try_reserve(class, &Tenant::system(), bytes).expect("room")
}

#[test]
fn a_server_that_is_used_and_well_has_no_alert() {
    let folder = Folder::new();
    let server = start(&folder, 1024 * MIB);
    assert_eq!(firing_at(&server), Vec::<String>::new(), "when it has just started");
    // Between the lines where evictions end and begin, and all but the headroom lent to pages.
    let left = 64 * MIB * 88 / 100 - server.governor.caches_used();
    let caches = hold(&server, Class::QueryCache, left);
    let lent = hold(&server, Class::BorrowedPages, server.governor.available() - 10 * MIB);
    let now = scrape(&server);
    let share = now["vectorizer_cluster_memory_usage_bytes"] / now["vectorizer_memory_limit_bytes"];
    assert!(share > 0.96, "it holds {share} of its limit");
    assert_eq!(firing(&now, &now), Vec::<String>::new());
    drop((caches, lent));
}

#[test]
fn what_cannot_be_reclaimed_is_told_in_three_steps() {
    let folder = Folder::new();
    let server = start(&folder, 1024 * MIB);
    let steps =
        ["VectorizerMemoryWarning", "VectorizerMemoryCritical", "VectorizerMemoryEmergency"];
    for (share, told) in [(79, 0), (82, 1), (92, 2), (97, 3)] {
        let now = server.governor.unreclaimable();
        let held = hold(&server, Class::Builds, 1024 * MIB * share / 100 - now);
        assert_eq!(firing_at(&server), steps[..told], "{share} percent");
        drop(held);
    }
}

#[test]
fn drift_is_told_from_where_the_log_tells_it() {
    for (root, drift, told) in [
        (256, 31, false),
        (256, 33, true),
        (1024, 80, false),
        (1024, 83, true),
        (8192, 159, false),
        (8192, 161, true),
    ] {
        let folder = Folder::new();
        let server = start(&folder, root * MIB);
        server.governor.set_drift(drift * MIB);
        let alerts: &[&str] = if told { &["VectorizerMemoryDrift"] } else { &[] };
        assert_eq!(firing_at(&server), alerts, "{drift} of {root} MiB");
    }
}

#[test]
fn refusals_are_told_when_they_go_on() {
    let folder = Folder::new();
    let server = start(&folder, 1024 * MIB);
    let before = scrape(&server);
    let refuse = |times: u64| {
        for _ in 0..times {
            let never = server.governor.reserve(Class::Builds, &Tenant::system(), 1 << 40);
            assert!(never.is_err());
        }
        firing(&before, &scrape(&server))
    };
    assert_eq!(refuse(250), Vec::<String>::new());
    assert_eq!(refuse(100), ["VectorizerMemoryRefusals"]);
}
