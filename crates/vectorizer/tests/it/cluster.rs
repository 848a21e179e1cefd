//! Starts in cluster mode: what is allowed, what is refused with which mend, and what the flag that
//! skips the rules does.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Server, answer, run, text, vectorizer};

const POINTS: &str = "{\"id\":1,\"vector\":[1,2]}\n{\"id\":2,\"vector\":[3,4]}\n";

fn path_text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn file(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("config.yml");
    fs::write(&path, text).expect("written");
    path
}

/// A start that must be refused before the folder is made, and what it says.
fn refused(text_of_file: &str, further: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let (config, data) = (file(folder.path(), text_of_file), folder.path().join("data"));
    let serve =
        ["serve", "--config", path_text(&config), "--path", path_text(&data), "--port", "0"];
    let output = run(&[&serve[..], further].concat());
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!data.exists(), "nothing is opened before everything is checked");
    said
}

const VALID: &str = "cluster:
  enabled: true
  node_id: node-1
  max_cache_memory_bytes: 1073741824
  enforce_mmap_storage: true
  disable_file_watcher: true
collections:
  defaults:
    storage_type: mmap
file_watcher:
  enabled: false
";

#[test]
fn valid_and_minimal_configurations_start() {
    for text_of_file in [VALID, "cluster:\n  enabled: true\n"] {
        let folder = tempfile::tempdir().expect("a folder");
        let config = file(folder.path(), text_of_file);
        let data = folder.path().join("data");
        let server = Server::start(&data, &["--config", path_text(&config)]);
        let points = folder.path().join("points.jsonl");
        fs::write(&points, POINTS).expect("written");
        let url = ["--url", &server.url];
        answer(&[&["import", "things", path_text(&points)], &url[..]].concat());
        let info = answer(&[&["info", "things"], &url[..]].concat());
        assert_eq!(info["vectorizer"]["storage_type"], "mmap");
        assert!(server.ready["residency"].as_str().is_some_and(|r| r.starts_with("governed")));
        let (code, said) = server.stop();
        assert_eq!(code, Some(0), "{said}");
        for told in ["cluster.enabled: true (", "cluster.max_cache_memory_bytes: 1GB"] {
            assert!(said.contains(told), "{told} is not logged:\n{said}");
        }
        assert!(said.contains("cluster.swim.probe_interval: 300ms (default)"), "{said}");
        assert!(!said.contains("WARN"), "{said}");
    }
}

/// What breaks a rule, and the lines that mend it.
const BROKEN: [(&str, &str, &str); 3] = [
    (
        "collections: {defaults: {storage_type: memory}}\n",
        "collections.defaults.storage_type is memory (",
        "collections:\n        defaults:\n          storage_type: mmap",
    ),
    (
        "file_watcher: {enabled: true}\n",
        "file_watcher.enabled is true (",
        "file_watcher:\n        enabled: false",
    ),
    ("", "cluster.max_cache_memory_bytes is 0 (", "cluster:\n        max_cache_memory_bytes: 1GB"),
];

/// A file that breaks these rules.
fn breaking(rules: &[usize]) -> String {
    let limit = if rules.contains(&2) { "0" } else { "1GB" };
    let mut text = format!("cluster: {{enabled: true, max_cache_memory_bytes: {limit}}}\n");
    for rule in rules {
        text.push_str(BROKEN[*rule].0);
    }
    text
}

#[test]
fn what_breaks_a_rule_is_refused_with_its_mend() {
    for rules in [&[0][..], &[1], &[2], &[0, 1, 2]] {
        let said = refused(&breaking(rules), &[]);
        let count = rules.len();
        let problems =
            if count == 1 { "1 problem\n".to_owned() } else { format!("{count} problems") };
        assert!(said.contains(&problems), "{said}");
        for (at, (_, told, mend)) in BROKEN.iter().enumerate() {
            assert_eq!(said.contains(told), rules.contains(&at), "{told}\n{said}");
            assert_eq!(said.contains(mend), rules.contains(&at), "{mend}\n{said}");
        }
    }
}

#[test]
fn seeds_and_watchers_that_do_not_exist_yet_are_said_to() {
    let seeds = "cluster:\n  enabled: true\n  seed_nodes: [\"a:7946\"]\n";
    let said = refused(seeds, &[]);
    assert!(said.contains("nodes cannot join each other yet"), "{said}");
    let said = refused(seeds, &["--skip-cluster-validation"]);
    assert!(said.contains("nodes cannot join each other yet"), "no flag makes a cluster: {said}");
    let said = refused("file_watcher:\n  enabled: true\n", &[]);
    assert!(said.contains("the file watcher is not built yet"), "{said}");
}

#[test]
fn the_flag_that_skips_the_rules_starts_and_is_loud() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = file(folder.path(), &breaking(&[0, 1, 2]));
    let data = folder.path().join("data");
    let path = path_text(&data);
    let serve = ["serve", "--path", path, "--port", "0", "--output", "json"];
    let skip = ["--config", path_text(&config), "--skip-cluster-validation"];
    let mut command = vectorizer(&[&serve[..], &skip].concat());
    // Loud even where the log is silent.
    command.env("VECTORIZER_LOG", "off");
    let server = Server::start_command(command);
    let points = folder.path().join("points.jsonl");
    fs::write(&points, POINTS).expect("written");
    let url = ["--url", &server.url];
    answer(&[&["import", "things", path_text(&points)], &url[..]].concat());
    let info = answer(&[&["info", "things"], &url[..]].concat());
    assert_eq!(info["vectorizer"]["storage_type"], "mmap", "whatever the default says");
    let (code, said) = server.stop();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("UNSAFE"), "{said}");
    for (_, told, _) in BROKEN {
        let line = said.lines().find(|line| line.contains(told)).unwrap_or_default();
        assert!(line.starts_with("WARNING: SKIPPED"), "{told}\n{said}");
    }
}

#[test]
fn the_command_line_is_refused_memory_in_cluster_mode() {
    let folder = tempfile::tempdir().expect("a folder");
    let points = folder.path().join("points.jsonl");
    fs::write(&points, POINTS).expect("written");
    let import = ["import", "things", path_text(&points), "--storage-type", "memory"];
    let server = Server::start(&folder.path().join("cluster"), &["--set", "cluster.enabled=true"]);
    let output = run(&[&import[..], &["--url", &server.url]].concat());
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("cannot have storage type `memory` in cluster mode"), "{said}");
    drop(server);
    let server = Server::start(&folder.path().join("alone"), &[]);
    let url = ["--url", &server.url];
    answer(&[&import[..], &url].concat());
    let info = answer(&[&["info", "things"], &url[..]].concat());
    assert_eq!(info["vectorizer"]["storage_type"], "memory");
    let again = ["import", "things", path_text(&points), "--restart", "--storage-type", "mmap"];
    let output = run(&[&again[..], &url].concat());
    let said = text(&output.stderr);
    assert!(said.contains("has storage type memory, and --storage-type asks for mmap"), "{said}");
}

#[test]
fn variables_of_deployments_are_understood() {
    let shown = vectorizer(&["config", "show", "--output", "json"])
        .envs([("CLUSTER_ENABLED", "true"), ("NODE_ID", "vectorizer-0"), ("CACHE_MAX_ITEMS", "7")])
        .env("VECTORIZER__MEMORY__CACHE__MAX_ITEMS", "8")
        .output()
        .expect("runs");
    let json: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    let value = |key: &str| {
        let settings = json["settings"].as_array().expect("settings");
        settings.iter().find(|s| s["key"] == key).expect("known")["value"].clone()
    };
    assert_eq!(value("cluster.enabled"), "true");
    assert_eq!(value("cluster.node_id"), "vectorizer-0");
    assert_eq!(value("memory.cache.max_items"), "8");
    let told = json["remarks"][0].as_str().expect("a remark");
    assert!(told.starts_with("CACHE_MAX_ITEMS=7 is not used"), "{told}");
}
