//! Two servers with the same points, one without caches, answer alike.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use vectorizer_api::memory::CacheSettings;
use vectorizer_memory::Limits;

use crate::client::Client;
use crate::server::{Folder, Server, config};

const ROOT: u64 = 1 << 30;
const ROUNDS: u64 = 24;
const IDS: u64 = 300;

fn start(folder: &Folder, cache_bytes: u64) -> Server {
    Server::start_with(folder, config(), Limits::of_root(ROOT).with_cache_limit(cache_bytes))
}

fn tagged(tag: u64) -> Value {
    json!({ "must": [{ "key": "tag", "match": { "value": tag } }] })
}

/// Numbers that look like chance, the same on every run.
fn mixed(number: u64) -> u64 {
    (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
}

fn change(client: &Client, round: u64) {
    let tag = mixed(round) % 5;
    match round % 4 {
        0 | 1 => {
            let point = |n: u64| {
                let id = mixed(round * 100 + n) % IDS;
                json!({ "id": id, "vector": [id, n, round, 1], "payload": { "tag": (id + n) % 5 } })
            };
            let points: Vec<Value> = (0..80).map(point).collect();
            client.put("/collections/c/points?wait=true", &json!({ "points": points })).result();
        }
        2 => {
            let set = json!({ "payload": { "tag": (tag + 1) % 5 }, "filter": tagged(tag) });
            client.post("/collections/c/points/payload?wait=true", &set).result();
        }
        _ => {
            let ids: Vec<u64> = (0..20).map(|n| mixed(round * 7 + n) % IDS).collect();
            let delete = json!({ "points": ids });
            client.post("/collections/c/points/delete?wait=true", &delete).result();
        }
    }
}

fn answers(client: &Client) -> Vec<Value> {
    let mut answers = Vec::new();
    for tag in 0..5 {
        let filter = tagged(tag);
        let count = json!({ "filter": filter });
        answers.push(client.post("/collections/c/points/count", &count).result());
        let page = json!({ "filter": filter, "limit": 20, "with_payload": true });
        answers.push(client.post("/collections/c/points/scroll", &page).result());
        let search = json!({
            "vector": [1, 2, 3, 4], "filter": filter, "limit": 10, "with_payload": true,
            "params": { "exact": true },
        });
        answers.push(client.post("/collections/c/points/search", &search).result());
    }
    answers
}

#[test]
fn answers_are_the_same_with_and_without_caches() {
    let (with, without) = (Folder::new(), Folder::new());
    let (mut cached, mut bare) = (start(&with, 64 << 20), start(&without, 0));
    let make = json!({ "vectors": { "size": 4, "distance": "Euclid" } });
    for server in [&cached, &bare] {
        server.client().put("/collections/c", &make).result();
    }
    for round in 0..ROUNDS {
        for server in [&cached, &bare] {
            change(&server.client(), round);
        }
        if round % 8 == 4 {
            // What was written lies in segments then.
            cached.stop();
            bare.stop();
            (cached, bare) = (start(&with, 64 << 20), start(&without, 0));
        }
        let anew = answers(&bare.client());
        for ask in 0..3 {
            assert_eq!(answers(&cached.client()), anew, "round {round}, asked {ask} times before");
        }
    }
    let status = cached.client().get("/api/cache/memory").json();
    let caches = &status["memory_management"]["caches"];
    for name in ["query", "metadata", "payloads", "predicates"] {
        assert!(caches[name]["hits"].as_u64() > Some(20), "{name}: {}", caches[name]);
    }
    assert_eq!(caches["embeddings"]["class"], "embedding_cache");
    let status = bare.client().get("/api/cache/memory").json();
    let caches = &status["memory_management"]["caches"];
    for name in ["query", "metadata", "payloads", "predicates", "embeddings"] {
        assert_eq!(caches[name]["item_count"], 0, "{name}");
    }
}

#[test]
fn the_number_of_entries_is_bounded_over_the_wire() {
    let folder = Folder::new();
    let server = start(&folder, 64 << 20);
    let client = server.client();
    let make = json!({ "vectors": { "size": 4, "distance": "Euclid" } });
    client.put("/collections/c", &make).result();
    let items = || {
        for tag in 0..9 {
            let count = json!({ "filter": tagged(tag) });
            client.post("/collections/c/points/count", &count).result();
        }
        let shown = client.get("/api/cache/memory").json();
        shown["memory_management"]["caches"]["metadata"]["item_count"].clone()
    };
    assert_eq!(items(), 9);
    let reply = client.send("PUT", "/api/cache/memory", r#"{"max_cache_size": 4}"#);
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(items(), 4);
}

#[test]
fn one_bound_is_on_the_entries_of_metadata_and_discovery_together() {
    let folder = Folder::new();
    let server = start(&folder, 64 << 20);
    let client = server.client();
    let make = json!({ "vectors": { "size": 4, "distance": "Euclid" } });
    client.put("/collections/c", &make).result();
    let set = json!({ "max_cache_size": 4, "max_tenant_cache_size": 3, "max_mimir_cache_size": 9 });
    assert_eq!(client.put("/api/cache/memory", &set).status, 200);
    let counted = || {
        let shown = client.get("/api/cache/memory").json()["memory_management"].take();
        let of = |name: &str| shown["caches"][name]["item_count"].as_u64().expect("a number");
        let (metadata, tenants) = (of("metadata"), of("tenant_discovery"));
        assert_eq!(shown["cache_item_count"], metadata + tenants + of("mimir_discovery"));
        assert_eq!(shown["tenant_cache_count"], tenants);
        for (key, most) in
            [("max_cache_size", 4), ("max_tenant_cache_size", 3), ("max_mimir_cache_size", 4)]
        {
            assert_eq!(shown[key], most, "{key}");
        }
        (metadata, tenants)
    };
    for tag in 0..9 {
        let count = json!({ "filter": tagged(tag) });
        client.post("/collections/c/points/count", &count).result();
    }
    assert_eq!(counted(), (4, 0));
    let found = client.get("/api/discovery/tenants").json();
    let tenants = found["tenants"].as_array().expect("tenants").len() as u64;
    assert!((1..4).contains(&tenants), "{found}");
    assert_eq!(counted(), (4 - tenants, tenants));
}

#[test]
fn each_cache_may_follow_a_policy_of_its_own() {
    let folder = Folder::new();
    let server = start(&folder, 64 << 20);
    let client = server.client();
    let set = |policy: Value| {
        let reply = client.put("/api/cache/memory", &json!({ "eviction_policy": policy }));
        assert_eq!(reply.status, 200, "{}", reply.body);
        let shown = client.get("/api/cache/memory").json()["memory_management"].take();
        let own =
            CacheSettings::CACHES.map(|name| shown["caches"][name]["eviction_policy"].clone());
        (shown["eviction_policy"].clone(), own)
    };
    let (all, own) = set(json!("lfu"));
    assert!(all == "lfu" && own.iter().all(|of| of == "lfu"), "{own:?}");
    for (at, name) in CacheSettings::CACHES.into_iter().enumerate() {
        let (all, own) = set(json!({ name: "size" }));
        assert_eq!(all, "lfu");
        let changed = own.iter().filter(|of| **of == "size").count();
        assert_eq!((&own[at], changed), (&json!("size"), at + 1), "{name}: the others keep theirs");
    }
    let (all, own) = set(json!("lru"));
    assert!(all == "lru" && own.iter().all(|of| of == "lru"), "{own:?}");
}

/// The first two columns of a page's table of caches.
fn listed(page: &str) -> BTreeSet<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
    let text = std::fs::read_to_string(path).expect(page);
    let (_, table) = text.split_once("| cache | class |").expect("a table of caches");
    let rows = table.lines().skip(2).map_while(|line| line.strip_prefix("| `"));
    let rows = rows.map(|row| {
        let mut columns = row.split('|').map(|column| column.trim().trim_matches('`').to_owned());
        (columns.next().unwrap_or_default(), columns.next().unwrap_or_default())
    });
    rows.collect()
}

#[test]
fn the_pages_list_every_cache_with_its_class() {
    let folder = Folder::new();
    let server = start(&folder, 64 << 20);
    let caches = server.caches.caches();
    let there =
        caches.iter().map(|cache| (cache.name().to_owned(), cache.class().name().to_owned()));
    let there: BTreeSet<(String, String)> = there.collect();
    assert!(CacheSettings::CACHES.iter().all(|name| there.iter().any(|(of, _)| of == name)));
    for page in ["specs/CLUSTER.md", "users/memory.md"] {
        assert_eq!(listed(page), there, "docs/{page}");
    }
}
