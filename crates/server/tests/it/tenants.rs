//! Tenants: whose a request is, what each may hold, and a flood beside a neighbour.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};
use vectorizer_engine::Engine;
use vectorizer_memory::{Governor, Limits};
use vectorizer_model::bytes::MIB;
use vectorizer_model::operation::PointBatch;
use vectorizer_model::settings::VectorSettings;
use vectorizer_model::vector::VectorColumn;
use vectorizer_model::{
    CollectionName, CollectionSettings, Metric, Operation, PointId, TenantName, VectorName,
};
use vectorizer_server::ServerConfig;
use vectorizer_server::config::{Secret, TenantSettings};

use crate::client::{Client, Reply};
use crate::server::{Folder, Server, config, open};

fn tenant(name: &str) -> TenantName {
    TenantName::new(name).expect("a name")
}

fn with(tenants: TenantSettings) -> ServerConfig {
    ServerConfig { tenants: TenantSettings { enabled: true, ..tenants }, ..config() }
}

fn with_keys() -> ServerConfig {
    let keys = [("acme", "one"), ("other", "two")];
    let keys = keys.map(|(name, key)| (tenant(name), Secret::new(key))).into();
    let api_key = Some(Secret::new("operator"));
    ServerConfig { api_key, ..with(TenantSettings { keys, ..TenantSettings::default() }) }
}

fn started(folder: &Folder, config: ServerConfig) -> Server {
    Server::start_with(folder, config, Limits::of_root(1 << 30).with_emergency(4 * MIB))
}

fn showing(server: &Server, key: &str) -> Client {
    server.client().with_header("api-key", key)
}

fn named(server: &Server, name: &str) -> Client {
    server.client().with_header("x-tenant-id", name)
}

fn create(client: &Client, name: &str, dim: usize) -> Reply {
    let vectors = json!({ "vectors": { "size": dim, "distance": "Dot" } });
    client.put(&format!("/collections/{name}"), &vectors)
}

fn points(ids: std::ops::Range<u64>, dim: usize) -> Value {
    let point = |id| json!({ "id": id, "vector": vec![1; dim] });
    json!({ "points": ids.map(point).collect::<Vec<_>>() })
}

fn listed(client: &Client) -> Vec<String> {
    let shown = client.get("/collections").result();
    let names = shown["collections"].as_array().expect("collections").iter();
    names.map(|of| of["name"].as_str().expect("a name").to_owned()).collect()
}

/// Every route on a collection, with what it reads.
fn routes() -> Vec<(&'static str, &'static str, Value)> {
    let ids = json!({ "points": [1] });
    let payload = json!({ "payload": { "a": 1 }, "points": [1] });
    vec![
        ("GET", "", json!(null)),
        ("PATCH", "", json!({ "optimizers_config": {} })),
        ("DELETE", "", json!(null)),
        ("GET", "/exists", json!(null)),
        ("PUT", "/index", json!({ "field_name": "f", "field_schema": "keyword" })),
        ("DELETE", "/index/f", json!(null)),
        ("PUT", "/points", points(7..8, 4)),
        ("POST", "/points", json!({ "ids": [1] })),
        ("GET", "/points/1", json!(null)),
        ("POST", "/points/delete", ids.clone()),
        ("POST", "/points/scroll", json!({})),
        ("POST", "/points/count", json!({})),
        ("POST", "/points/batch", json!({ "operations": [{ "upsert": points(8..9, 4) }] })),
        ("POST", "/points/payload", payload.clone()),
        ("PUT", "/points/payload", payload),
        ("POST", "/points/payload/delete", json!({ "keys": ["a"], "points": [1] })),
        ("POST", "/points/payload/clear", ids),
        ("POST", "/points/query", json!({ "query": [1, 0, 0, 0] })),
        ("POST", "/points/query/batch", json!({ "searches": [{ "query": [1, 0, 0, 0] }] })),
        ("POST", "/points/search", json!({ "vector": [1, 0, 0, 0], "limit": 1 })),
    ]
}

fn body_of(value: &Value) -> String {
    if value.is_null() { String::new() } else { value.to_string() }
}

#[test]
fn what_is_anothers_is_not_there_on_any_route() {
    let folder = Folder::new();
    let server = started(&folder, with_keys());
    let (acme, other) = (showing(&server, "one"), showing(&server, "two"));
    let operator = showing(&server, "operator");
    assert_eq!(create(&acme, "mine", 4).result(), true);
    acme.put("/collections/mine/points?wait=true", &points(0..5, 4)).result();
    let told = |client: &Client, name: &str, method: &str, rest: &str, body: &Value| {
        let path = format!("/collections/{name}{rest}");
        let reply = client.send(method, &path, &body_of(body));
        let mut json = reply.json();
        json["time"] = json!(0);
        (reply.status, json.to_string().replace(name, "NAME"))
    };
    for (method, rest, body) in routes() {
        let foreign = told(&other, "mine", method, rest, &body);
        assert_eq!(foreign, told(&other, "gone", method, rest, &body), "{method} {rest}");
        assert!(foreign.0 == 404 || foreign.1.contains("false"), "{method} {rest}: {foreign:?}");
    }
    let document = operator.get("/openapi.json").json();
    let paths = document["paths"].as_object().expect("paths").iter();
    let on_collections = paths.filter(|(path, _)| path.contains("{collection_name}"));
    let known: usize =
        on_collections.map(|(_, of)| of.as_object().map_or(0, serde_json::Map::len)).sum();
    // All but the creation.
    assert_eq!(known, routes().len() + 1, "every route is held against this");
    let count = acme.post("/collections/mine/points/count", &json!({})).result();
    assert_eq!(count["count"], 5, "nothing changed");
    assert!(create(&other, "mine", 4).refused(409).contains("already exists"));
    assert_eq!((listed(&acme), listed(&other)), (vec!["mine".to_owned()], Vec::new()));
    assert_eq!(listed(&operator), ["mine"]);
    let count = operator.post("/collections/mine/points/count", &json!({})).result();
    assert_eq!(count["count"], 5, "the operator reaches everything");
}

#[test]
fn a_tenants_key_is_no_operators() {
    let folder = Folder::new();
    let server = started(&folder, with_keys());
    let acme = showing(&server, "one");
    for (method, path) in [
        ("GET", "/metrics"),
        ("GET", "/api/cache/memory"),
        ("PUT", "/api/cache/memory"),
        ("GET", "/api/cache/status"),
        ("POST", "/api/cache/memory/evict"),
        ("POST", "/api/cache/memory/reset"),
        ("GET", "/api/discovery/tenants"),
        ("GET", "/api/discovery/mimir"),
    ] {
        let refused = acme.send(method, path, "").refused(403);
        assert!(refused.contains("auth.api_key"), "{method} {path}: {refused}");
    }
    assert_eq!(server.client().get("/collections").status, 401);
    assert_eq!(showing(&server, "three").get("/collections").status, 401);
    let same = showing(&server, "one").with_header("x-tenant-id", "acme");
    assert_eq!(same.get("/collections").status, 200);
    let refused = showing(&server, "one").with_header("x-tenant-id", "other");
    let refused = refused.get("/collections").refused(400);
    assert!(refused.contains("`other`") && refused.contains("of tenant `acme`"), "{refused}");
    // The operator may do something at a tenant's expense.
    let for_other = showing(&server, "operator").with_header("x-tenant-id", "other");
    assert_eq!(create(&for_other, "theirs", 4).result(), true);
    assert_eq!(listed(&showing(&server, "two")), ["theirs"]);
}

#[test]
fn a_full_memory_tells_nobody_of_others() {
    let folder = Folder::new();
    let server = started(&folder, with_keys());
    let other = server.governor.tenant("other");
    let mut held = Vec::new();
    let mut step = 256 * MIB;
    while step > 0 {
        match server.governor.reserve(vectorizer_memory::Class::Pinned, &other, step) {
            Ok(more) => held.push(more),
            Err(_full) => step /= 2,
        }
    }
    let root = server.client().get("/");
    assert_eq!((root.status, root.body.contains("other")), (200, false), "{}", root.body);
    let refused = showing(&server, "one").get("/openapi.json");
    assert_eq!(refused.status, 503, "{}", refused.body);
    let told = refused.refused(503);
    assert!(told.contains("held by others too"), "{told}");
    for body in [&refused.body, &showing(&server, "one").get("/collections").body] {
        assert!(!body.contains("\"other\"") && !body.contains("tenant other"), "{body}");
    }
    // Who runs the server sees who it is.
    let told = showing(&server, "operator").get("/openapi.json").refused(503);
    assert!(told.contains("other"), "{told}");
}

/// What a tenant holds, and may.
fn shown(server: &Server, name: &str) -> (u64, Value) {
    let report = server.client().get("/api/cache/memory").json();
    let tenants = report["memory_management"]["tenants"].as_array().expect("tenants");
    let of = tenants.iter().find(|of| of["tenant"] == *name);
    of.map_or((0, json!(null)), |of| (of["bytes"].as_u64().expect("bytes"), of["cap"].clone()))
}

/// A dropped collection's bytes come back with it, once background work lets go of it.
fn check_gives_back(server: &Server, name: &str) {
    let gone = || {
        std::thread::sleep(std::time::Duration::from_millis(10));
        shown(server, name).0 == 0
    };
    assert!((0..1_000).any(|_| gone()), "{:?}", shown(server, name));
}

#[test]
fn without_keys_the_header_says_who_pays() {
    let folder = Folder::new();
    let server = started(&folder, with(TenantSettings::default()));
    let acme = named(&server, "acme");
    assert_eq!(create(&acme, "mine", 64).result(), true);
    acme.put("/collections/mine/points?wait=true", &points(0..500, 64)).result();
    let (held, cap) = shown(&server, "acme");
    assert!(held > 500 * 64 * 4 && cap.is_null(), "{held} {cap}");
    // It isolates nobody.
    assert_eq!(listed(&named(&server, "other")), ["mine"]);
    assert_eq!(listed(&server.client()), ["mine"]);
    for (given, what) in [
        ("", "is empty"),
        ("a b", "' '"),
        ("system", "choose another"),
        (&*"x".repeat(65), "65 bytes"),
    ] {
        let refused = named(&server, given).get("/collections").refused(400);
        assert!(refused.contains("X-Tenant-Id") && refused.contains(what), "{refused}");
    }
    let twice = named(&server, "a").with_header("x-tenant-id", "b").get("/collections");
    assert!(twice.refused(400).contains("more than once"));
    server.stop();
    // Whether tenants are told apart or not: the bytes are their owner's.
    let server = started(&folder, config());
    assert_eq!(named(&server, "no tenant at all").get("/collections").status, 200);
    named(&server, "x").post("/collections/mine/points/count", &json!({})).result();
    assert!(shown(&server, "acme").0 > 0 && shown(&server, "x").0 == 0);
    server.client().send("DELETE", "/collections/mine", "").result();
    check_gives_back(&server, "acme");
}

#[test]
fn tenants_that_hold_nothing_are_forgotten() {
    let folder = Folder::new();
    let settings = TenantSettings { default_quota: Some(MIB), ..TenantSettings::default() };
    let server = started(&folder, with(settings));
    let keeps = named(&server, "keeps");
    assert_eq!(create(&keeps, "c", 4).result(), true);
    for number in 0..1_100 {
        assert_eq!(named(&server, &format!("t{number}")).get("/collections").status, 200);
    }
    let usage = server.governor.usage();
    let bounded = usage.tenants.iter().filter(|tenant| tenant.limit == MIB).count();
    assert!((2..1_024).contains(&bounded), "{bounded} tenants are known");
    assert_eq!(shown(&server, "keeps").1, MIB);
}

#[test]
fn a_quota_bounds_its_tenant_alone() {
    let folder = Folder::new();
    let settings = TenantSettings {
        quotas: [(tenant("acme"), 2 * MIB)].into(),
        default_quota: Some(64 * MIB),
        ..TenantSettings::default()
    };
    let server = started(&folder, with(settings));
    let (acme, other) = (named(&server, "acme"), named(&server, "other"));
    for (client, name) in [(&acme, "a"), (&other, "o")] {
        assert_eq!(create(client, name, 256).result(), true);
    }
    assert_eq!(shown(&server, "acme").1, 2 * MIB);
    assert_eq!(shown(&server, "other").1, 64 * MIB);
    assert!(shown(&server, "default").1.is_null());
    // More than the quota could ever hold.
    let never = acme.put("/collections/a/points", &points(0..3_000, 256));
    let text = never.refused(413);
    assert!(text.contains("tenant acme") && !never.head.contains("retry-after"), "{text}");
    // Full now: held by somebody of the tenant's.
    let held = server.governor.tenant("acme");
    let free = 2 * MIB - shown(&server, "acme").0;
    let class = vectorizer_memory::Class::Operations;
    let held = server.governor.reserve(class, &held, free - 4_096).expect("room");
    let full = acme.put("/collections/a/points", &points(0..100, 256));
    let text = full.refused(429);
    assert!(text.contains("in tenant acme, held by"), "{text}");
    assert!(full.head.contains("retry-after: 1"), "{}", full.head);
    // The neighbour is served, and what frees memory too.
    other.put("/collections/o/points?wait=true", &points(0..1_000, 256)).result();
    acme.post("/collections/a/points/delete?wait=true", &json!({ "points": [1] })).result();
    assert_eq!(acme.send("DELETE", "/collections/a", "").result(), true);
    drop(held);
    check_gives_back(&server, "acme");
    assert_eq!(create(&acme, "a", 256).result(), true);
    acme.put("/collections/a/points?wait=true", &points(0..10, 256)).result();
    let metrics = server.client().get("/metrics").body;
    let limit = format!("vectorizer_memory_tenant_limit_bytes{{tenant=\"acme\"}} {}", 2 * MIB);
    assert!(metrics.contains(&limit), "{metrics}");
}

#[test]
fn a_quota_below_what_is_held_refuses_no_start() {
    let folder = Folder::new();
    let server = started(&folder, with(TenantSettings::default()));
    let acme = named(&server, "acme");
    assert_eq!(create(&acme, "a", 4).result(), true);
    acme.put("/collections/a/points?wait=true", &points(0..10, 4)).result();
    server.stop();
    let quotas = [(tenant("acme"), 1)].into();
    let server = started(&folder, with(TenantSettings { quotas, ..TenantSettings::default() }));
    let acme = named(&server, "acme");
    assert!(shown(&server, "acme").0 > 1);
    acme.put("/collections/a/points", &points(0..1, 4)).refused(413);
    assert_eq!(server.client().get("/collections").status, 200);
    assert_eq!(acme.send("DELETE", "/collections/a", "").result(), true);
    check_gives_back(&server, "acme");
}

const DIM: usize = 32;
/// Questions that the neighbour asks again and again.
const QUESTIONS: u64 = 40;

/// Rows at rest in a collection of a tenant's, so that nothing changes what views show.
fn fill(engine: &Engine, owner: &str, name: &str, rows: u64) {
    let name = CollectionName::new(name).expect("a name");
    let dim = u32::try_from(DIM).expect("small");
    let vectors = [(VectorName::unnamed(), VectorSettings::new(dim, Metric::Dot))];
    let settings = CollectionSettings::new(vectors);
    let created = engine.create_collection_of(tenant(owner), name.clone(), settings);
    created.expect("accepted").wait().expect("done").expect("created");
    let batch = PointBatch {
        ids: (0..rows).map(PointId::Num).collect(),
        vectors: vec![VectorColumn {
            name: VectorName::unnamed(),
            dim,
            values: (0..rows).flat_map(|row| vector(row).into_iter()).collect(),
            present: Vec::new(),
        }],
        payloads: Vec::new(),
    };
    engine.write(&name, Operation::Upsert(batch)).expect("written");
    engine.settle().expect("settled");
}

/// As different for each number as it takes.
fn vector(number: u64) -> [f32; DIM] {
    std::array::from_fn(|at| {
        let turn = u32::try_from(at * 3).expect("small");
        let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(turn);
        (mixed >> 40) as f32 / (1 << 24) as f32
    })
}

fn question(number: u64) -> Value {
    json!({ "query": vector(number).to_vec(), "limit": 10, "params": { "exact": true } })
}

/// Look-ups of the query cache: found and missed.
fn looked_up(server: &Server) -> (u64, u64) {
    let caches = server.caches.caches();
    let figures = caches.iter().find(|cache| cache.name() == "query").map(|cache| cache.figures());
    figures.map_or((0, 0), |figures| (figures.hits, figures.misses))
}

/// Asks all questions, so many times; how many of a hundred were cached, if nobody else has any.
fn hit_percent(server: &Server, neighbour: &Client, rounds: u64) -> f64 {
    let before = looked_up(server).0;
    for number in (0..rounds).flat_map(|_| 0..QUESTIONS) {
        let reply = neighbour.post("/collections/quiet/points/query", &question(number));
        assert_eq!(reply.status, 200, "the neighbour is never refused: {}", reply.body);
    }
    (looked_up(server).0 - before) as f64 * 100.0 / (rounds * QUESTIONS) as f64
}

#[test]
fn a_flood_beside_a_neighbour_takes_neither_its_turn_nor_its_cache() {
    let folder = Folder::new();
    let engine = open(folder.path(), Governor::new(Limits::of_root(1 << 30)));
    fill(&engine, "flood", "loud", 20_000);
    fill(&engine, "neighbour", "quiet", 500);
    engine.close().expect("closed");
    drop(engine);
    let quotas = [(tenant("flood"), 64 * MIB)].into();
    let settings = with(TenantSettings { quotas, ..TenantSettings::default() });
    let limits = Limits::of_root(1 << 30).with_cache_limit(MIB);
    let server = Arc::new(Server::start_with(&folder, settings, limits));
    let neighbour = named(&server, "neighbour");
    hit_percent(&server, &neighbour, 1);
    let alone = hit_percent(&server, &neighbour, 5);
    assert!(alone > 99.0, "{alone} percent of what was asked before");
    let (next, served, stop) = (AtomicU64::new(1 << 20), AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let flood = named(&server, "flood");
                while !stop.load(Ordering::Relaxed) {
                    let from = next.fetch_add(40, Ordering::Relaxed);
                    // No two alike: the flood finds nothing in the cache and fills it.
                    let searches: Vec<Value> = (from..from + 40).map(question).collect();
                    let all = json!({ "searches": searches });
                    let reply = flood.post("/collections/loud/points/query/batch", &all);
                    assert!(matches!(reply.status, 200 | 413 | 429), "{}", reply.body);
                    served.fetch_add(u64::from(reply.status == 200), Ordering::Relaxed);
                }
            });
        }
        // More than the cache has room for.
        while next.load(Ordering::Relaxed) < (1 << 20) + 4_000 {
            std::thread::yield_now();
        }
        let beside = hit_percent(&server, &neighbour, 5);
        // What the flood had done while one question of the neighbour's, never asked before, was
        // answered: of the 240 that wait, those that went first.
        let mut before_us: Vec<u64> = (0..21)
            .map(|number| {
                let before = looked_up(&server).1;
                let new = question(1 << 10 | number);
                let reply = neighbour.post("/collections/quiet/points/query", &new);
                assert_eq!(reply.status, 200, "{}", reply.body);
                looked_up(&server).1 - before
            })
            .collect();
        stop.store(true, Ordering::Relaxed);
        before_us.sort_unstable();
        assert!(alone - beside <= 2.0, "{beside} percent beside a flood, {alone} alone");
        let median = before_us[before_us.len() / 2];
        assert!(median < 40, "searches before a neighbour's: {before_us:?}");
    });
    assert!(served.load(Ordering::Relaxed) > 10, "the flood is served too");
}
