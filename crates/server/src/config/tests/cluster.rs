//! Cluster mode: its settings, each of its rules, and who asks whether it is on.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use vectorizer_engine::{Engine, EngineOptions, Residency, StorageRule};
use vectorizer_memory::{Governor, Limits};
use vectorizer_model::settings::{StorageType, VectorSettings};
use vectorizer_model::{CollectionName, CollectionSettings, Metric, VectorName};

use super::{Machine, load, sources};
use crate::config::{Configuration, Inspection, Sources};
use crate::file_watcher::{self, FileWatcherError};

/// The cluster section that the design of the cluster shows, as it stands there.
const DESIGN: &str = r#"
cluster:
  # Basic settings
  enabled: true
  node_id: "node-1"
  region: "us-east-1"

  # Membership (SWIM)
  swim:
    probe_interval: 1s
    probe_timeout: 500ms
    suspect_timeout: 5s
    gossip_fanout: 3
    port: 7946

  # Consensus (Raft)
  raft:
    election_timeout: 150-300ms
    heartbeat_interval: 50ms
    snapshot_interval: 10000   # entries
    port: 7947

  # Sharding
  sharding:
    strategy: "hybrid"
    total_shards: 256
    replication_factor: 3
    virtual_nodes: 150         # per physical node

  # Replication
  replication:
    method: "gossip"
    sync_interval: 100ms
    batch_size: 1000
    compression: true

  # Seed nodes for bootstrapping
  seed_nodes:
    - "node-1.cluster.local:7946"
    - "node-2.cluster.local:7946"
    - "node-3.cluster.local:7946"

  # Rebalancing
  rebalancing:
    auto_enabled: true
    trigger_threshold: 0.20    # 20% imbalance
    max_concurrent_migrations: 2
    throttle_mb_per_sec: 100
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What a file comes to on a machine of 8 GiB, with an empty data folder.
fn of(machine: &Machine, text: &str) -> Result<Configuration, String> {
    let data = machine.0.join("data").display().to_string();
    let flags = [("storage.path", data.as_str())];
    load(&machine.0, &sources(Some(machine.file(text)), &[], &flags))
}

#[test]
fn the_section_of_the_design_is_read_unchanged() {
    let machine = Machine::new("design", 8 << 20);
    let inspection = Inspection::new(&sources(Some(machine.file(DESIGN)), &[], &[]), &machine.0);
    let cluster = &inspection.settings.cluster;
    assert!(cluster.in_cluster_mode());
    assert_eq!(cluster.node_id.as_deref(), Some("node-1"));
    assert_eq!(cluster.seed_nodes.len(), 3);
    let millis = Duration::from_millis;
    assert_eq!(cluster.raft.election_timeout, (millis(150), millis(300)));
    assert_eq!(cluster.swim.suspect_timeout, millis(5_000));
    assert!((cluster.rebalancing.trigger_threshold - 0.2).abs() < 1e-9);
    // Nodes cannot join each other yet, and nothing else is wrong.
    let told: Vec<String> = inspection.violations.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("cluster.seed_nodes names 3 nodes ("), "{told:?}");
    assert!(told[0].contains("serves alone under the rules of cluster mode"), "{told:?}");

    let seeds = DESIGN.find("  # Seed nodes").unwrap()..DESIGN.find("  # Rebalancing").unwrap();
    let alone = DESIGN.replace(&DESIGN[seeds], "");
    of(&machine, &alone).unwrap();
    // Of no consequence where the cluster is off.
    of(&machine, &DESIGN.replace("enabled: true\n  node", "enabled: false\n  node")).unwrap();
}

#[test]
fn values_beyond_their_bounds_name_key_value_and_mend() {
    let machine = Machine::new("bounds", 8 << 20);
    for (text, told) in [
        ("{swim: {probe_interval: 1}}", "cluster.swim.probe_interval is `1` ("),
        ("{swim: {probe_interval: fast}}", "give it a duration such as 500ms or 2s"),
        ("{swim: {probe_timeout: 1s}}", "give cluster.swim.probe_timeout less than"),
        ("{raft: {election_timeout: 300-150ms}}", "give it a range such as 150-300ms"),
        ("{raft: {heartbeat_interval: 1s}}", "give cluster.raft.heartbeat_interval less than"),
        ("{sharding: {total_shards: 100}}", "give it 256, which the format"),
        ("{sharding: {strategy: random}}", "give it hybrid, collection or vector"),
        ("{replication: {method: raft}}", "give it gossip"),
        ("{rebalancing: {trigger_threshold: 20}}", "a share above 0, at most 1"),
        ("{seed_nodes: [node-1]}", "cluster.seed_nodes is `node-1` ("),
        ("{node_id: 'a b'}", "give it 1 to 128 letters"),
        ("{max_cache_memory_bytes: much}", "give it a byte count such as 1073741824 or 1GB"),
        ("{servers: [a]}", "`cluster.servers` ("),
        ("{enabled: true, raft: {port: 15001}}", "server.rest_port and cluster.raft.port are both"),
    ] {
        let refusal = of(&machine, &format!("cluster: {text}\n")).unwrap_err();
        assert!(refusal.contains(told), "{text}: {refusal}");
        assert!(refusal.contains("1 problem\n"), "{text}: {refusal}");
    }
    of(&machine, "cluster: {raft: {port: 15001}}\n").unwrap();
}

/// Files that break one rule each: what is told of it, and the lines that mend it.
const BROKEN: [(&str, &str, &str); 6] = [
    (
        "cluster: {enabled: true, enforce_mmap_storage: false}\n",
        "cluster.enforce_mmap_storage is false (",
        "cluster:\n  enforce_mmap_storage: true",
    ),
    (
        "cluster: {enabled: true, disable_file_watcher: false}\n",
        "cluster.disable_file_watcher is false (",
        "cluster:\n  disable_file_watcher: true",
    ),
    (
        "cluster: {enabled: true, max_cache_memory_bytes: 0}\n",
        "cluster.max_cache_memory_bytes is 0 (",
        "cluster:\n  max_cache_memory_bytes: 1GB",
    ),
    (
        "cluster: {enabled: true}\nmemory: {cache: {percent: 0}}\n",
        "memory.cache.percent is 0 (",
        "memory:\n  cache:\n    percent: 25",
    ),
    (
        "cluster: {enabled: true}\ncollections: {defaults: {storage_type: memory}}\n",
        "collections.defaults.storage_type is memory (",
        "collections:\n  defaults:\n    storage_type: mmap",
    ),
    (
        "cluster: {enabled: true}\nfile_watcher: {enabled: true}\n",
        "file_watcher.enabled is true (",
        "file_watcher:\n  enabled: false",
    ),
];

#[test]
fn every_rule_is_told_with_the_lines_that_mend_it() {
    let machine = Machine::new("rules", 8 << 20);
    for (text, told, mend) in BROKEN {
        let refusal = of(&machine, text).unwrap_err();
        let mend = format!("\n      {}", mend.replace('\n', "\n      "));
        assert!(refusal.contains("1 problem\n  cluster mode: "), "{refusal}");
        assert!(refusal.contains(told) && refusal.contains(&mend), "{mend}\n{refusal}");
        // The flag tells the same and starts.
        let skip = Sources {
            skip_cluster_validation: true,
            ..sources(Some(machine.file(text)), &[], &[("storage.path", "absent")])
        };
        let loaded = load(&machine.0, &skip).unwrap();
        let remarks: Vec<&str> = loaded.remarks.iter().map(|r| r.text.as_str()).collect();
        assert_eq!(remarks.len(), 1, "{remarks:?}");
        assert!(loaded.remarks[0].is_warning && remarks[0].contains(told), "{remarks:?}");
        let options = loaded.budget.engine_options(&loaded.settings);
        assert_eq!(options.storage, StorageRule::MmapForNew);
    }
}

#[test]
fn broken_rules_are_told_together_and_are_none_outside_cluster_mode() {
    let machine = Machine::new("together", 8 << 20);
    let all = "cluster:\n  enabled: true\n  enforce_mmap_storage: false\n  disable_file_watcher: \
               false\n  max_cache_memory_bytes: 0\nmemory: {cache: {percent: 0}}\ncollections: \
               {defaults: {storage_type: memory}}\nfile_watcher: {enabled: true}\n";
    let refusal = of(&machine, all).unwrap_err();
    assert!(refusal.contains("6 problems"), "{refusal}");
    for (_, told, _) in BROKEN {
        assert!(refusal.contains(told), "{told}: {refusal}");
    }
    let alone = all.replace("enabled: true\n  enforce", "enabled: false\n  enforce");
    let watcher = of(&machine, &alone).unwrap_err();
    assert!(watcher.contains("1 problem\n"), "{watcher}");
    assert!(watcher.contains("but the file watcher is not built yet; leave it out"), "{watcher}");
    of(&machine, &alone.replace("file_watcher: {enabled: true}", "")).unwrap();
    // Who outranks the file is named with the mend.
    let sources = sources(None, &[("CLUSTER_ENABLED", "true"), ("CACHE_MEMORY_PERCENT", "0")], &[]);
    let refusal = load(&machine.0, &sources).unwrap_err();
    assert!(refusal.contains("without CACHE_MEMORY_PERCENT, write"), "{refusal}");
}

#[test]
fn the_least_configuration_is_enough_and_sets_the_rest() {
    let machine = Machine::new("least", 8 << 20);
    let loaded = of(&machine, "cluster:\n  enabled: true\n").unwrap();
    assert_eq!(loaded.remarks, []);
    assert_eq!(loaded.budget.residency, Residency::Governed);
    assert_eq!(loaded.budget.cache_bytes, 1 << 30);
    let options = loaded.budget.engine_options(&loaded.settings);
    assert_eq!(options.storage, StorageRule::MmapOnly);
    let alone = of(&machine, "").unwrap();
    assert_eq!(alone.budget.engine_options(&alone.settings).storage, StorageRule::Any);
}

#[test]
fn cache_sizes_off_the_recommended_are_remarked_upon() {
    let machine = Machine::new("sizes", 8 << 20);
    for (size, told) in [
        ("99MB", Some((true, "below 100 MB"))),
        ("100MB", None),
        ("1GB", None),
        ("1025MB", Some((false, "above the recommended 1 GB"))),
        ("2GB", Some((false, "above the recommended 1 GB"))),
        ("2049MB", Some((true, "above 2 GB"))),
    ] {
        let text = format!("cluster: {{enabled: true, max_cache_memory_bytes: {size}}}\n");
        let remarks = of(&machine, &text).unwrap().remarks;
        match told {
            None => assert_eq!(remarks, [], "{size}"),
            Some((is_warning, told)) => {
                assert_eq!((remarks.len(), remarks[0].is_warning), (1, is_warning), "{size}");
                assert!(remarks[0].text.contains(told), "{size}: {remarks:?}");
            }
        }
    }
}

#[test]
fn stored_memory_collections_are_told_with_the_command_that_converts_them() {
    let machine = Machine::new("stored", 8 << 20);
    let data = machine.0.join("data");
    let governor = Governor::new(Limits::of_root(1 << 30));
    let engine = Engine::open(&data, governor, EngineOptions::default()).unwrap();
    for (name, storage_type) in [("kept", StorageType::Mmap), ("held", StorageType::Memory)] {
        let vectors = [(VectorName::unnamed(), VectorSettings::new(2, Metric::L2))];
        let settings = CollectionSettings { storage_type, ..CollectionSettings::new(vectors) };
        let name = CollectionName::new(name).unwrap();
        engine.create_collection(name, settings).unwrap().wait().unwrap().unwrap();
    }
    engine.close().unwrap();
    drop(engine);
    let refusal = of(&machine, "cluster: {enabled: true}\n").unwrap_err();
    let command = format!("vectorizer migrate-to-cluster --path {}", data.display());
    assert!(refusal.contains("stored with storage type memory: `held`;"), "{refusal}");
    assert!(refusal.contains(&command), "{refusal}");
    of(&machine, "cluster: {enabled: false}\n").unwrap();
}

#[test]
fn aliases_are_settings_and_their_clashes_are_told() {
    let machine = Machine::new("aliases", 8 << 20);
    let aliases = [("CLUSTER_ENABLED", "true"), ("NODE_ID", "vectorizer-0"), ("SEED_NODES", "")];
    let loaded = load(&machine.0, &sources(None, &aliases, &[])).unwrap();
    assert!(loaded.settings.cluster.in_cluster_mode());
    assert_eq!(loaded.settings.cluster.node_id.as_deref(), Some("vectorizer-0"));
    let seeds = [("SEED_NODES", "a:1, b:2"), ("CLUSTER_ENABLED", "true")];
    let refusal = load(&machine.0, &sources(None, &seeds, &[])).unwrap_err();
    assert!(refusal.contains("names 2 nodes (SEED_NODES)"), "{refusal}");
    let wrong = load(&machine.0, &sources(None, &[("CLUSTER_ENABLED", "yes")], &[])).unwrap_err();
    assert!(wrong.contains("cluster.enabled is `yes` (CLUSTER_ENABLED)"), "{wrong}");
    let both = [("NODE_ID", "a"), ("VECTORIZER__CLUSTER__NODE_ID", "b")];
    let loaded = load(&machine.0, &sources(None, &both, &[])).unwrap();
    assert_eq!(loaded.settings.cluster.node_id.as_deref(), Some("b"));
    assert!(loaded.remarks[0].is_warning);
    assert!(loaded.remarks[0].text.starts_with("NODE_ID=a is not used"), "{:?}", loaded.remarks);
}

#[test]
fn the_file_watcher_says_why_it_does_not_start() {
    let machine = Machine::new("watcher", 8 << 20);
    let start =
        |text| file_watcher::start(of(&machine, text).unwrap().settings.cluster.in_cluster_mode());
    let cluster = start("cluster: {enabled: true}\n");
    assert_eq!(cluster, Err(FileWatcherError::FileWatcherNotAllowedInCluster));
    assert_eq!(start(""), Err(FileWatcherError::NotBuilt));
}

#[test]
fn the_example_for_cluster_mode_starts() {
    let machine = Machine::new("shown", 8 << 20);
    let text = fs::read_to_string(root().join("config.example.yml")).unwrap();
    let (_, example) = text.split_once("# Cluster mode. What these").unwrap();
    let lines = example.lines().filter_map(|line| line.strip_prefix('#'));
    let yaml: Vec<&str> = lines.filter(|line| !line.starts_with(" docs/")).collect();
    let loaded = of(&machine, &yaml.join("\n")).unwrap();
    assert!(loaded.settings.cluster.in_cluster_mode());
    assert_eq!(loaded.settings.cluster.node_id.as_deref(), Some("node-1"));
}

/// Every Rust file below a folder.
fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_page_lists_who_asks_for_cluster_mode() {
    let root = root();
    let page = fs::read_to_string(root.join("docs/specs/CLUSTER.md")).unwrap();
    let (_, listed) = page.split_once("## Who asks whether it is on").unwrap();
    let listed = listed.split("\n## ").next().unwrap();
    let listed: BTreeSet<String> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(file, _)| file.to_owned())
        .collect();
    let mut files = Vec::new();
    for folder in fs::read_dir(root.join("crates")).unwrap().map(Result::unwrap) {
        let source = folder.path().join("src");
        if source.is_dir() {
            rust_files(&source, &mut files);
        }
    }
    let asks = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let production = text.split("#[cfg(test)]").next().unwrap_or_default();
        let is_test = path.components().any(|part| part.as_os_str() == "tests");
        let asks =
            production.contains("in_cluster_mode()") || production.contains("is_unchecked()");
        (asks && !is_test).then(|| {
            let path = path.strip_prefix(&root).unwrap();
            path.display().to_string()
        })
    };
    let found: BTreeSet<String> = files.iter().filter_map(asks).collect();
    assert_eq!(listed, found, "docs/specs/CLUSTER.md lists who asks for cluster mode");
    assert!(found.len() > 3);
}
