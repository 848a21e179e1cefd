//! Starts that are refused, and stops.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::Value;

use crate::support::{Server, run, text, vectorizer};

#[test]
fn the_banner_says_where_and_how() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("data"), &["--memory-limit", "300MB"]);
    let ready = &server.ready;
    assert_eq!(ready["memory_bytes"], Value::from(300 << 20));
    assert_eq!(ready["memory_rule"], "memory.limit, --memory-limit");
    assert!(ready["residency"].as_str().is_some_and(|text| text.starts_with("governed")));
    assert!(ready["path"].as_str().is_some_and(|path| path.ends_with("/data")));
    assert!(server.url.starts_with("http://127.0.0.1:"), "{ready}");
    assert!(!server.url.ends_with(":0"), "{ready}");
    let (code, said) = server.stop();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("stopping"), "{said}");
}

#[test]
fn a_second_server_on_a_folder_names_the_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let server = Server::start(&data, &[]);
    let path = data.to_str().expect("UTF-8");
    let second = run(&["serve", "--path", path, "--port", "0"]);
    let said = text(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("in use by process {}", server.child.id())), "{said}");
    assert_eq!(said.trim().lines().count(), 1, "{said}");
}

#[test]
fn a_port_in_use_is_one_clear_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("bound");
    let data = folder.path().join("data");
    let port = address.port().to_string();
    let path = data.to_str().expect("UTF-8");
    let refused = vectorizer(&["serve", "--path", path, "--port", &port])
        .env("VECTORIZER_LOG", "warn")
        .output()
        .expect("runs");
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains(&address.to_string()), "{said}");
    assert_eq!(said.trim().lines().count(), 1, "{said}");
    assert_eq!(said.matches("(os error").count(), 1, "{said}");
}

#[test]
fn a_damaged_folder_is_refused_with_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    assert_eq!(Server::start(&data, &[]).stop().0, Some(0));
    fs::write(data.join("catalogue"), "VZCATA01 and then nonsense").expect("written");
    let refused = run(&["serve", "--path", data.to_str().expect("UTF-8"), "--port", "0"]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("catalogue is damaged"), "{said}");
    assert!(said.contains("vectorizer verify"), "{said}");
}

#[test]
fn every_problem_of_a_configuration_is_told_before_anything_is_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.yml");
    fs::write(&file, "server:\n  host: 0.0.0.0\n  prot: 1\nmemory: {limit: 1KB}\n")
        .expect("written");
    let data = folder.path().join("data");
    let arguments = [
        "serve",
        "--config",
        file.to_str().expect("UTF-8"),
        "--path",
        data.to_str().expect("UTF-8"),
    ];
    let refused = vectorizer(&arguments)
        .env("VECTORIZER__STORAGE__DURABILITY", "never")
        .output()
        .expect("runs");
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    for part in [
        "4 problems",
        "config.yml:3) is not a setting; did you mean `server.rest_port`?",
        "config.yml:4); give it at least 64.0 MiB",
        "storage.durability is `never` (VECTORIZER__STORAGE__DURABILITY); give it fsync or os",
        "server.host is 0.0.0.0",
    ] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
    assert!(!data.exists());
}

#[test]
fn config_show_names_the_origin_of_every_value() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.yml");
    fs::write(&file, "storage:\n  durability: os\n").expect("written");
    let file = file.to_str().expect("UTF-8");
    let shown = vectorizer(&["config", "show", "--config", file, "--port", "8080"])
        .env("VECTORIZER__AUTH__API_KEY", "very secret")
        .output()
        .expect("runs");
    let said = text(&shown.stdout);
    assert_eq!(shown.status.code(), Some(0), "{}", text(&shown.stderr));
    let squeezed: Vec<String> =
        said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        "server.host 127.0.0.1 default".to_owned(),
        "server.rest_port 8080 --port".to_owned(),
        format!("storage.durability os {file}:2"),
        "auth.api_key (hidden) VECTORIZER__AUTH__API_KEY".to_owned(),
    ] {
        assert!(squeezed.contains(&line), "{line} is not in:\n{said}");
    }
    assert!(!said.contains("very secret"));
    let json = run(&["config", "show", "--output", "json"]);
    let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["settings"][0]["source"], "default");
    assert!(json["memory_budget"]["bytes"].as_u64().is_some_and(|bytes| bytes > 0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(&folder.path().join("data"), &[]);
    let address = server.url.strip_prefix("http://").expect("a URL");
    // A request that never ends keeps the server draining.
    let mut stream = TcpStream::connect(address).expect("connected");
    let head = "PUT /collections/x HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                expect: 100-continue\r\ncontent-length: 100\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("sent");
    // Told once it waits for the body.
    let mut told = [0; 12];
    stream.read_exact(&mut told).expect("told to go on");
    assert_eq!(&told, b"HTTP/1.1 100");
    stream.write_all(b"{").expect("sent");
    server.signal("TERM");
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(server.child.try_wait().expect("waits").is_none(), "it ended before the request did");
    server.signal("INT");
    let (code, said) = server.ended();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("ended without flushing"), "{said}");
}
