//! What is shown of Grafana Mimir, asked of a stand-in that answers as Mimir does.

use std::collections::BTreeMap;
use std::future::pending;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use vectorizer_memory::{Class, Limits};
use vectorizer_server::ServerConfig;
use vectorizer_server::config::Secret;

use crate::client::{Client, Reply};
use crate::server::{Folder, Server, config};

const ROUTE: &str = "/api/discovery/mimir";
const FRESH: &str = "/api/discovery/mimir?fresh=true";
const ENDPOINTS: usize = 12;
const TIMEOUT: Duration = Duration::from_secs(2);
/// Longer than anybody waits.
const TOO_SLOW: Duration = Duration::from_secs(20);
/// Bytes of an answer that are too many.
const HUGE: usize = 5 << 20;

/// How the stand-in behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Mood {
    #[default]
    Well,
    /// It answers after so long.
    Slow(Duration),
    /// It sends headers, and never all of the body.
    Stalled,
    /// Its answers are too large, and say so.
    Huge,
    /// Its answers are too large, and do not say so.
    HugeInParts,
    /// Its answers are short, and far larger once read.
    Dense,
    Garbage,
    WebPage,
    Unauthorized,
    Moved,
    /// It serves the endpoints of an ingester alone.
    Ingester,
    /// The store cannot be read.
    StoreDown,
    Failing,
}

#[derive(Debug, Default)]
struct Seen {
    mood: Mood,
    asked: BTreeMap<String, u32>,
    now: BTreeMap<String, u32>,
    most_at_once: u32,
    authorization: Option<String>,
}

/// A server that answers as Mimir does.
struct Mimir {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    _runtime: Runtime,
}

impl Mimir {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let seen = Arc::<Mutex<Seen>>::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&seen));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("an address");
        drop(runtime.spawn(async move { axum::serve(listener, router).await }));
        Self { address, seen, _runtime: runtime }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no panic")
    }

    fn is(&self, mood: Mood) {
        self.seen().mood = mood;
    }

    /// How often it was asked in all.
    fn asked(&self) -> u32 {
        self.seen().asked.values().sum()
    }

    fn config(&self) -> ServerConfig {
        at(format!("http://{}", self.address))
    }
}

fn at(url: String) -> ServerConfig {
    let mut config = ServerConfig { mimir_url: Some(Secret::new(url)), ..config() };
    config.limits.mimir_timeout = TIMEOUT;
    config
}

async fn answer(State(seen): State<Arc<Mutex<Seen>>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let json = request.headers().get(ACCEPT).is_some_and(|kind| kind == "application/json");
    let mood = {
        let mut seen = seen.lock().expect("no panic");
        let authorization = request.headers().get(AUTHORIZATION);
        seen.authorization = authorization.map(|key| key.to_str().expect("text").to_owned());
        *seen.asked.entry(path.clone()).or_default() += 1;
        let now = seen.now.entry(path.clone()).or_default();
        *now += 1;
        seen.most_at_once = (*now).max(seen.most_at_once);
        seen.mood
    };
    if let Mood::Slow(time) = mood {
        tokio::time::sleep(time).await;
    }
    let response = in_mood(mood, &path, json);
    *seen.lock().expect("no panic").now.get_mut(&path).expect("it is there") -= 1;
    response
}

fn in_mood(mood: Mood, path: &str, json: bool) -> Response {
    let text = |status: u16, text: &str| {
        let status = axum::http::StatusCode::from_u16(status).expect("a status");
        (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], text.to_owned()).into_response()
    };
    // Whatever passes its frames on does not tell the length.
    let in_parts = |bytes: usize| Full::new(Bytes::from(vec![b' '; bytes])).map_frame(|part| part);
    match mood {
        Mood::StoreDown if path == "/store-gateway/tenants" => {
            text(200, "Can't read tenants: access denied")
        }
        Mood::Well | Mood::Slow(_) | Mood::StoreDown => well(path, json),
        Mood::Stalled => Response::new(Body::new(in_parts(1).with_trailers(pending()))),
        Mood::Huge => text(200, &" ".repeat(HUGE)),
        Mood::HugeInParts => Response::new(Body::new(in_parts(HUGE))),
        Mood::Dense => text(200, &format!("[{}0]", "{},".repeat(1 << 20))),
        Mood::Garbage => text(200, "\u{0}\u{1}{{{"),
        Mood::WebPage => well(path, false),
        Mood::Unauthorized => text(401, "no org id\n"),
        Mood::Moved => (axum::http::StatusCode::FOUND, [(LOCATION, "/login")]).into_response(),
        Mood::Ingester if path.starts_with("/ingester") => well(path, json),
        Mood::Ingester if path == "/services" || path.ends_with("buildinfo") => well(path, json),
        Mood::Ingester => text(404, "404 page not found\n"),
        Mood::Failing => text(500, "at least 2 live replicas required, could only find 1\n"),
    }
}

fn ring(of: &str, members: &[(&str, &str)]) -> Value {
    let member = |(id, state): &(&str, &str)| {
        json!({
            "id": id, "state": state, "address": format!("10.0.0.7:{of}"),
            "timestamp": "2026-01-02T03:04:05Z",
            "registered_timestamp": "2026-01-01T00:00:00Z",
            "read_only": false, "read_only_updated_timestamp": "0001-01-01T00:00:00Z",
            "zone": "zone-a", "tokens": [1, 700, 4_294_967_295_u32],
        })
    };
    let members: Vec<Value> = members.iter().map(member).collect();
    let shards = if members.is_empty() { Value::Null } else { json!(members) };
    json!({ "shards": shards, "now": "2026-01-02T03:04:06.7Z" })
}

/// What Mimir in monolithic mode answers.
fn well(path: &str, json: bool) -> Response {
    let now = "2026-01-02T03:04:06.7Z";
    let service = |name: &str, status: &str| json!({ "name": name, "status": status });
    let shown = match path {
        "/services" => json!({ "now": now, "services": [
            service("distributor", "Running"), service("ingester", "Starting"),
        ]}),
        "/api/v1/status/buildinfo" => json!({ "status": "success", "data": {
            "application": "Grafana Mimir", "version": "2.17.1", "revision": "3e6ee0d",
            "branch": "HEAD", "goVersion": "go1.24.5", "features": { "query_sharding": "true" },
        }}),
        "/distributor/ring" => ring("9095", &[("distributor-1", "ACTIVE")]),
        "/ingester/ring" => ring("9096", &[("ingester-1", "ACTIVE"), ("ingester-2", "UNHEALTHY")]),
        "/distributor/all_user_stats" => json!([
            { "userID": "acme", "ingestionRate": 12.5, "numSeries": 42,
              "APIIngestionRate": 12.5, "RuleIngestionRate": 0 },
        ]),
        "/store-gateway/tenants" => json!({ "now": now, "tenants": ["acme", "umbrella"] }),
        _ => ring("9095", &[]),
    };
    // The format of the build does not depend on what is accepted; statistics of tenants have no
    // type of their own.
    if !json && !path.ends_with("buildinfo") {
        let page = "\n<!DOCTYPE html>\n<html><body><h1>Ring Status</h1></body></html>";
        return ([(CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response();
    }
    let stats = path == "/distributor/all_user_stats";
    let kind = if stats { "text/plain; charset=utf-8" } else { "application/json" };
    ([(CONTENT_TYPE, kind)], shown.to_string()).into_response()
}

fn shown(client: &Client, route: &str) -> Value {
    let reply = client.get(route);
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()
}

/// Why each endpoint did not tell, without those that did.
fn errors(shown: &Value) -> Vec<(String, String)> {
    let endpoints = shown["endpoints"].as_array().expect("endpoints");
    assert_eq!(endpoints.len(), ENDPOINTS);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let failed = endpoints.iter().filter(|endpoint| endpoint["ok"] == json!(false));
    failed.map(|of| (text(&of["endpoint"]), text(&of["error"]))).collect()
}

/// Every endpoint failed, with this in its words.
fn all_failed(client: &Client, told: &str, reachable: bool) -> Value {
    let shown = shown(client, FRESH);
    assert_eq!(shown["reachable"], reachable, "{shown}");
    let errors = errors(&shown);
    assert_eq!(errors.len(), ENDPOINTS, "{shown}");
    for (endpoint, error) in errors {
        assert!(error.contains(told), "{endpoint}: {error}");
    }
    assert_eq!((&shown["components"], &shown["tenants"]), (&json!([]), &json!([])));
    shown
}

#[test]
fn components_and_tenants_are_shown_as_mimir_tells_them() {
    let (folder, mimir) = (Folder::new(), Mimir::start());
    let server = Server::start_with(&folder, mimir.config(), Limits::of_root(1 << 30));
    let shown = shown(&server.client(), ROUTE);
    let address = format!("http://{}", mimir.address);
    assert_eq!((&shown["reachable"], &shown["address"]), (&json!(true), &json!(address)));
    assert_eq!(errors(&shown), []);
    assert_eq!(
        shown["build"],
        json!({
            "application": "Grafana Mimir", "version": "2.17.1", "revision": "3e6ee0d",
            "branch": "HEAD", "go_version": "go1.24.5",
        })
    );
    let service = |name: &str, state: &str| {
        json!({
            "component": name, "kind": "service", "id": null, "state": state,
            "address": address, "zone": null, "version": "2.17.1", "heartbeat": null,
        })
    };
    let member = |of: &str, id: &str, state: &str, port: &str| {
        json!({
            "component": of, "kind": "member", "id": id, "state": state,
            "address": format!("10.0.0.7:{port}"), "zone": "zone-a", "version": null,
            "heartbeat": "2026-01-02T03:04:05Z",
        })
    };
    assert_eq!(
        shown["components"],
        json!([
            service("distributor", "Running"),
            service("ingester", "Starting"),
            member("distributor", "distributor-1", "ACTIVE", "9095"),
            member("ingester", "ingester-1", "ACTIVE", "9096"),
            member("ingester", "ingester-2", "UNHEALTHY", "9096"),
        ])
    );
    let (active, stored) = ("/distributor/all_user_stats", "/store-gateway/tenants");
    let tenant = |name: &str, series: Value, rate: Value, endpoint: &str| {
        json!({
            "tenant": name, "series": series, "ingestion_rate": rate, "endpoint": endpoint,
        })
    };
    assert_eq!(
        shown["tenants"],
        json!([
            tenant("acme", json!(42), json!(12.5), active),
            tenant("acme", Value::Null, Value::Null, stored),
            tenant("umbrella", Value::Null, Value::Null, stored),
        ])
    );
    assert_eq!(mimir.seen().authorization, None);
}

#[test]
fn without_an_address_there_is_nothing_to_look_at() {
    let folder = Folder::new();
    let server = Server::start(&folder);
    let told = server.client().get(ROUTE).refused(404);
    assert!(told.contains("telemetry.mimir.url is not set") && told.contains("give it"), "{told}");
}

#[test]
fn a_mimir_that_is_not_there_is_told_with_status_200() {
    let folder = Folder::new();
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let config = at(format!("http://user:secret@{address}/prefix/"));
    let server = Server::start_with(&folder, config, Limits::of_root(1 << 30));
    let told = format!("cannot connect to http://{address}/prefix: ");
    let shown = all_failed(&server.client(), &told, false);
    assert!(shown.to_string().contains("Connection refused"), "{shown}");
    assert!(!shown.to_string().contains("secret"), "{shown}");
}

#[test]
fn what_is_wrong_with_an_answer_is_told_for_each_endpoint() {
    let (folder, mimir) = (Folder::new(), Mimir::start());
    let server = Server::start_with(&folder, mimir.config(), Limits::of_root(1 << 30));
    let client = server.client();
    let most = "more than 4.0 MiB, the most that is read";
    for (mood, told, reachable) in [
        (Mood::Slow(TOO_SLOW), "did not answer within 2000 ms", false),
        (Mood::Stalled, "did not answer within 2000 ms", true),
        (Mood::Huge, most, true),
        (Mood::HugeInParts, most, true),
        (Mood::Garbage, "it answered what cannot be read", true),
        (Mood::Unauthorized, "401 Unauthorized: `no org id`; give", true),
        (Mood::Moved, "302 Found, to `/login`; give telemetry.mimir.url", true),
        (Mood::Failing, "`at least 2 live replicas required, could only find 1`", true),
    ] {
        mimir.is(mood);
        all_failed(&client, told, reachable);
    }
    mimir.is(Mood::WebPage);
    let pages = errors(&shown(&client, FRESH));
    assert_eq!(pages.len(), ENDPOINTS - 1, "a build is told in JSON in any case");
    assert!(pages.iter().all(|(_, error)| error.contains("a web page")), "{pages:?}");
    mimir.is(Mood::StoreDown);
    let told = errors(&shown(&client, FRESH));
    assert_eq!(told.len(), 1);
    assert!(told[0].1.contains("`Can't read tenants: access denied`"), "{told:?}");
    mimir.is(Mood::Ingester);
    let alone = shown(&client, FRESH);
    let told = errors(&alone);
    assert_eq!(told.len(), ENDPOINTS - 3);
    assert!(told.iter().all(|(_, error)| error.contains("microservices mode")), "{told:?}");
    assert_eq!(alone["components"].as_array().map(Vec::len), Some(4));
}

#[test]
fn an_answer_holds_no_more_than_was_granted_for_it() {
    let (folder, mimir) = (Folder::new(), Mimir::start());
    let limits = Limits::of_root(64 << 20).with_emergency(2 << 20);
    let server = Server::start_with(&folder, mimir.config(), limits);
    let operations = || {
        server.governor.reserved();
        let classes = server.governor.class_usage();
        classes.into_iter().find(|of| of.class == Class::Operations).expect("it is there")
    };
    let before = operations().bytes;
    mimir.is(Mood::Dense);
    let shown = all_failed(&server.client(), "", true);
    let refused = |(_, told): &(String, String)| told.contains("one operation of kind scroll may");
    assert!(errors(&shown).iter().all(refused), "it would take most of a gigabyte: {shown}");
    let started = Instant::now();
    // Connections end a little later than their answers.
    while operations().bytes > before && started.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(operations().bytes, before);
    mimir.is(Mood::Well);
    assert_eq!(errors(&self::shown(&server.client(), FRESH)), []);
}

#[test]
fn answers_are_kept_for_their_time_and_dated() {
    let (folder, mimir) = (Folder::new(), Mimir::start());
    let limits = Limits::of_root(1 << 30).with_cache_limit(64 << 20);
    let server = Server::start_with(&folder, mimir.config(), limits);
    let client = server.client();
    let each = u32::try_from(ENDPOINTS).expect("few");
    shown(&client, ROUTE);
    assert_eq!(mimir.asked(), each);
    std::thread::sleep(Duration::from_millis(20));
    mimir.is(Mood::Failing);
    let kept = shown(&client, ROUTE);
    assert_eq!((mimir.asked(), errors(&kept).len()), (each, 0), "nobody was asked");
    for endpoint in kept["endpoints"].as_array().expect("endpoints") {
        assert!(endpoint["age_seconds"].as_f64() >= Some(0.02), "{endpoint}");
    }
    let counts = || client.get("/api/cache/status").json()["mimir_discovery_cache"].take();
    let counted = counts();
    assert_eq!((&counted["hits"], &counted["item_count"]), (&json!(each), &json!(each)));
    assert!(counted["bytes"].as_u64() > Some(1000), "{counted}");
    // What fails now is not told from what was kept, and is asked again by the next.
    all_failed(&client, "500 Internal Server Error", true);
    mimir.is(Mood::Well);
    assert_eq!(errors(&shown(&client, ROUTE)), []);
    assert_eq!(mimir.asked(), each * 3);
    let set = |body: Value| assert_eq!(client.put("/api/cache/memory", &body).status, 200);
    set(json!({ "discovery_ttl_seconds": 1 }));
    std::thread::sleep(Duration::from_millis(1_100));
    shown(&client, ROUTE);
    assert_eq!(mimir.asked(), each * 4, "they were out of date");
    set(json!({ "discovery_ttl_seconds": 300, "max_mimir_cache_size": 3 }));
    assert_eq!(counts()["item_count"], 3);
    set(json!({ "max_mimir_cache_size": 0 }));
    assert_eq!(counts()["item_count"], 0);
    shown(&client, ROUTE);
    shown(&client, ROUTE);
    assert_eq!(mimir.asked(), each * 6, "nothing is kept");
}

#[test]
fn one_request_is_under_way_for_each_endpoint() {
    let (folder, mimir) = (Folder::new(), Mimir::start());
    let server = Server::start_with(&folder, mimir.config(), Limits::of_root(1 << 30));
    let at_once = |route: &'static str| -> Vec<Reply> {
        let clients = (0..8).map(|_| server.client());
        let asking: Vec<_> =
            clients.map(|client| std::thread::spawn(move || client.get(route))).collect();
        asking.into_iter().map(|asking| asking.join().expect("an answer")).collect()
    };
    mimir.is(Mood::Slow(Duration::from_millis(150)));
    for reply in at_once(ROUTE) {
        assert_eq!(errors(&reply.json()), []);
    }
    let asked = mimir.seen().asked.clone();
    assert!(asked.values().all(|times| *times == 1), "{asked:?}");
    // Who waits for one that fails does not wait for another.
    mimir.is(Mood::Slow(TOO_SLOW));
    for reply in at_once(FRESH) {
        assert_eq!(errors(&reply.json()).len(), ENDPOINTS);
    }
    let asked = mimir.seen().asked.clone();
    assert!(asked.values().all(|times| *times == 2), "{asked:?}");
    assert_eq!(mimir.seen().most_at_once, 1);
}

#[test]
fn user_and_password_are_sent_and_not_shown() {
    let (folder, mimir) = (Folder::new(), Mimir::start());
    let config = at(format!("http://user:secret@{}", mimir.address));
    assert!(!format!("{config:?}").contains("secret"));
    let server = Server::start_with(&folder, config, Limits::of_root(1 << 30));
    let shown = shown(&server.client(), ROUTE);
    assert_eq!(errors(&shown), []);
    assert!(!shown.to_string().contains("secret"), "{shown}");
    assert_eq!(mimir.seen().authorization.as_deref(), Some("Basic dXNlcjpzZWNyZXQ="));
}
