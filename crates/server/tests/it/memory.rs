//! What an operator sees and does of the server's memory.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use vectorizer_cache::{Cache, NewEntry, Options};
use vectorizer_memory::{Class, Limits, Measurement, Tenant};

use crate::client::Client;
use crate::server::{Folder, Server, config};

const MIB: u64 = 1 << 20;
const ROOT: u64 = 1 << 30;

/// The keys of the summary, wherever it is shown.
const KEYS: [&str; 17] = [
    "current_memory_bytes",
    "max_memory_bytes",
    "memory_usage_percent",
    "peak_memory_bytes",
    "cache_item_count",
    "max_cache_size",
    "tenant_cache_count",
    "max_tenant_cache_size",
    "mimir_cache_count",
    "max_mimir_cache_size",
    "eviction_count",
    "memory_warnings",
    "last_eviction",
    "last_memory_check",
    "eviction_policy",
    "eviction_threshold",
    "memory_threshold",
];

type Bytes = Cache<u64, Vec<u8>>;

fn start(folder: &Folder) -> Server {
    let limits = Limits::of_root(ROOT).with_emergency(20 * MIB).with_cache_limit(64 * MIB);
    Server::start_with(folder, config(), limits)
}

/// A cache of that name, with so many entries of 64 KiB of a tenant.
fn cache(server: &Server, name: &str, entries: u64, tenant: &Tenant) -> Arc<Bytes> {
    let cache = Bytes::new(&server.caches, &Options::new(name, Class::QueryCache, 32 * MIB));
    for key in 0..entries {
        let entry = NewEntry::of(key, vec![0; 64 << 10]);
        cache.insert(entry, tenant, Duration::ZERO);
    }
    assert_eq!(cache.stats().items, entries);
    cache
}

fn memory(client: &Client) -> Value {
    let reply = client.get("/api/cache/memory");
    assert_eq!(reply.status, 200, "{}", reply.body);
    let mut body = reply.json();
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(1));
    body["memory_management"].take()
}

fn evict(client: &Client, body: &str) -> Value {
    let reply = client.send("POST", "/api/cache/memory/evict", body);
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()
}

#[test]
#[expect(clippy::cognitive_complexity, reason = "one number after another")]
fn memory_is_shown_as_the_books_have_it() {
    let folder = Folder::new();
    let server = start(&folder);
    let client = server.client();
    let _held = server.governor.reserve(Class::Pinned, &Tenant::system(), 5 * MIB).expect("room");
    let shown = memory(&client);
    for key in KEYS {
        assert!(shown.get(key).is_some(), "{key}");
    }
    assert_eq!(shown["max_memory_bytes"], ROOT);
    assert_eq!(shown["classes"]["pinned"]["bytes"], 5 * MIB);
    assert_eq!(shown["max_cache_bytes"], 64 * MIB);
    let sum = |parts: Vec<&Value>| parts.into_iter().filter_map(Value::as_u64).sum::<u64>();
    let reserved = shown["reserved_bytes"].as_u64().expect("a number");
    let classes = shown["classes"].as_object().expect("classes");
    assert_eq!(sum(classes.values().map(|class| &class["bytes"]).collect()), reserved);
    let tenants = shown["tenants"].as_array().expect("tenants");
    assert_eq!(sum(tenants.iter().map(|tenant| &tenant["bytes"]).collect()), reserved);
    for tenant in tenants {
        let classes = tenant["classes"].as_object().expect("classes");
        assert_eq!(sum(classes.values().collect()), tenant["bytes"].as_u64().expect("a number"));
    }
    assert_eq!(shown["current_memory_bytes"], reserved);
    assert!(shown["peak_memory_bytes"].as_u64() >= Some(reserved));
    assert_eq!(shown["last_eviction"], Value::Null);
    let check = shown["last_memory_check"].as_str().expect("it looked at the start");
    assert!(check.starts_with("20") && check.ends_with('Z') && check.len() == 20, "{check}");
    assert_eq!(shown["eviction_policy"], "hybrid");
    assert_eq!(
        (&shown["memory_threshold"], &shown["eviction_threshold"]),
        (&json!(0.8), &json!(0.9))
    );
    assert_eq!(shown["guard"]["limits"]["operations"]["build"], ROOT);
    assert_eq!(shown["guard"]["level"], "normal");
    assert!(shown["guard"]["stats"]["error"].is_string(), "nothing was measured");
}

#[test]
fn the_status_shows_each_cache_and_the_same_summary() {
    let folder = Folder::new();
    let server = start(&folder);
    let client = server.client();
    let status = || {
        let reply = client.get("/api/cache/status");
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()
    };
    let before = status();
    let tenant = server.governor.tenant("default");
    let answers = cache(&server, "query_cache", 3, &tenant);
    let peers = cache(&server, "tenant_discovery", 2, &tenant);
    let frames = Options::new("frames", Class::IndexPages, 32 * MIB);
    let frames: Arc<Bytes> = Bytes::new(&server.caches, &frames);
    frames.insert(NewEntry::of(1, vec![0; 1000]), &tenant, Duration::ZERO);
    frames.get(&1, Duration::ZERO).expect("it is kept");
    answers.get(&1, Duration::ZERO).expect("it is kept");
    assert!(answers.get(&9, Duration::ZERO).is_none());
    let shown = status();
    let keys: Vec<&String> = shown["memory_management"].as_object().expect("keys").keys().collect();
    let mut expected = KEYS;
    expected.sort_unstable();
    assert_eq!(keys, expected);
    let more = |part: &str, key: &str| {
        shown[part][key].as_u64().expect("after") - before[part][key].as_u64().expect("before")
    };
    assert_eq!((more("general_cache", "hits"), more("general_cache", "misses")), (1, 1));
    assert_eq!(more("general_cache", "bytes"), answers.stats().bytes);
    assert_eq!(more("tenant_discovery_cache", "item_count"), 2);
    assert_eq!(shown["tenant_discovery_cache"]["bytes"], peers.stats().bytes);
    let none = json!({ "lru": 0, "lfu": 0, "ttl": 0, "size": 0, "hybrid": 0 });
    assert_eq!(
        shown["mimir_discovery_cache"],
        json!({
            "item_count": 0, "bytes": 0, "hits": 0, "misses": 0, "hit_ratio": 0.0, "evictions": none,
        })
    );
    assert_eq!(shown["memory_management"]["cache_item_count"], 0, "these are not bounded together");
    let each = shown["caches"].as_object().expect("each cache");
    assert_eq!(
        (&each["query_cache"]["hits"], &each["query_cache"]["misses"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(each["query_cache"]["hit_ratio"], 0.5);
    assert_eq!(
        (&each["frames"]["hits"], &each["frames"]["class"]),
        (&json!(1), &json!("index_pages"))
    );
    assert_eq!(each["query"]["evictions"], none);
    assert_eq!(shown["memory_management"]["tenant_cache_count"], 2);
    assert_eq!(shown["memory_management"]["mimir_cache_count"], 0);
}

#[test]
fn evictions_tell_what_they_gave_back() {
    let folder = Folder::new();
    let server = start(&folder);
    let client = server.client();
    let (one, two) = (server.governor.tenant("one"), server.governor.tenant("two"));
    let mine = cache(&server, "mine", 20, &one);
    let theirs = cache(&server, "theirs", 20, &two);
    let check = |done: &Value, least: u64| {
        let of = |key: &str| done[key].as_u64().expect("a number");
        assert!(of("freed_bytes") >= least, "{done}");
        // Page frames may come and go meanwhile.
        let rest = of("after").saturating_add(of("freed_bytes"));
        assert!(of("before").abs_diff(rest) < MIB, "{done}");
    };
    check(&evict(&client, r#"{"bytes": 100000, "cache": "mine"}"#), 100_000);
    assert_eq!((mine.stats().items, theirs.stats().items), (18, 20));
    check(&evict(&client, r#"{"tenant": "one"}"#), 18 << 16);
    assert_eq!((mine.stats().items, theirs.stats().items), (0, 20));
    assert_eq!(evict(&client, r#"{"tenant": "nobody"}"#)["freed_bytes"], 0);
    assert_eq!(evict(&client, r#"{"bytes": 0}"#)["freed_bytes"], 0);
    let shown = memory(&client);
    assert!(shown["eviction_count"].as_u64() >= Some(2) && shown["last_eviction"].is_string());
    check(&evict(&client, ""), 20 << 16);
    assert_eq!(theirs.stats().items, 0);
    assert_eq!(server.governor.caches_used(), theirs.stats().bytes + mine.stats().bytes);
}

#[test]
fn a_reset_forgets_what_was_counted_and_keeps_what_is_held() {
    let folder = Folder::new();
    let server = start(&folder);
    let client = server.client();
    drop(server.governor.reserve(Class::Builds, &Tenant::system(), 300 * MIB).expect("room"));
    let kept = cache(&server, "query_cache", 8, &server.governor.tenant("one"));
    evict(&client, r#"{"bytes": 1}"#);
    let before = memory(&client);
    assert!(before["peak_memory_bytes"].as_u64() >= Some(300 * MIB));
    assert_eq!(before["eviction_count"], 1);
    for body in ["", "{}"] {
        let reply = client.send("POST", "/api/cache/memory/reset", body);
        assert_eq!((reply.status, reply.json()), (200, json!({ "reset": true })));
    }
    let after = memory(&client);
    assert!(after["peak_memory_bytes"].as_u64() < Some(100 * MIB), "{after}");
    assert_eq!((&after["eviction_count"], &after["last_eviction"]), (&json!(0), &Value::Null));
    assert_eq!(after["caches"]["query_cache"]["item_count"], 7);
    assert_eq!(kept.stats().items, 7);
    assert_eq!(after["max_memory_bytes"], before["max_memory_bytes"]);
}

#[test]
fn limits_change_together_or_not_at_all() {
    let folder = Folder::new();
    let server = start(&folder);
    let client = server.client();
    let kept = cache(&server, "query_cache", 64, &server.governor.tenant("one"));
    let set = |body: Value| client.put("/api/cache/memory", &body);
    let done = set(json!({
        "max_memory_bytes": ROOT / 2, "max_cache_bytes": 2 * MIB, "max_cache_size": 9,
        "max_tenant_cache_size": 8, "max_mimir_cache_size": 7, "eviction_policy": "lru",
        "eviction_threshold": 0.85, "memory_threshold": 0.7,
    }));
    assert_eq!(done.status, 200, "{}", done.body);
    let shown = memory(&client);
    for (key, value) in [
        ("max_memory_bytes", json!(ROOT / 2)),
        ("max_cache_bytes", json!(2 * MIB)),
        ("max_cache_size", json!(9)),
        ("max_tenant_cache_size", json!(8)),
        ("max_mimir_cache_size", json!(7)),
        ("eviction_policy", json!("lru")),
        ("eviction_threshold", json!(0.85)),
        ("memory_threshold", json!(0.7)),
    ] {
        assert_eq!(shown[key], value, "{key}");
    }
    assert!(kept.stats().bytes <= 2 * MIB && kept.stats().items > 0, "evicted first, not cleared");
    assert_eq!(set(json!({})).status, 200);

    let held = server.governor.reserve(Class::Pinned, &Tenant::system(), 200 * MIB).expect("room");
    let refused = set(json!({ "max_memory_bytes": 100 * MIB, "eviction_policy": "lfu" }));
    assert_eq!(refused.status, 409, "{}", refused.body);
    let told = refused.json();
    assert_eq!(told["status"]["code"], "limit_below_held");
    assert_eq!(
        told["status"]["holders"][0],
        json!({
            "class": "pinned", "tenant": "system", "bytes": 200 * MIB,
        })
    );
    let after = memory(&client);
    assert_eq!(after["max_memory_bytes"], ROOT / 2);
    assert_eq!(after["eviction_policy"], "lru", "nothing changed");
    drop(held);
    assert_eq!(set(json!({ "max_memory_bytes": 100 * MIB })).status, 200);
}

#[test]
fn bad_input_is_told_by_name_and_changes_nothing() {
    let folder = Folder::new();
    let server = start(&folder);
    let client = server.client();
    let limits = server.governor.limits();
    let (memory, evict) = ("/api/cache/memory", "/api/cache/memory/evict");
    for (method, path, body, status, told) in [
        ("PUT", memory, r#"{"max_bytes": 1}"#, 400, "unknown field `max_bytes`"),
        ("PUT", memory, r#"{"max_memory_bytes": "1GB"}"#, 400, "max_memory_bytes: invalid type"),
        ("PUT", memory, r#"{"max_memory_bytes": -1}"#, 400, "expected an integer from 0 on"),
        ("PUT", memory, r#"{"max_memory_bytes": 0}"#, 400, "max_memory_bytes 0"),
        ("PUT", memory, r#"{"max_cache_bytes": 1099511627776}"#, 400, "give at most that"),
        ("PUT", memory, r#"{"eviction_policy": "best"}"#, 400, "unknown variant `best`"),
        ("PUT", memory, r#"{"eviction_policy": 7}"#, 400, "a policy, or an object of policies"),
        ("PUT", memory, r#"{"eviction_policy": {"query": "best"}}"#, 400, "unknown variant `best`"),
        (
            "PUT",
            memory,
            r#"{"eviction_policy": {"index_pages": "lru"}}"#,
            400,
            "unknown field `index_pages`, expected one of `query`, `metadata`, `payloads`",
        ),
        ("PUT", memory, r#"{"eviction_threshold": 1.5}"#, 400, "eviction_threshold 1.5"),
        ("PUT", memory, r#"{"memory_threshold": 0}"#, 400, "memory_threshold 0"),
        ("PUT", memory, r#"{"memory_threshold": 0.95}"#, 400, "give a lower memory_threshold"),
        ("PUT", memory, r#"{"max_cache_bytes": 1, "memory_threshold": 2}"#, 400, "threshold 2"),
        ("PUT", memory, r#"{"discovery_ttl_seconds": 0}"#, 400, "discovery_ttl_seconds 0"),
        ("PUT", memory, "[]", 400, "expected an object"),
        ("PUT", memory, "{", 400, "EOF"),
        ("POST", evict, r#"{"byte": 1}"#, 400, "unknown field `byte`"),
        ("POST", evict, r#"{"bytes": "all"}"#, 400, "bytes: invalid type: string"),
        ("POST", evict, r#"{"cache": "none"}"#, 400, "name one of index_pages"),
    ] {
        let refused = client.send(method, path, body).refused(status);
        assert!(refused.contains(told), "{body}: {refused}");
    }
    assert_eq!(server.governor.limits(), limits);
}

#[test]
fn administrators_are_answered_when_memory_is_full() {
    let folder = Folder::new();
    let server = start(&folder);
    let client = server.client();
    let system = Tenant::system();
    let mut held = Vec::new();
    let mut step = 256 * MIB;
    while step > 0 {
        match server.governor.reserve(Class::Pinned, &system, step) {
            Ok(more) => held.push(more),
            Err(_full) => step /= 2,
        }
    }
    let search = client.post("/collections/c/points/scroll", &json!({}));
    assert!(search.status >= 400, "{}", search.body);
    let shown = memory(&client);
    assert!(shown["available_bytes"].as_u64() < Some(64 << 10), "{shown}");
    assert!(!shown["last_refusals"].as_array().expect("refusals").is_empty());
    assert_eq!(client.get("/api/cache/status").status, 200);
    assert_eq!(client.get("/metrics").status, 200);
    evict(&client, "");
    assert_eq!(client.send("POST", "/api/cache/memory/reset", "").status, 200);
    let raise = || client.put("/api/cache/memory", &json!({ "max_memory_bytes": ROOT * 2 }));
    let unmeasured = raise();
    assert_eq!(unmeasured.status, 503, "{}", unmeasured.body);
    assert_eq!(unmeasured.json()["status"]["code"], "system_error");
    server.guard.observe(Ok(Measurement { total: ROOT * 4, used: ROOT, cgroup: None }));
    let more = raise();
    assert_eq!(more.status, 200, "{}", more.body);
    assert!(server.governor.available() >= ROOT / 2);
}
