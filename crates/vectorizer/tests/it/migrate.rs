//! Coming to cluster mode: the configuration file, and a folder with memory collections, whatever
//! interrupts it.
//!
//! `VECTORIZER_KILL_SEED` chooses other moments to kill at.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::support::{Random, Server, answer, run, text, vectorizer};

const COLLECTIONS: usize = 6;
const POINTS: usize = 400;

fn path_text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn name(collection: usize) -> String {
    format!("c{collection}")
}

fn storage_type(collection: usize) -> &'static str {
    if collection.is_multiple_of(3) { "mmap" } else { "memory" }
}

/// A folder with collections of both types, stopped by a kill, so that much is in the log alone.
fn fill(folder: &Path) {
    let mut server = Server::start(&folder.join("data"), &["--durability", "os"]);
    for collection in 0..COLLECTIONS {
        let line = |id: usize| {
            let vector = [id, collection, id * 7 % 31, 1].map(|component| component.to_string());
            format!("{{\"id\":{id},\"vector\":[{}],\"payload\":{{\"n\":{id}}}}}", vector.join(","))
        };
        let file = folder.join("points.jsonl");
        let lines: Vec<String> = (0..POINTS).map(line).collect();
        fs::write(&file, lines.join("\n")).expect("written");
        let storage = ["--storage-type", storage_type(collection), "--metric", "l2", "--restart"];
        let import = ["import", &name(collection), path_text(&file), "--url", &server.url];
        answer(&[&import[..], &storage].concat());
    }
    server.kill();
}

/// Every point of every collection, as it is exported.
fn exported(server: &Server) -> Vec<String> {
    let export = |collection| {
        let name = name(collection);
        let output = run(&["export", &name, "--url", &server.url]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    (0..COLLECTIONS).map(export).collect()
}

fn memory_collections() -> Vec<String> {
    (0..COLLECTIONS).filter(|c| storage_type(*c) == "memory").map(name).collect()
}

fn strings(value: &serde_json::Value) -> Vec<String> {
    let items = value.as_array().expect("a list").iter();
    items.map(|item| item.as_str().expect("a text").to_owned()).collect()
}

#[test]
fn memory_collections_become_mmap_and_lose_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    fill(folder.path());
    let data = folder.path().join("data");
    let before = exported(&Server::start(&data, &[]));
    let cluster = ["--set", "cluster.enabled=true"];

    let serve = ["serve", "--path", path_text(&data), "--port", "0"];
    let refused = run(&[&serve[..], &cluster].concat());
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    let command = format!("vectorizer migrate-to-cluster --path {}", data.display());
    assert!(said.contains(&command), "{said}");
    for name in memory_collections() {
        assert!(said.contains(&format!("`{name}`")), "{said}");
    }

    // A rehearsal changes nothing.
    let path = ["--path", path_text(&data)];
    let rehearsed = answer(&[&["migrate-to-cluster", "--dry-run"], &path[..]].concat());
    assert_eq!(strings(&rehearsed["would_convert"]), memory_collections());
    assert_eq!(run(&[&serve[..], &cluster].concat()).status.code(), Some(1));

    // As a flag, and as a command that has nothing left to do.
    let done = answer(&[&["--migrate-to-cluster"], &path[..]].concat());
    assert_eq!(strings(&done["converted"]), memory_collections());
    assert_eq!(strings(&done["verified"]), memory_collections());
    assert!(!data.join("migrate-to-cluster.json").exists());
    let again = answer(&[&["migrate-to-cluster"], &path[..]].concat());
    assert_eq!(strings(&again["converted"]), Vec::<String>::new());

    let server = Server::start(&data, &cluster);
    assert!(exported(&server) == before, "points differ after the conversion");
    for collection in 0..COLLECTIONS {
        let info = answer(&["info", &name(collection), "--url", &server.url]);
        assert_eq!(info["vectorizer"]["storage_type"], "mmap");
    }
    drop(server);
    assert!(answer(&[&["verify"], &path[..]].concat())["damages"] == serde_json::json!([]));
}

#[test]
fn a_migration_that_is_killed_is_run_again() {
    let seed = std::env::var("VECTORIZER_KILL_SEED").ok().and_then(|seed| seed.parse().ok());
    let mut random = Random(seed.unwrap_or(1));
    let (mut killed, mut halfway) = (0, 0);
    // Later while nothing is converted and sooner when all is, however slow the machine is.
    let mut latest = 6;
    for round in 0..3 {
        let folder = tempfile::tempdir().expect("a folder");
        fill(folder.path());
        let data = folder.path().join("data");
        let before = exported(&Server::start(&data, &[]));
        let migrate = ["migrate-to-cluster", "--path", path_text(&data)];
        let mut left_before = memory_collections().len();
        for _ in 0..12 {
            let mut command = vectorizer(&migrate);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().expect("the binary starts");
            std::thread::sleep(Duration::from_millis(random.below(latest)));
            killed += u64::from(child.try_wait().expect("waits").is_none());
            child.kill().ok();
            child.wait().expect("it ends");
            let left = answer(&[&migrate[..], &["--dry-run"]].concat());
            let left = strings(&left["would_convert"]).len();
            let noted = data.join("migrate-to-cluster.json").exists();
            halfway += u64::from(noted && (1..memory_collections().len()).contains(&left));
            match left {
                0 => latest -= latest / 4,
                _ if left == left_before => latest += latest / 2,
                _ => {}
            }
            left_before = left;
        }
        let done = answer(&migrate);
        let verified = strings(&done["verified"]);
        assert!(verified.iter().all(|name| memory_collections().contains(name)), "{done}");
        let server = Server::start(&data, &["--set", "cluster.enabled=true"]);
        assert!(exported(&server) == before, "points differ in round {round}");
    }
    assert!(killed > 6, "only {killed} runs were killed before their end");
    assert!(halfway > 0, "of {killed} kills {halfway} left some collections converted");
}

#[test]
fn a_difference_to_what_was_held_before_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    fill(folder.path());
    let data = folder.path().join("data");
    // As an earlier run noted it, before the last entry of the collection's log: one import.
    let state = r#"{"c0": {"applied": 0, "points": 400, "crc": 1}}"#;
    fs::write(data.join("migrate-to-cluster.json"), state).expect("written");
    let refused = run(&["migrate-to-cluster", "--path", path_text(&data)]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(
        said.contains("c0 held 400 points with checksum 00000001 and now answers 400"),
        "{said}"
    );
    fs::write(data.join("migrate-to-cluster.json"), "{").expect("written");
    let refused = run(&["migrate-to-cluster", "--path", path_text(&data)]);
    assert!(text(&refused.stderr).contains("not what an earlier run wrote; remove it"));
}

#[test]
fn a_folder_that_is_damaged_or_none_is_not_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    let absent = folder.path().join("absent");
    let refused = run(&["migrate-to-cluster", "--path", path_text(&absent)]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stderr));
    assert!(!absent.exists());
    fill(folder.path());
    let data = folder.path().join("data");
    assert_eq!(Server::start(&data, &[]).stop().0, Some(0));
    let shard = data.join("shards/0000000002");
    let files = fs::read_dir(&shard).expect("readable").map(|entry| entry.expect("one").path());
    let component = files.into_iter().find(|file| file.extension().is_some_and(|e| e == "vzc"));
    let component = component.expect("a component");
    let mut bytes = fs::read(&component).expect("readable");
    bytes[10] ^= 1;
    fs::write(&component, bytes).expect("written");
    let refused = run(&["migrate-to-cluster", "--path", path_text(&data)]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("nothing was converted"), "{said}");
    let rehearsed = answer(&["migrate-to-cluster", "--dry-run", "--path", path_text(&data)]);
    assert_eq!(strings(&rehearsed["would_convert"]), memory_collections());
}

#[test]
fn a_configuration_file_becomes_one_of_cluster_mode() {
    let folder = tempfile::tempdir().expect("a folder");
    let (old, new) = (folder.path().join("config.yml"), folder.path().join("config.cluster.yml"));
    let before = "# ours\nserver:\n  rest_port: 0   # free\ncluster:\n  enabled: \
                  true\ncollections:\n  defaults:\n    storage_type: memory  # fast\n";
    fs::write(&old, before).expect("written");
    let migrate =
        ["migrate-cluster-config", "--input", path_text(&old), "--output", path_text(&new)];
    let shown = run(&[&migrate[..], &["--cache-limit", "512MB", "--dry-run"]].concat());
    let said = text(&shown.stdout);
    assert!(shown.status.success() && !new.exists(), "{said}");
    assert!(said.contains("-     storage_type: memory  # fast"), "{said}");
    assert!(said.contains("+     storage_type: mmap  # fast"), "{said}");
    let done = run(&[&migrate[..], &["--cache-limit", "512MB"]].concat());
    assert!(done.status.success(), "{}", text(&done.stderr));
    let written = fs::read_to_string(&new).expect("readable");
    assert!(written.starts_with("# ours\nserver:\n  rest_port: 0   # free\n"), "{written}");
    assert!(written.contains("  max_cache_memory_bytes: 536870912\n"), "{written}");
    assert_eq!(fs::read_to_string(&old).expect("readable"), before);

    // It is not written over, unless that is asked for.
    let refused = run(&migrate);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("is there already"), "{said}");
    assert!(run(&[&migrate[..], &["--overwrite"]].concat()).status.success());

    let data = folder.path().join("data");
    let server = Server::start(&data, &["--config", path_text(&new)]);
    assert_eq!(server.stop().0, Some(0));
    for (limit, told) in [("0", "--cache-limit is 0"), ("lots", "`lots` is not a byte count")] {
        let refused = run(&[&migrate[..], &["--overwrite", "--cache-limit", limit]].concat());
        assert_eq!(refused.status.code(), Some(1));
        assert!(text(&refused.stderr).contains(told), "{}", text(&refused.stderr));
    }
}

/// The configuration files that the project shows: its example, and the blocks of its pages.
fn examples() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |name: &str| fs::read_to_string(root.join(name)).expect(name);
    let mut examples = vec![("config.example.yml".to_owned(), read("config.example.yml"))];
    for page in ["CLUSTER_SETUP.md", "tenants.md"] {
        let text = read(&format!("docs/users/{page}"));
        for (at, block) in text.split("```yaml\n").skip(1).enumerate() {
            let block = block.split("```").next().expect("it ends");
            examples.push((format!("{page}, block {at}"), block.to_owned()));
        }
    }
    assert_eq!(examples.len(), 3, "the example and a block of each page");
    for (name, servers) in [
        ("servers of a list", "cluster:\n  servers:\n    - node-1:7946\n    - node-2\n"),
        (
            "servers with ids",
            "cluster:\n  servers:\n  - id: a\n    address: http://10.0.0.1:15001\n",
        ),
        ("seed nodes", "cluster:\n  enabled: true\n  seed_nodes: [\"a:7946\", \"b:7946\"]\n"),
    ] {
        examples.push((name.to_owned(), servers.to_owned()));
    }
    examples
}

#[test]
fn what_a_migrated_file_will_be_refused_for_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| folder.path().join(name);
    let (old, new) = (place("old.yml"), place("new.yml"));
    let (mut told, mut started) = (0, 0);
    for (name, text_of_file) in examples() {
        // Keys of the pages stand in files that are not here.
        let keys = place("key");
        fs::write(&keys, "long and random\n").expect("written");
        let text_of_file = text_of_file.replace("/run/secrets/other", path_text(&keys));
        fs::write(&old, text_of_file).expect("written");
        let migrate = ["migrate-cluster-config", "--overwrite", "--input", path_text(&old)];
        let done = run(&[&migrate[..], &["--output", path_text(&new)]].concat());
        let said = text(&done.stdout);
        assert!(done.status.success(), "{name}: {said}{}", text(&done.stderr));
        let open: Vec<&str> =
            said.lines().filter_map(|line| line.strip_prefix("a start will still say: ")).collect();
        let data = place("data");
        let mut serve = Server::command(&data, &["--config", path_text(&new)]);
        if open.is_empty() {
            assert_eq!(Server::start_command(serve).stop().0, Some(0), "{name}");
            started += 1;
            continue;
        }
        let refused = serve.output().expect("the binary runs");
        let refusal = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{name}: {refusal}");
        assert!(open.iter().all(|open| refusal.contains(open)), "{name}: {open:?}\n{refusal}");
        // Nothing else keeps it from starting.
        let mended: Vec<String> = fs::read_to_string(&new)
            .expect("readable")
            .lines()
            .map(|line| {
                let seed = line.contains("seed_nodes") || line.contains(":7946");
                if seed { format!("#{line}") } else { line.to_owned() }
            })
            .collect();
        fs::write(&new, mended.join("\n")).expect("written");
        let serve = Server::command(&data, &["--config", path_text(&new)]);
        assert_eq!(Server::start_command(serve).stop().0, Some(0), "{name}");
        told += 1;
    }
    assert!(started > 0 && told >= 3, "{started} start, {told} tell why not");
}

#[test]
fn a_migrated_file_is_as_secret_as_the_one_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let (old, new) = (folder.path().join("old.yml"), folder.path().join("new.yml"));
    fs::write(&old, "auth:\n  api_key: 'secret'\n").expect("written");
    for mode in [0o600, 0o640] {
        fs::set_permissions(&old, Permissions::from_mode(mode)).expect("changed");
        let migrate = ["migrate-cluster-config", "--overwrite", "--input", path_text(&old)];
        let done = run(&[&migrate[..], &["--output", path_text(&new)]].concat());
        assert!(done.status.success(), "{}", text(&done.stderr));
        let written = fs::metadata(&new).expect("there").permissions().mode();
        assert_eq!(written & 0o777, mode, "{written:o}");
    }
}
