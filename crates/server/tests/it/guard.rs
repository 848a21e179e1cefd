//! Keys, limits of memory and size, slow clients, and the table of refusals.

use std::io::{Read, Write};
use std::time::Duration;

use serde_json::json;
use vectorizer_memory::{Class, Limits};
use vectorizer_server::config::Secret;
use vectorizer_server::{ServerConfig, ServerError, ServerLimits};

use crate::client::Reply;
use crate::server::{Folder, Server, config};

#[test]
fn the_key_is_wanted_everywhere_but_at_the_probes() {
    let folder = Folder::new();
    let config = ServerConfig { api_key: Some(Secret::new("secret")), ..config() };
    let server = Server::start_with(&folder, config, Limits::of_root(1 << 30));
    for path in ["/", "/healthz", "/livez", "/readyz"] {
        assert_eq!(server.client().get(path).status, 200, "{path}");
    }
    for path in
        ["/collections", "/metrics", "/openapi.json", "/api/cache/memory", "/api/cache/status"]
    {
        let reply = server.client().get(path);
        assert_eq!(reply.status, 401, "{path}");
        assert!(reply.head.contains("content-type: text/plain"), "{}", reply.head);
        let wrong = server.client().with_header("api-key", "Secret");
        assert_eq!(wrong.get(path).status, 401, "{path}");
        for (name, value) in [("api-key", "secret"), ("authorization", "Bearer secret")] {
            assert_eq!(server.client().with_header(name, value).get(path).status, 200, "{path}");
        }
    }
}

#[test]
fn nobody_listens_to_the_world_by_accident() {
    let folder = Folder::new();
    let run = |config| {
        let governor = vectorizer_memory::Governor::new(Limits::of_root(1 << 30));
        let engine = vectorizer_engine::Engine::open_in(
            vectorizer_vfs::OsDirectory::open(folder.path()).expect("a folder"),
            None,
            governor,
            vectorizer_engine::EngineOptions::default(),
        );
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let engine = engine.expect("an engine");
        runtime.block_on(vectorizer_server::run(config, engine, |_| (), std::future::ready(())))
    };
    let world = || ServerConfig { host: "0.0.0.0".to_owned(), ..config() };
    assert!(matches!(run(world()), Err(ServerError::Unauthenticated { .. })));
    assert!(run(ServerConfig { allow_unauthenticated: true, ..world() }).is_ok());
    assert!(run(ServerConfig { api_key: Some(Secret::new("k")), ..world() }).is_ok());
    let nowhere = ServerConfig { host: "no such host".to_owned(), ..config() };
    assert!(matches!(run(nowhere), Err(ServerError::Host { .. })));
}

#[test]
fn refusals_have_their_status_and_change_nothing() {
    let folder = Folder::new();
    let server = Server::start(&folder);
    let client = server.client();
    let vectors = json!({ "vectors": { "size": 2, "distance": "Dot" } });
    client.put("/collections/c", &vectors).result();
    let table = [
        ("PUT", "/collections/d", r#"{"vectors": {"size": 0, "distance": "Dot"}}"#, 422, "size"),
        ("PUT", "/collections/d", r#"{"vectors": {"size": 2}}"#, 400, "distance"),
        ("PUT", "/collections/d", "{", 400, "line 1 column"),
        ("PUT", "/collections/a%2Fb", r#"{"vectors": {"size": 2, "distance": "Dot"}}"#, 400, "/"),
        (
            "PUT",
            "/collections/c/points",
            r#"{"points": [{"id": 1, "vector": [1, 2]},
            {"id": 2, "vector": [1]}]}"#,
            400,
            "expected dim: 2, got 1 (point 2)",
        ),
        ("PUT", "/collections/c/points", r#"{"points": [{"id": 1, "vector": [1, 1e39]}]}"#, 400, {
            "finite"
        }),
        ("PUT", "/collections/c/points?wait=maybe", r#"{"points": []}"#, 400, "`wait`"),
        ("PUT", "/collections/no/points", r#"{"points": []}"#, 404, "`no` doesn't exist!"),
        ("POST", "/collections/c/points/query", r#"{"query": [1]}"#, 400, "expected dim: 2"),
        ("POST", "/collections/c/points/query", r#"{"query": 9}"#, 404, "id 9"),
        ("POST", "/collections/c/points/query", r#"{"query": [1, 2], "limit": 0}"#, 422, "limit"),
        ("POST", "/collections/c/points/query", r#"{"query": [1, 2], "limit": 2000000}"#, 400, {
            "limit 2000000"
        }),
        ("POST", "/collections/c/points/query", r#"{"query": [1, 2], "using": "x"}"#, 400, "`x`"),
        ("POST", "/collections/c/points/query", r#"{"query": {"fusion": "rrf"}}"#, 400, "fusion"),
        (
            "POST",
            "/collections/c/points/query/batch",
            r#"{"searches": [{"query": [1, 2]},
            {"query": [1]}]}"#,
            400,
            "expected dim: 2",
        ),
        ("POST", "/collections/c/points/scroll", r#"{"order_by": "a"}"#, 400, "order_by"),
        ("POST", "/collections/c/points/delete", "{}", 400, "either `points` or `filter`"),
        ("GET", "/collections/c/points/abc", "", 400, "not a valid point ID"),
        ("GET", "/collections/c/points/9", "", 404, "9"),
        ("PUT", "/collections/c/index", r#"{"field_name": "a", "field_schema": "text"}"#, 400, {
            "`text`"
        }),
        ("PATCH", "/collections/no", "{}", 404, "doesn't exist"),
    ];
    for (method, path, body, status, told) in table {
        let text = client.send(method, path, body).refused(status);
        assert!(text.contains(told), "{method} {path} {body}: {text}");
    }
    assert_eq!(client.post("/collections/c/points/count", &json!({})).result()["count"], 0);
    assert_eq!(client.get("/collections").result()["collections"].as_array().map(Vec::len), {
        Some(1)
    });
}

#[test]
fn memory_is_refused_with_its_holders_and_given_back() {
    let folder = Folder::new();
    let limits = Limits::of_root(1 << 30).with_class(Class::Operations, 2 << 20);
    let server = Server::start_with(&folder, config(), limits);
    let client = server.client();
    client.put("/collections/c", &json!({ "vectors": { "size": 2, "distance": "Dot" } })).result();
    let body = format!(
        r#"{{"points": [{{"id": 1, "vector": [1, 2], "payload": {{"a": "{}"}}}}]}}"#,
        "x".repeat(2 << 20)
    );
    let told = client.send("PUT", "/collections/c/points", &body).refused(413);
    assert!(told.contains("operations") && told.contains("raise "), "{told}");
    let tenant = server.governor.tenant("someone");
    let held = server.governor.reserve(Class::Operations, &tenant, 1_700_000).expect("room");
    let small = "x".repeat(200_000);
    let body =
        format!(r#"{{"points": [{{"id": 1, "vector": [1, 2], "payload": {{"a": "{small}"}}}}]}}"#);
    let reply = client.send("PUT", "/collections/c/points", &body);
    reply.refused(429);
    assert!(reply.head.contains("retry-after: 1"), "{}", reply.head);
    assert_eq!(reply.json()["status"]["holders"][0]["tenant"], "someone");
    drop(held);
    // What the refused one held goes a moment after its answer.
    assert_given_back(&server);
    client.send("PUT", "/collections/c/points", &body).result();
    assert_given_back(&server);
}

/// Bytes that requests hold now.
fn operations_bytes(server: &Server) -> u64 {
    let classes = server.governor.usage().classes;
    classes.into_iter().find(|(class, _)| *class == Class::Operations).map_or(0, |(_, bytes)| bytes)
}

/// Requests hold nothing once they are answered.
fn assert_given_back(server: &Server) {
    let settled = (0..1_500).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        operations_bytes(server) == 0
    });
    assert!(settled, "{} bytes are still held", operations_bytes(server));
}

#[test]
fn an_answer_that_nobody_reads_is_given_up() {
    let folder = Folder::new();
    let limits =
        ServerLimits { write_stall_timeout: Duration::from_secs(2), ..ServerLimits::default() };
    let server =
        Server::start_with(&folder, ServerConfig { limits, ..config() }, Limits::of_root(1 << 30));
    let client = server.client();
    client.put("/collections/c", &json!({ "vectors": { "size": 1, "distance": "Dot" } })).result();
    let long = "x".repeat(8 << 20);
    let point = json!({ "points": [{ "id": 1, "vector": [1], "payload": { "a": long } }] });
    client.put("/collections/c/points", &point).result();
    let mut deaf = client.connect();
    deaf.write_all(b"GET /collections/c/points/1 HTTP/1.1\r\nhost: x\r\n\r\n").expect("sent");
    let held = (0..6_000).any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        operations_bytes(&server) > 8 << 20
    });
    assert!(held, "the answer is charged while it is sent");
    assert_given_back(&server);
}

#[test]
fn bodies_are_bounded_and_slow_clients_are_left() {
    let folder = Folder::new();
    let limits = ServerLimits {
        body_bytes: 1000,
        header_timeout: Duration::from_millis(300),
        body_stall_timeout: Duration::from_millis(300),
        ..ServerLimits::default()
    };
    let server =
        Server::start_with(&folder, ServerConfig { limits, ..config() }, Limits::of_root(1 << 30));
    let client = server.client();
    let long = "x".repeat(1001);
    assert!(
        client.send("POST", "/collections/c/points/scroll", &long).refused(413).contains("1000")
    );
    let chunked = format!(
        "POST /collections/c/points/scroll HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n0\r\n\r\n",
        long.len()
    );
    assert!(client.raw(chunked.as_bytes()).contains(" 413 "));
    let mut slow = client.connect();
    let head = "POST /collections/c/points/scroll HTTP/1.1\r\nhost: x\r\n\
                content-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    slow.write_all(head.as_bytes()).expect("sent");
    let mut answer = [0; 12];
    slow.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 408");
    let mut silent = client.connect();
    silent.write_all(b"GET / HTT").expect("sent");
    let mut rest = Vec::new();
    drop(silent.read_to_end(&mut rest));
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "the connection is closed");
    assert_eq!(client.get("/readyz").status, 200);
}

#[test]
fn only_json_is_read() {
    let folder = Folder::new();
    let server = Server::start(&folder);
    let client = server.client();
    client.put("/collections/c", &json!({ "vectors": { "size": 1, "distance": "Dot" } })).result();
    let points = json!({ "points": [{ "id": 1, "vector": [1] }] });
    client.put("/collections/c/points?wait=true", &points).result();
    let delete = |kind: &str| {
        let body = r#"{"points": [1]}"#;
        let request = format!(
            "POST /collections/c/points/delete HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{kind}\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        Reply::parse(&client.raw(request.as_bytes()))
    };
    // What a web page can have sent to a server of its reader's machine.
    for kind in ["", "content-type: text/plain\r\n", "content-type: multipart/form-data\r\n"] {
        let told = delete(kind).refused(400);
        assert!(told.contains("send `content-type: application/json`"), "{kind}: {told}");
    }
    assert_eq!(client.post("/collections/c/points/count", &json!({})).result()["count"], 1);
    delete("content-type: Application/JSON; charset=utf-8\r\n").result();
    let empty = "POST /collections/c/points/count HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert_eq!(Reply::parse(&client.raw(empty.as_bytes())).result()["count"], 0);
}

#[test]
fn heads_and_connections_are_bounded() {
    let folder = Folder::new();
    // An eighth of it is room for six connections.
    let limits = Limits::of_root(9 << 19);
    let server = Server::start_with(&folder, config(), limits);
    let client = server.client();
    let served = |bytes: usize| {
        let mut stream = client.connect();
        let value = "x".repeat(bytes);
        let head = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {value}\r\n\r\n");
        let (sent, mut answer) = (stream.write_all(head.as_bytes()), [0; 12]);
        // The rest of a long head is not read, so that its refusal may be lost on the way.
        sent.and_then(|()| stream.read_exact(&mut answer)).is_ok() && &answer == b"HTTP/1.1 200"
    };
    assert!(served(8 << 10) && !served(256 << 10));
    let mut silent: Vec<_> = (0..6).map(|_| client.connect()).collect();
    let mut waits = client.connect();
    waits.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("sent");
    waits.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    assert!(waits.read(&mut [0; 12]).is_err(), "it waits for one of the others");
    assert!(operations_bytes(&server) >= 6 * (64 << 10));
    drop(silent.pop());
    let mut answer = [0; 12];
    waits.set_read_timeout(Some(Duration::from_mins(1))).expect("a timeout");
    waits.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");
    drop(silent);
    drop(waits);
    assert_given_back(&server);
}

#[test]
fn what_is_quoted_is_bounded() {
    let folder = Folder::new();
    let server = Server::start_with(&folder, config(), Limits::of_root(1 << 30));
    let client = server.client();
    client.put("/collections/c", &json!({ "vectors": { "size": 1, "distance": "Dot" } })).result();
    let long = "\u{7f}".repeat(2 << 20);
    for body in [
        json!({ "points": [{ "id": long, "vector": [1] }] }),
        json!({ "points": [{ "id": 1, "vector": long }] }),
        json!({ "points": [{ "id": 1, "vector": [1], &*long: 1 }] }),
    ] {
        let reply = client.put("/collections/c/points", &body);
        reply.refused(400);
        assert!(reply.body.len() < 8000, "{} bytes", reply.body.len());
    }
    let key =
        json!({ "filter": { "must": { "key": "a[".repeat(1 << 20), "match": { "value": 1 } } } });
    let reply = client.post("/collections/c/points/count", &key);
    reply.refused(400);
    assert!(reply.body.len() < 8000, "{} bytes", reply.body.len());
}

#[test]
fn a_path_that_is_no_text_is_told_so() {
    let folder = Folder::new();
    let server = Server::start(&folder);
    let told = server.client().get("/collections/%ff/exists").refused(400);
    assert!(told.contains("UTF-8"), "{told}");
}
