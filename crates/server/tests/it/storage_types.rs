//! Storage types asked for over REST, with and without the rules of cluster mode.

use serde_json::{Value, json};
use vectorizer_model::settings::StorageType;
use vectorizer_server::ServerConfig;

use crate::server::{Folder, Server, config};

fn body(more: &Value) -> Value {
    let mut body = json!({ "vectors": { "size": 4, "distance": "Dot" } });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("more").clone());
    body
}

/// What a request asks for, where the default is `memory`, and what comes of it: alone, and in
/// cluster mode (nothing where it is refused).
fn asked() -> [(Value, &'static str, Option<&'static str>); 6] {
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
    for (more, alone, _) in asked() {
        assert_eq!(client.put("/collections/c", &body(&more)).result(), true);
        let info = client.get("/collections/c").result();
        assert_eq!(info["vectorizer"]["storage_type"], alone, "{more}");
        client.send("DELETE", "/collections/c", "").result();
    }
}

#[test]
fn memory_is_refused_in_cluster_mode_and_nothing_becomes_mmap() {
    let folder = Folder::new();
    let server = Server::start_in_cluster_mode(&folder, memory_by_default());
    let client = server.client();
    for (more, _, in_cluster) in asked() {
        let reply = client.put("/collections/c", &body(&more));
        if let Some(storage_type) = in_cluster {
            assert_eq!(reply.result(), true);
            let info = client.get("/collections/c").result();
            assert_eq!(info["vectorizer"]["storage_type"], storage_type, "{more}");
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
