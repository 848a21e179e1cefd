//! Storage types asked for over REST, with and without the rules of cluster mode.

use serde_json::{Value, json};
use vectorizer_model::settings::StorageType;
use vectorizer_server::ServerConfig;

use crate::client::{Client, Reply};
use crate::server::{Folder, Server, config};

/// A way in on which a collection can come about: its method and path in the document, and how a
/// collection `c` is asked for with more in the body.
type Creating = (&'static str, &'static str, fn(&Client, &Value) -> Reply);

/// All of them. Restoring and replicating join here.
const CREATING: [Creating; 1] = [("put", "/collections/{collection_name}", |client, more| {
    client.put("/collections/c", &body(more))
})];

/// Whether an operation can bring about a collection; none for one that nobody thought of.
fn creates(operation: &str) -> Option<bool> {
    match operation {
        "create_collection" => Some(true),
        "list_collections" | "get_collection" | "collection_exists" | "update_collection"
        | "delete_collection" | "upsert_points" | "get_points" | "get_point" | "delete_points"
        | "scroll_points" | "count_points" | "update_batch" | "set_payload"
        | "overwrite_payload" | "delete_payload" | "clear_payload" | "query_points"
        | "query_batch" | "create_field_index" | "delete_field_index" | "get_memory"
        | "set_memory" | "get_cache_status" | "evict_memory" | "reset_memory"
        | "discover_tenants" | "discover_mimir"
        // Services, which are no operations.
        | "root" | "healthz" | "livez" | "readyz" | "metrics" | "openapi" => Some(false),
        _ => None,
    }
}

#[test]
fn every_route_that_creates_is_in_the_table() {
    let creates = |operation: &str| {
        creates(operation).unwrap_or_else(|| {
            panic!("{operation}: say in `creates` whether it does; if so, give CREATING its routes")
        })
    };
    for entry in vectorizer_api::CATALOGUE {
        creates(entry.name);
    }
    let folder = Folder::new();
    let document = Server::start(&folder).client().get("/openapi.json").json();
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let Some(name) = operation["operationId"].as_str() else { continue };
            if creates(name) {
                routes.push((method.as_str(), path.as_str()));
            }
        }
    }
    routes.sort_unstable();
    let mut listed = CREATING.map(|(method, path, _)| (method, path));
    listed.sort_unstable();
    assert_eq!(routes, listed);
}

fn body(more: &Value) -> Value {
    let mut body = json!({ "vectors": { "size": 4, "distance": "Dot" } });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("more").clone());
    body
}

type Asked = (Value, &'static str, Option<&'static str>);

/// Everything that is asked for, on every way in.
fn rows() -> Vec<(Creating, Asked)> {
    CREATING.into_iter().flat_map(|way| asked().into_iter().map(move |row| (way, row))).collect()
}

/// What a request asks for, where the default is `memory`, and what comes of it: alone, and in
/// cluster mode (nothing where it is refused).
fn asked() -> [Asked; 6] {
    let vectors = |more: Value| {
        let mut vectors = json!({ "size": 4, "distance": "Dot" });
        vectors.as_object_mut().expect("an object").extend(more.as_object().expect("more").clone());
        json!({ "vectors": vectors })
    };
    [
        (json!({}), "memory", Some("mmap")),
        (json!({ "storage_type": null }), "memory", Some("mmap")),
        (json!({ "storage_type": "mmap" }), "mmap", Some("mmap")),
        (json!({ "storage_type": "memory" }), "memory", None),
        (vectors(json!({ "memory": "pinned", "on_disk": false })), "memory", Some("mmap")),
        (vectors(json!({ "memory": "cold", "on_disk": true })), "memory", Some("mmap")),
    ]
}

fn memory_by_default() -> ServerConfig {
    let mut config = config();
    config.collection_defaults.storage_type = StorageType::Memory;
    config
}

#[test]
fn what_is_asked_for_is_what_comes_outside_cluster_mode() {
    let folder = Folder::new();
    let limits = vectorizer_memory::Limits::of_root(1 << 30);
    let server = Server::start_with(&folder, memory_by_default(), limits);
    let client = server.client();
    for ((method, path, create), (more, alone, _)) in rows() {
        let way = format!("{method} {path} with {more}");
        assert_eq!(create(&client, &more).result(), true, "{way}");
        let info = client.get("/collections/c").result();
        assert_eq!(info["vectorizer"]["storage_type"], alone, "{way}");
        client.send("DELETE", "/collections/c", "").result();
    }
}

#[test]
fn memory_is_refused_in_cluster_mode_and_nothing_becomes_mmap() {
    let folder = Folder::new();
    let server = Server::start_in_cluster_mode(&folder, memory_by_default());
    let client = server.client();
    for ((method, path, create), (more, _, in_cluster)) in rows() {
        let way = format!("{method} {path} with {more}");
        let reply = create(&client, &more);
        if let Some(storage_type) = in_cluster {
            assert_eq!(reply.result(), true);
            let info = client.get("/collections/c").result();
            assert_eq!(info["vectorizer"]["storage_type"], storage_type, "{way}");
            client.send("DELETE", "/collections/c", "").result();
        } else {
            let told = reply.refused(400);
            assert!(told.contains("collection `c` cannot have storage type `memory`"), "{told}");
            assert!(told.contains("leave storage_type out or give `mmap`"), "{told}");
            assert_eq!(reply.json()["status"]["code"], "ClusterConfigViolation");
            client.get("/collections/c").refused(404);
        }
    }
    // A change cannot do what a creation cannot.
    assert_eq!(client.put("/collections/c", &body(&json!({}))).result(), true);
    let change = r#"{"storage_type": "memory"}"#;
    client.send("PATCH", "/collections/c", change).refused(400);
    let hint = r#"{"vectors": {"": {"memory": "pinned"}}}"#;
    assert_eq!(client.send("PATCH", "/collections/c", hint).result(), true);
    let info = client.get("/collections/c").result();
    assert_eq!(info["vectorizer"]["storage_type"], "mmap");
}
