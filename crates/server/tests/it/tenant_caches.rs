//! What tenants have: entries and points, counted, bounded and guaranteed.

use serde_json::{Value, json};
use vectorizer_memory::Limits;
use vectorizer_model::TenantName;
use vectorizer_model::bytes::MIB;
use vectorizer_server::ServerConfig;
use vectorizer_server::config::TenantSettings;

use crate::client::Client;
use crate::server::{Folder, Server, config};

/// Points of each collection, and the bytes of text that each has.
const POINTS: u64 = 150;
const TEXT: usize = 8 << 10;
const LOUD: usize = 8;

fn start(folder: &Folder, tenants: TenantSettings, cache_bytes: u64) -> Server {
    let tenants = TenantSettings { enabled: true, ..tenants };
    let config = ServerConfig { tenants, ..config() };
    Server::start_with(folder, config, Limits::of_root(1 << 30).with_cache_limit(cache_bytes))
}

fn named(server: &Server, name: &str) -> Client {
    server.client().with_header("x-tenant-id", name)
}

fn guaranteed(bytes: u64) -> TenantSettings {
    let calm = TenantName::new("calm").expect("a name");
    TenantSettings { guarantees: [(calm, bytes)].into(), ..TenantSettings::default() }
}

/// A collection of a tenant's, of its name.
fn fill(server: &Server, name: &str, points: u64, text: usize) {
    let client = named(server, name);
    let make = json!({ "vectors": { "size": 4, "distance": "Dot" } });
    client.put(&format!("/collections/{name}"), &make).result();
    let point =
        |id| json!({ "id": id, "vector": [id, 1, 1, 1], "payload": { "text": "x".repeat(text) } });
    let points: Vec<Value> = (0..points).map(point).collect();
    let path = format!("/collections/{name}/points?wait=true");
    client.put(&path, &json!({ "points": points })).result();
}

/// Reads all payloads of a tenant's collection.
fn read(server: &Server, name: &str) {
    let ids: Vec<u64> = (0..POINTS).collect();
    for ids in ids.chunks(50) {
        let body = json!({ "ids": ids, "with_payload": true });
        named(server, name).post(&format!("/collections/{name}/points"), &body).result();
    }
}

fn payload_hits(server: &Server) -> u64 {
    let caches = server.caches.caches();
    let payloads = caches.iter().find(|cache| cache.name() == "payloads");
    payloads.map_or(0, |cache| cache.figures().hits)
}

/// How many payloads of the calm one are kept beside a flood of several others.
fn kept_beside_a_flood(folder: &Folder, guarantee: TenantSettings) -> u64 {
    let server = start(folder, guarantee, 4 * MIB);
    for _ in 0..2 {
        read(&server, "calm");
    }
    let before = payload_hits(&server);
    read(&server, "calm");
    assert_eq!(payload_hits(&server) - before, POINTS, "all are kept");
    for loud in 0..LOUD {
        for _ in 0..2 {
            read(&server, &format!("loud{loud}"));
        }
    }
    let before = payload_hits(&server);
    read(&server, "calm");
    payload_hits(&server) - before
}

#[test]
fn a_flood_of_payloads_takes_nothing_that_is_guaranteed() {
    let folder = Folder::new();
    let server = start(&folder, TenantSettings::default(), 4 * MIB);
    fill(&server, "calm", POINTS, TEXT);
    (0..LOUD).for_each(|loud| fill(&server, &format!("loud{loud}"), POINTS, TEXT));
    // What was written lies in segments then.
    server.stop();
    let without = kept_beside_a_flood(&folder, TenantSettings::default());
    assert!(without < POINTS, "who holds most gives first");
    assert_eq!(kept_beside_a_flood(&folder, guaranteed(2 * MIB)), POINTS);
}

#[test]
fn a_guarantee_is_known_to_every_cache_that_has_entries() {
    let folder = Folder::new();
    let server = start(&folder, guaranteed(MIB), 4 * MIB);
    for cache in server.caches.caches() {
        let has_pages = cache.class().name().ends_with("_pages");
        assert_eq!(cache.beyond_guarantees().is_none(), has_pages, "{}", cache.name());
    }
}

#[test]
fn entries_and_points_are_counted_by_tenant() {
    let folder = Folder::new();
    let server = start(&folder, TenantSettings::default(), 64 * MIB);
    fill(&server, "calm", 5, 10);
    fill(&server, "loud", 7, 10);
    for tag in 0..3 {
        let filter = json!({ "must": [{ "key": "tag", "match": { "value": tag } }] });
        let count = json!({ "filter": filter });
        named(&server, "calm").post("/collections/calm/points/count", &count).result();
    }
    let report = server.client().get("/api/cache/memory").json();
    let tenants = report["memory_management"]["tenants"].as_array().expect("tenants");
    let of = |name: &str| tenants.iter().find(|of| of["tenant"] == *name).expect("it holds bytes");
    assert_eq!((&of("calm")["points"], &of("loud")["points"]), (&json!(5), &json!(7)));
    assert_eq!((&of("calm")["cache_items"], &of("loud")["cache_items"]), (&json!(3), &json!(0)));
    let metrics = server.client().get("/metrics").body;
    for line in [
        "vectorizer_tenant_points{tenant=\"calm\"} 5",
        "vectorizer_tenant_points{tenant=\"loud\"} 7",
        "vectorizer_tenant_cache_items{tenant=\"calm\"} 3",
    ] {
        assert!(metrics.lines().any(|shown| shown == line), "{line}");
    }
}

#[test]
fn a_quota_of_points_bounds_its_tenant_alone() {
    let folder = Folder::new();
    let acme = TenantName::new("acme").expect("a name");
    let point_quotas = [(acme, 10)].into();
    let tenants = TenantSettings { point_quotas, ..TenantSettings::default() };
    let server = start(&folder, tenants, 64 * MIB);
    let put = |name: &str, ids: std::ops::Range<u64>| {
        let point = |id| json!({ "id": id, "vector": [id, 1, 1, 1] });
        let points: Vec<Value> = ids.map(point).collect();
        let path = format!("/collections/{name}/points?wait=true");
        named(&server, "acme").put(&path, &json!({ "points": points }))
    };
    fill(&server, "other", 100, 10);
    fill(&server, "acme", 6, 10);
    let make = json!({ "vectors": { "size": 4, "distance": "Dot" } });
    named(&server, "acme").put("/collections/second", &make).result();
    put("second", 0..4).result();
    let full = put("second", 4..5);
    let told = full.refused(429);
    assert!(told.contains("tenants.point_quotas.acme") && told.contains("10 in all"), "{told}");
    assert_eq!(full.json()["status"]["code"], "point_quota_exceeded");
    put("second", 10..21).refused(413);
    put("second", 0..4).result();
    put("second", 3..5).refused(429);
    put("other", 100..120).result();
    let delete = json!({ "points": [5] });
    named(&server, "acme").post("/collections/acme/points/delete?wait=true", &delete).result();
    put("second", 3..5).result();
    let report = server.client().get("/api/cache/memory").json();
    let tenants = report["memory_management"]["tenants"].as_array().expect("tenants");
    let of = |name: &str| tenants.iter().find(|of| of["tenant"] == *name).expect("it holds bytes");
    assert_eq!((&of("acme")["points"], &of("acme")["points_cap"]), (&json!(10), &json!(10)));
    assert!(of("other")["points_cap"].is_null());
}

#[test]
fn a_quota_of_points_holds_while_several_write() {
    let folder = Folder::new();
    let acme = TenantName::new("acme").expect("a name");
    let point_quotas = [(acme, 50)].into();
    let tenants = TenantSettings { point_quotas, ..TenantSettings::default() };
    let server = start(&folder, tenants, 64 * MIB);
    fill(&server, "acme", 1, 10);
    std::thread::scope(|scope| {
        for writer in 0..4_u64 {
            let server = &server;
            scope.spawn(move || {
                let client = named(server, "acme");
                for id in 0..30 {
                    let id = 1000 * (writer + 1) + id;
                    let points = json!({ "points": [{ "id": id, "vector": [id, 1, 1, 1] }] });
                    let reply = client.put("/collections/acme/points?wait=true", &points);
                    assert!(matches!(reply.status, 200 | 429), "{}", reply.body);
                }
            });
        }
    });
    let count = named(&server, "acme").post("/collections/acme/points/count", &json!({})).result();
    assert_eq!(count["count"], 50, "all that fits, and no more");
}
