//! A server without any cache answers as one with caches does.

use serde_json::{Value, json};
use ureq::Agent;

use crate::support::{Random, Server};

const DIM: usize = 16;
const POINTS: u64 = 3000;
const COLLECTIONS: [&str; 2] = ["one", "two"];
/// Rounds of writes and of the questions that follow them.
const ROUNDS: u64 = 4;

/// A request: method, path, body.
type Request = (&'static str, String, Value);

fn vector(random: &mut Random) -> Vec<f64> {
    (0..DIM).map(|_| random.component()).collect()
}

fn create(history: &mut Vec<Request>, name: &str) {
    let body = json!({ "vectors": { "size": DIM, "distance": "Cosine" } });
    history.push(("PUT", format!("/collections/{name}"), body));
    for (field, schema) in [("number", "integer"), ("word", "keyword")] {
        let body = json!({ "field_name": field, "field_schema": schema });
        history.push(("PUT", format!("/collections/{name}/index"), body));
    }
}

/// New points, and others in the place of old ones; some payloads change and some points go.
fn write(history: &mut Vec<Request>, name: &str, round: u64, random: &mut Random) {
    let path = |rest: &str| format!("/collections/{name}/points{rest}?wait=true");
    let count = POINTS / ROUNDS;
    let point = |number: u64| {
        let id = if number.is_multiple_of(7) { number / 2 } else { number };
        let word = ["red", "green", "blue"][usize::try_from(id % 3).expect("small")];
        json!({
            "id": id, "vector": vector(random),
            "payload": { "number": id % 50, "word": word, "round": round },
        })
    };
    let points: Vec<Value> = (round * count..(round + 1) * count).map(point).collect();
    for batch in points.chunks(250) {
        history.push(("PUT", path(""), json!({ "points": batch })));
    }
    let some: Vec<u64> = (0..20).map(|_| 1 + random.below((round + 1) * count / 2)).collect();
    let patch = json!({ "payload": { "patched": round }, "filter": {
        "must": [{ "key": "number", "range": { "lt": 3 } }] } });
    history.push(("POST", path("/payload"), patch));
    history.push(("POST", path("/delete"), json!({ "points": some })));
}

fn ask(history: &mut Vec<Request>, name: &str, random: &mut Random) {
    let path = |rest: &str| format!("/collections/{name}{rest}");
    let red = json!({ "must": [{ "key": "word", "match": { "value": "red" } }] });
    let few = json!({ "must": [{ "key": "number", "range": { "lt": 2 } }] });
    for _ in 0..10 {
        let query = vector(random);
        for question in [
            json!({ "query": query, "limit": 10 }),
            json!({ "query": query, "limit": 5, "offset": 20, "with_payload": true }),
            json!({ "query": query, "limit": 10, "filter": red, "with_vector": true }),
            json!({ "query": query, "limit": 10, "filter": few }),
            json!({ "query": query, "limit": 10, "params": { "exact": true } }),
        ] {
            history.push(("POST", path("/points/query"), question));
        }
    }
    history.push(("POST", path("/points/count"), json!({ "exact": true, "filter": red })));
    history.push(("POST", path("/points/scroll"), json!({ "limit": 300, "with_payload": true })));
    history.push(("POST", path("/points/scroll"), json!({ "limit": 50, "filter": few })));
    let some = json!({ "ids": [1, 2, 3, 500, 77_777], "with_vector": true, "with_payload": true });
    history.push(("POST", path("/points"), some));
}

fn history() -> Vec<Request> {
    let (mut history, mut random) = (Vec::new(), Random(17));
    for name in COLLECTIONS {
        create(&mut history, name);
    }
    for round in 0..ROUNDS {
        for name in COLLECTIONS {
            write(&mut history, name, round, &mut random);
        }
        for name in COLLECTIONS {
            // The same questions twice: a cache knows the second answers.
            for _ in 0..2 {
                ask(&mut history, name, &mut random.clone());
            }
        }
        random.next();
    }
    history
}

struct Asked {
    url: String,
    agent: Agent,
}

impl Asked {
    fn new(server: &Server) -> Self {
        let agent = Agent::config_builder().http_status_as_error(false).build().into();
        Self { url: server.url.clone(), agent }
    }

    /// The whole answer but for its time.
    fn answer(&self, (method, path, body): &Request) -> (u16, Value) {
        let url = format!("{}{path}", self.url);
        let body = body.to_string();
        let sent = match *method {
            "GET" => self.agent.get(&url).call(),
            "PUT" => self.agent.put(&url).content_type("application/json").send(&body),
            _ => self.agent.post(&url).content_type("application/json").send(&body),
        };
        let mut answer = sent.expect("an answer");
        let text = answer.body_mut().read_to_string().expect("whole");
        let mut json: Value = serde_json::from_str(&text).expect("JSON");
        json.as_object_mut().and_then(|fields| fields.remove("time"));
        (answer.status().as_u16(), json)
    }

    fn shown(&self, path: &str) -> Value {
        self.answer(&("GET", path.to_owned(), Value::Null)).1
    }
}

#[test]
fn without_caches_every_answer_is_the_same_and_nothing_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = |name: &str, further: &[&str]| {
        let limit = ["--memory-limit", "256MB"];
        Server::start(&folder.path().join(name), &[&limit[..], further].concat())
    };
    let cached = start("cached", &[]);
    let uncached = start("uncached", &["--set", "memory.cache.percent=0"]);
    let (with, without) = (Asked::new(&cached), Asked::new(&uncached));
    for (number, request) in history().iter().enumerate() {
        let (expected, found) = (with.answer(request), without.answer(request));
        let (method, path, body) = request;
        assert_eq!(expected, found, "request {number}: {method} {path} {body}");
        assert_eq!(found.0, 200, "request {number}: {method} {path} {body}: {}", found.1);
    }
    let hits = |asked: &Asked| asked.shown("/api/cache/status")["general_cache"]["hits"].take();
    assert!(hits(&with).as_u64() > Some(0), "nothing was cached: {}", hits(&with));
    assert_eq!(hits(&without), 0);
    let memory = &without.shown("/api/cache/memory")["memory_management"];
    assert_eq!((&memory["max_cache_bytes"], &memory["cache_item_count"]), (&json!(0), &json!(0)));
    assert_eq!(memory["last_refusals"], json!([]));
    for server in [cached, uncached] {
        let (code, said) = server.stop();
        assert_eq!(code, Some(0), "{said}");
    }
}
