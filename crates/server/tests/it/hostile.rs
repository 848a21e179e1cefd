//! Random requests: never a failure of the server, never a change that was refused.

use serde_json::{Value, json};

use crate::server::{Folder, Server};

/// Numbers from a seed (`SplitMix64`).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("small")
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

const KEYS: &[&str] = &[
    "points",
    "batch",
    "ids",
    "id",
    "vector",
    "vectors",
    "payload",
    "payloads",
    "filter",
    "must",
    "should",
    "must_not",
    "key",
    "match",
    "value",
    "any",
    "except",
    "range",
    "gt",
    "lte",
    "has_id",
    "is_empty",
    "query",
    "nearest",
    "limit",
    "offset",
    "params",
    "exact",
    "hnsw_ef",
    "searches",
    "with_payload",
    "with_vector",
    "include",
    "exclude",
    "size",
    "distance",
    "hnsw_config",
    "m",
    "optimizers_config",
    "field_name",
    "field_schema",
    "type",
    "keys",
    "operations",
    "upsert",
    "quantization_config",
    "scalar",
    "score_threshold",
    "prefetch",
    "using",
    "",
    "a.b[]",
    "\u{0}",
];

const ROUTES: &[(&str, &str)] = &[
    ("PUT", "/collections/f"),
    ("PATCH", "/collections/c"),
    ("PUT", "/collections/c/points"),
    ("POST", "/collections/c/points"),
    ("POST", "/collections/c/points/delete"),
    ("POST", "/collections/c/points/scroll"),
    ("POST", "/collections/c/points/count"),
    ("POST", "/collections/c/points/batch"),
    ("POST", "/collections/c/points/payload"),
    ("PUT", "/collections/c/points/payload"),
    ("POST", "/collections/c/points/payload/delete"),
    ("POST", "/collections/c/points/payload/clear"),
    ("POST", "/collections/c/points/query"),
    ("POST", "/collections/c/points/query/batch"),
    ("POST", "/collections/c/points/search"),
    ("PUT", "/collections/c/index"),
    ("DELETE", "/collections/c/index/a..b"),
];

/// Bodies that are right, to be made wrong.
fn seeds() -> Vec<Value> {
    vec![
        json!({ "points": [{ "id": 1, "vector": [1, 2], "payload": { "a": [1, { "b": 2 }] } }] }),
        json!({ "batch": { "ids": [1, 2], "vectors": [[1, 2], [3, 4]] } }),
        json!({ "query": [1, 2], "limit": 3, "params": { "hnsw_ef": 8, "exact": true } }),
        json!({ "query": { "nearest": 1 }, "filter": { "must": { "key": "a", "match": { "any": [1] } } } }),
        json!({ "searches": [{ "query": [1, 2] }, { "query": 1, "with_payload": ["a.b"] }] }),
        json!({ "payload": { "a": 1 }, "points": [1], "key": "x.y" }),
        json!({ "filter": { "should": [{ "has_id": [1] }, { "is_empty": { "key": "a" } }] } }),
        json!({ "vectors": { "size": 2, "distance": "Dot" }, "hnsw_config": { "m": 4 } }),
        json!({ "field_name": "a", "field_schema": { "type": "keyword", "is_tenant": true } }),
        json!({ "operations": [{ "delete": { "points": [1] } }] }),
        json!({ "vector": [1, 2], "limit": 1, "offset": 1 }),
    ]
}

fn random_value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 8 } else { 11 }) {
        0 => Value::Null,
        1 => json!(random.below(2) == 0),
        2 => json!(random.below(5)),
        3 => json!(-1),
        4 => json!(u64::MAX),
        5 => json!(1e308),
        6 => json!(0.5),
        7 => json!(*random.pick(&["", "abc", "a[0].b", "Cosine", "2020-01-01", "\u{1F600}"])),
        8 | 9 => (0..random.below(4)).map(|_| random_value(random, depth - 1)).collect(),
        _ => (0..random.below(4))
            .map(|_| ((*random.pick(KEYS)).to_owned(), random_value(random, depth - 1)))
            .collect(),
    }
}

/// Changes something somewhere.
fn mutate(random: &mut Random, value: &mut Value) {
    if random.below(3) == 0 {
        *value = random_value(random, 3);
    } else if let Some(fields) = value.as_object_mut() {
        let key = fields.keys().nth(random.below(fields.len() + 1)).cloned();
        if let Some(field) = key.and_then(|key| fields.get_mut(&key)) {
            mutate(random, field);
        } else {
            let value = random_value(random, 3);
            fields.insert((*random.pick(KEYS)).to_owned(), value);
        }
    } else if let Some(elements) = value.as_array_mut() {
        let at = random.below(elements.len() + 1);
        match elements.get_mut(at) {
            Some(element) => mutate(random, element),
            None => elements.push(random_value(random, 3)),
        }
    }
}

fn body(random: &mut Random) -> String {
    let mut value = match random.below(4) {
        0 => random_value(random, 5),
        _ => random.pick(&seeds()).clone(),
    };
    for _ in 0..random.below(4) {
        mutate(random, &mut value);
    }
    let mut text = value.to_string();
    if random.below(10) == 0 {
        let end = text.floor_char_boundary(random.below(text.len() + 1));
        text.truncate(end);
    }
    text
}

#[test]
fn random_requests_never_fail_the_server() {
    let folder = Folder::new();
    let server = Server::start(&folder);
    let client = server.client();
    let vectors = json!({ "vectors": { "size": 2, "distance": "Dot" } });
    client.put("/collections/c", &vectors).result();
    let mut random = Random(7);
    for round in 0..3000 {
        let (method, path) = random.pick(ROUTES);
        let body = body(&mut random);
        let reply = client.send(method, path, &body);
        assert!(reply.status < 500, "{round}: {method} {path} {body}: {}", reply.body);
        if reply.status == 200 && *path == "/collections/f" {
            client.send("DELETE", path, "").result();
        }
    }
    assert_eq!(client.get("/readyz").status, 200);
}

#[test]
fn deep_bodies_are_refused_and_exhaust_nothing() {
    let folder = Folder::new();
    let server = Server::start(&folder);
    let client = server.client();
    client.put("/collections/c", &json!({ "vectors": { "size": 2, "distance": "Dot" } })).result();
    let nested = |levels: usize| {
        let (open, close) = ("{\"must\":[".repeat(levels), "]}".repeat(levels));
        format!("{{\"filter\":{open}{{\"has_id\":[1]}}{close}}}")
    };
    let count = |body: &str| client.send("POST", "/collections/c/points/count", body).status;
    assert_eq!(count(&nested(50)), 200);
    assert_eq!(count(&nested(61)), 400);
    assert_eq!(count(&nested(10_000)), 400);
    assert_eq!(count(&"[".repeat(100_000)), 400);
    let payload = |levels: usize| {
        let (open, close) = ("{\"a\":".repeat(levels), "}".repeat(levels));
        format!("{{\"points\":[{{\"id\":1,\"vector\":[1,2],\"payload\":{open}1{close}}}]}}")
    };
    let upsert = |body: &str| client.send("PUT", "/collections/c/points", body).status;
    assert_eq!(upsert(&payload(60)), 200);
    assert_eq!(upsert(&payload(80)), 400);
    assert_eq!(upsert(&payload(1000)), 400);
}

#[test]
fn a_refused_payload_says_why() {
    let folder = Folder::new();
    let server = Server::start(&folder);
    let client = server.client();
    client.put("/collections/c", &json!({ "vectors": { "size": 1, "distance": "Dot" } })).result();
    let deep = (0..70).fold(json!(1), |inner, _| json!({ "a": inner }));
    let point = json!({ "points": [{ "id": 1, "vector": [1], "payload": deep }] });
    let told = client.put("/collections/c/points", &point).refused(400);
    assert!(told.contains("point 1") && told.contains("levels"), "{told}");
}
