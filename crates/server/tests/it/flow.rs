//! What people do, from an empty folder through a restart.

use serde_json::{Value, json};

use crate::client::Client;
use crate::server::{Folder, Server};

const UUID: &str = "550e8400-e29b-41d4-a716-446655440000";

fn create(client: &Client) {
    let vectors = json!({ "vectors": { "size": 4, "distance": "Cosine" } });
    assert_eq!(client.put("/collections/c", &vectors).result(), true);
    assert!(client.put("/collections/c", &vectors).refused(409).contains("already exists"));
}

fn fill(client: &Client) {
    let points = json!({ "points": [
        { "id": 1, "vector": [1, 0, 0, 0], "payload": { "city": "Rome", "n": 1 } },
        { "id": 2, "vector": [3, 4, 0, 0], "payload": { "city": "Oslo", "n": 2 } },
        { "id": UUID, "vector": [0, 0, 1, 0], "payload": null },
    ] });
    let written = client.put("/collections/c/points?wait=true", &points).result();
    assert_eq!(written["status"], "completed");
    let columns = json!({ "batch": {
        "ids": [10, 11],
        "vectors": [[0, 1, 0, 0], [0, 1, 1, 0]],
        "payloads": [{ "city": "Rome", "tags": ["a", "b"] }, null],
    } });
    let later = client.put("/collections/c/points", &columns).result();
    assert_eq!(later["status"], "acknowledged");
    assert!(later["operation_id"].as_u64() > written["operation_id"].as_u64());
}

fn ids(points: &Value) -> Vec<Value> {
    points.as_array().expect("points").iter().map(|point| point["id"].clone()).collect()
}

fn search(client: &Client) {
    let query = |body: Value| client.post("/collections/c/points/query", &body).result();
    let found = query(json!({ "query": [1, 0, 0, 0], "limit": 2, "with_vector": true }));
    assert_eq!(ids(&found["points"]), [json!(1), json!(2)]);
    assert_eq!(found["points"][0]["score"], 1.0);
    assert!(found["points"][0]["version"].is_u64());
    assert!(found["points"][0].get("payload").is_none());
    let normalised = found["points"][1]["vector"].as_array().expect("a vector");
    let normalised: Vec<f64> = normalised.iter().filter_map(Value::as_f64).collect();
    for (got, want) in normalised.iter().zip([0.6, 0.8, 0.0, 0.0]) {
        assert!((got - want).abs() < 1e-6, "{normalised:?}");
    }
    let found = query(json!({ "query": 1, "score_threshold": 0.5, "with_payload": ["city"] }));
    assert_eq!(found["points"].as_array().map(Vec::len), Some(1));
    assert_eq!(found["points"][0]["payload"], json!({ "city": "Oslo" }));
    let found = query(json!({ "query": [1, 0, 0, 0], "score_threshold": 1 }));
    assert_eq!(found["points"], json!([]), "a score must be better than its threshold");
    let filter = json!({ "must": { "key": "city", "match": { "value": "Rome" } } });
    let found = query(json!({ "query": [0, 1, 0, 0], "filter": filter, "offset": 1 }));
    assert_eq!(ids(&found["points"]), [json!(1)]);
    let both = json!({ "searches": [{ "query": [1, 0, 0, 0], "limit": 1 }, { "query": 2 }] });
    let both = client.post("/collections/c/points/query/batch", &both).result();
    assert_eq!(ids(&both[0]["points"]), [json!(1)]);
    assert_eq!(both[1]["points"].as_array().map(Vec::len), Some(4));
    let old = json!({ "vector": [0, 0, 1, 0], "limit": 1 });
    let old = client.post("/collections/c/points/search", &old).result();
    assert_eq!(ids(&old), [json!(UUID)]);
    let by_id = query(json!({ "limit": 2, "offset": 1 }));
    assert_eq!(ids(&by_id["points"]), [json!(2), json!(10)]);
}

fn read(client: &Client) {
    let page = client.post("/collections/c/points/scroll", &json!({ "limit": 4 })).result();
    assert_eq!(ids(&page["points"]), [json!(1), json!(2), json!(10), json!(11)]);
    assert_eq!(page["next_page_offset"], UUID);
    assert_eq!(page["points"][0]["payload"]["city"], "Rome");
    let next = json!({ "offset": page["next_page_offset"], "with_vector": true });
    let last = client.post("/collections/c/points/scroll/", &next).result();
    assert_eq!(ids(&last["points"]), [json!(UUID)]);
    assert_eq!(last["next_page_offset"], Value::Null);
    let count = json!({ "filter": { "must": [{ "is_empty": { "key": "city" } }] } });
    assert_eq!(client.post("/collections/c/points/count", &count).result()["count"], 2);
    let one = client.get(&format!("/collections/c/points/{UUID}")).result();
    assert_eq!(one["vector"], json!([0.0, 0.0, 1.0, 0.0]));
    let some = json!({ "ids": [2, 99, 1, 2], "with_payload": { "exclude": ["n"] } });
    let some = client.post("/collections/c/points", &some).result();
    assert_eq!(ids(&some), [json!(2), json!(1)]);
    assert_eq!(some[0]["payload"], json!({ "city": "Oslo" }));
}

fn change_payloads(client: &Client) {
    let payload_of =
        |id: u64| client.get(&format!("/collections/c/points/{id}")).result()["payload"].clone();
    let set = json!({ "payload": { "n": 7 }, "points": [1], "key": "deep" });
    client.post("/collections/c/points/payload?wait=true", &set).result();
    assert_eq!(payload_of(1), json!({ "city": "Rome", "n": 1, "deep": { "n": 7 } }));
    let filter = json!({ "must": { "key": "n", "range": { "gte": 2 } } });
    let over = json!({ "payload": { "x": [true] }, "filter": filter });
    client.put("/collections/c/points/payload", &over).result();
    assert_eq!(payload_of(2), json!({ "x": [true] }));
    let delete = json!({ "keys": ["deep", "n"], "points": [1] });
    client.post("/collections/c/points/payload/delete", &delete).result();
    assert_eq!(payload_of(1), json!({ "city": "Rome" }));
    client.post("/collections/c/points/payload/clear", &json!({ "points": [2] })).result();
    assert_eq!(payload_of(2), json!({}));
    let missing = json!({ "payload": { "a": 1 }, "points": [1, 999] });
    let told = client.post("/collections/c/points/payload", &missing).refused(404);
    assert!(told.contains("999"), "{told}");
    assert_eq!(payload_of(1), json!({ "city": "Rome" }));
}

fn tune(client: &Client) {
    let index = json!({ "field_name": "city", "field_schema": "keyword" });
    assert_eq!(client.put("/collections/c/index?wait=true", &index).result()["status"], {
        "completed"
    });
    let changes = json!({ "hnsw_config": { "m": 24 },
        "optimizers_config": { "indexing_threshold": 5 } });
    assert_eq!(client.send("PATCH", "/collections/c", &changes.to_string()).result(), true);
    let info = client.get("/collections/c").result();
    assert_eq!(info["config"]["hnsw_config"]["m"], 24);
    assert_eq!(info["config"]["optimizer_config"]["indexing_threshold"], 5);
    assert_eq!(info["config"]["params"]["vectors"], json!({ "size": 4, "distance": "Cosine" }));
    assert_eq!(info["payload_schema"]["city"]["data_type"], "keyword");
    assert_eq!(info["points_count"], 5);
    client.send("DELETE", "/collections/c/index/city", "").result();
    client.send("DELETE", "/collections/c/index/city", "").result();
    assert_eq!(client.get("/collections/c").result()["payload_schema"], json!({}));
}

#[test]
fn a_collection_lives_through_a_restart() {
    let folder = Folder::new();
    let server = Server::start(&folder);
    let client = server.client();
    assert_eq!(client.get("/collections/c/exists").result()["exists"], false);
    assert_eq!(client.send("DELETE", "/collections/c", "").result(), false);
    create(&client);
    fill(&client);
    search(&client);
    read(&client);
    tune(&client);
    change_payloads(&client);
    let before = client.post("/collections/c/points/scroll", &json!({ "with_vector": true }));
    server.stop();

    let server = Server::start(&folder);
    let client = server.client();
    let after = client.post("/collections/c/points/scroll", &json!({ "with_vector": true }));
    assert_eq!(after.result(), before.result());
    assert_eq!(client.get("/collections/c").result()["config"]["hnsw_config"]["m"], 24);
    let delete = json!({ "filter": { "should": [{ "has_id": [1, UUID] }] } });
    client.post("/collections/c/points/delete?wait=true", &delete).result();
    let updates = json!({ "operations": [
        { "upsert": { "points": [{ "id": 5, "vector": [1, 1, 1, 1] }] } },
        { "set_payload": { "payload": { "a": 1 }, "points": [5] } },
        { "delete": { "points": [2] } },
    ] });
    let done = client.post("/collections/c/points/batch?wait=true", &updates).result();
    assert_eq!(done.as_array().map(Vec::len), Some(3));
    let left = client.post("/collections/c/points/scroll", &json!({})).result();
    assert_eq!(ids(&left["points"]), [json!(5), json!(10), json!(11)]);
    assert_eq!(client.send("DELETE", "/collections/c", "").result(), true);
    assert_eq!(client.get("/collections").result(), json!({ "collections": [] }));
    server.stop();
}

#[test]
fn the_server_tells_of_itself() {
    let folder = Folder::new();
    let server = Server::start(&folder);
    let client = server.client();
    let root = client.get("/").json();
    assert_eq!(root["title"], "vectorizer - vector search engine");
    assert_eq!(root["version"], "1.19.0");
    for (path, body) in [
        ("/healthz", "healthz check passed"),
        ("/livez", "healthz check passed"),
        ("/readyz", "all shards are ready"),
    ] {
        let reply = client.get(path);
        assert_eq!((reply.status, &*reply.body), (200, body));
    }
    create(&client);
    let document = client.get("/openapi.json").json();
    assert!(document["paths"]["/collections/{collection_name}/points/query"]["post"].is_object());
    let metrics = client.get("/metrics").body;
    for line in [
        "vectorizer_server_requests_total{operation=\"create_collection\",status=\"200\"} 1",
        "vectorizer_collections{state=\"open\"} 1",
        "vectorizer_memory_reserved_bytes{class=\"operations\"}",
        "vectorizer_server_latency_seconds_bucket",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    for (method, path) in [("GET", "/no"), ("POST", "/collections"), ("DELETE", "/")] {
        let told = client.send(method, path, "").refused(404);
        assert!(told.contains(&format!("nothing answers {method} {path};")), "{told}");
    }
}
