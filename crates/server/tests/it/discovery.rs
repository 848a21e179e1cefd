//! Which tenants there are, and what they hold.

use std::time::Duration;

use serde_json::{Value, json};
use vectorizer_memory::{Class, Limits};

use crate::client::Client;
use crate::server::{Folder, Server, config};

const ROUTE: &str = "/api/discovery/tenants";
const FRESH: &str = "/api/discovery/tenants?fresh=true";
const MIB: u64 = 1 << 20;

fn start(folder: &Folder) -> Server {
    let limits = Limits::of_root(1 << 30).with_emergency(20 * MIB).with_cache_limit(64 * MIB);
    Server::start_with(folder, config(), limits)
}

fn shown(client: &Client, route: &str) -> Value {
    let reply = client.get(route);
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()
}

/// What is shown of one tenant.
fn of(client: &Client, route: &str, name: &str) -> Value {
    let mut shown = shown(client, route);
    let tenants = shown["tenants"].as_array_mut().expect("tenants");
    let found = tenants.iter_mut().find(|tenant| tenant["tenant"] == name);
    found.map_or(Value::Null, Value::take)
}

fn create(client: &Client, name: &str, points: u64) {
    let path = format!("/collections/{name}");
    let settings = json!({ "vectors": { "size": 4, "distance": "Dot" } });
    assert_eq!(client.put(&path, &settings).status, 200);
    let points: Vec<Value> =
        (0..points).map(|id| json!({ "id": id, "vector": [id, 1, 2, 3] })).collect();
    let written = client.put(&format!("{path}/points?wait=true"), &json!({ "points": points }));
    assert_eq!(written.status, 200, "{}", written.body);
}

#[test]
fn tenants_are_shown_with_what_they_hold() {
    let folder = Folder::new();
    let server = start(&folder);
    let client = server.client();
    create(&client, "b", 3);
    create(&client, "a", 5);
    let acme = server.governor.tenant("acme");
    let held = server.governor.reserve(Class::Pinned, &acme, 5 * MIB).expect("room");
    server.governor.set_tenant_limit(&acme, Some(8 * MIB)).expect("it holds less");
    let found = of(&client, ROUTE, "acme");
    assert_eq!((&found["bytes"], &found["quota"]), (&json!(5 * MIB), &json!(8 * MIB)));
    assert_eq!(found["classes"], json!({ "pinned": 5 * MIB }));
    assert_eq!((&found["collections"], &found["points"]), (&json!([]), &json!(0)));
    let found = of(&client, ROUTE, "default");
    assert_eq!((&found["quota"], &found["points"]), (&Value::Null, &json!(8)));
    let collections = found["collections"].as_array().expect("collections");
    let named: Vec<(&Value, &Value)> =
        collections.iter().map(|of| (&of["name"], &of["points"])).collect();
    assert_eq!(named, [(&json!("a"), &json!(5)), (&json!("b"), &json!(3))]);
    assert!(collections.iter().all(|of| of["memtable_bytes"].as_u64() > Some(0)), "{found}");
    drop(held);
    let found = of(&client, FRESH, "acme");
    assert_eq!((&found["bytes"], &found["classes"]), (&json!(0), &json!({})));
}

#[test]
fn what_was_found_is_kept_and_dated() {
    let folder = Folder::new();
    let server = start(&folder);
    let client = server.client();
    create(&client, "a", 1);
    assert_eq!(of(&client, ROUTE, "default")["points"], 1);
    std::thread::sleep(Duration::from_millis(20));
    create(&client, "b", 1);
    let kept = of(&client, ROUTE, "default");
    assert_eq!((&kept["points"], &kept["collection_count"]), (&json!(1), &json!(1)));
    assert!(kept["age_seconds"].as_f64() >= Some(0.02), "{kept}");
    let fresh = of(&client, FRESH, "default");
    assert_eq!((&fresh["points"], &fresh["collection_count"]), (&json!(2), &json!(2)));
    assert!(fresh["age_seconds"].as_f64() < kept["age_seconds"].as_f64(), "{fresh}");
    assert_eq!(of(&client, ROUTE, "default")["points"], 2, "what is fresh is kept instead");
    // A tenant that nobody asked for before is found at once.
    let _held = server.governor.reserve(Class::Pinned, &server.governor.tenant("new"), MIB);
    assert_eq!(of(&client, ROUTE, "new")["bytes"], MIB);
    let counted = client.get("/api/cache/status").json()["tenant_discovery_cache"].take();
    let tenants = shown(&client, ROUTE)["tenant_count"].take();
    assert_eq!(counted["item_count"], tenants);
    assert!(counted["bytes"].as_u64() > Some(0) && counted["hits"].as_u64() >= Some(2));

    let set = |body: Value| assert_eq!(client.put("/api/cache/memory", &body).status, 200);
    set(json!({ "discovery_ttl_seconds": 1 }));
    create(&client, "c", 1);
    std::thread::sleep(Duration::from_millis(1_100));
    assert_eq!(of(&client, ROUTE, "default")["points"], 3, "it was out of date");
    set(json!({ "discovery_ttl_seconds": 300, "max_tenant_cache_size": 0 }));
    create(&client, "d", 1);
    assert_eq!(of(&client, ROUTE, "default")["points"], 4, "nothing is kept");
    assert_eq!(shown(&client, ROUTE)["max_items"], 0);
}

#[test]
fn tenants_are_shown_when_memory_is_full() {
    let folder = Folder::new();
    let server = start(&folder);
    let client = server.client();
    create(&client, "a", 1);
    let system = vectorizer_memory::Tenant::system();
    let mut held = Vec::new();
    let mut step = 256 * MIB;
    while step > 0 {
        match server.governor.reserve(Class::Pinned, &system, step) {
            Ok(more) => held.push(more),
            Err(_full) => step /= 2,
        }
    }
    assert_eq!(of(&client, FRESH, "default")["points"], 1);
    assert!(of(&client, FRESH, "system")["classes"]["pinned"].as_u64() > Some(900 * MIB));
}

#[test]
fn a_parameter_that_is_neither_true_nor_false_is_refused() {
    let folder = Folder::new();
    let server = start(&folder);
    let told = server.client().get("/api/discovery/tenants?fresh=now").refused(400);
    assert!(told.contains("`fresh` is `now`; give it true or false"), "{told}");
}
