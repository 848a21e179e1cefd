//! The files for Kubernetes, held against what the server reads and answers.

use std::path::Path;

use serde_json::{Value, json};
use vectorizer_engine::{Residency, StorageRule};
use vectorizer_server::config::{BudgetRule, Configuration, Secret, Sources};

use crate::server::{Folder, Server};

fn file(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/kubernetes");
    let text = std::fs::read_to_string(folder.join(name)).expect(name);
    serde_saphyr::from_str(&text).expect(name)
}

fn container() -> Value {
    let containers = file("statefulset.yaml")["spec"]["template"]["spec"]["containers"].take();
    assert_eq!(containers.as_array().map(Vec::len), Some(1));
    containers[0].clone()
}

/// What the container has in its environment, its key being in this file.
fn variables(container: &Value, key: &Path) -> Vec<(String, String)> {
    let value = |variable: &Value| match variable["name"].as_str().expect("a name") {
        "NODE_ID" => {
            assert_eq!(variable["valueFrom"]["fieldRef"]["fieldPath"], "metadata.name");
            "vectorizer-0".to_owned()
        }
        "VECTORIZER__AUTH__API_KEY_FILE" => {
            let mounted = variable["value"].as_str().expect("a path");
            let mounts = container["volumeMounts"].as_array().expect("mounts").iter();
            let mut folders = mounts.filter_map(|mount| mount["mountPath"].as_str());
            assert!(folders.any(|folder| mounted == format!("{folder}/key")), "{mounted}");
            key.display().to_string()
        }
        _ => variable["value"].as_str().expect("a text").to_owned(),
    };
    let all = container["env"].as_array().expect("variables").iter();
    all.map(|all| (all["name"].as_str().expect("a name").to_owned(), value(all))).collect()
}

/// A made-up machine whose container has this limit.
fn machine(folder: &Path, limit: u64) {
    for (path, text) in [
        ("proc/self/status", "VmRSS: 9000 kB\nRssAnon: 8192 kB\n".to_owned()),
        ("proc/self/cgroup", "0::/\n".to_owned()),
        ("proc/self/mountinfo", "31 25 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n".to_owned()),
        ("sys/fs/cgroup/memory.max", format!("{limit}\n")),
    ] {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("written");
    }
}

#[test]
fn the_node_starts_with_the_containers_memory() {
    let container = container();
    let resources = &container["resources"];
    assert_eq!(resources["requests"], resources["limits"]);
    let gibibytes = resources["limits"]["memory"].as_str().and_then(|text| text.strip_suffix("Gi"));
    let limit = gibibytes.and_then(|count| count.parse::<u64>().ok()).expect("in Gi") << 30;

    let folder = Folder::new();
    machine(folder.path(), limit);
    let key = folder.path().join("key");
    std::fs::write(&key, "a long random text\n").expect("written");
    let sources = Sources { variables: variables(&container, &key), ..Sources::default() };
    let found = Configuration::load(&sources, folder.path()).expect("it starts");
    assert!(found.remarks.iter().all(|remark| !remark.is_warning), "{:?}", found.remarks);
    assert!(matches!(found.budget.rule, BudgetRule::Cgroup { bytes, .. } if bytes == limit));
    assert_eq!(found.budget.limit, limit / 10 * 9);
    assert_eq!(found.budget.residency, Residency::Governed);
    assert_eq!(found.budget.engine_options(&found.settings).storage, StorageRule::MmapOnly);
    let server = &found.settings.server;
    assert!(server.api_key.is_some() && server.host == "0.0.0.0" && !server.allow_unauthenticated);
    assert_eq!(container["ports"][0]["containerPort"], server.rest_port);
    assert_eq!(container["args"], json!(["serve"]));
    // What is written lies in the volume, and the grace is longer than the server takes to drain.
    let mounts = container["volumeMounts"].as_array().expect("mounts");
    let data = mounts.iter().find(|mount| mount["name"] == "data").expect("a volume");
    let mounted = data["mountPath"].as_str().expect("a path");
    assert!(found.settings.path.starts_with(mounted), "{}", found.settings.path.display());
    let grace =
        file("statefulset.yaml")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
            .as_u64()
            .expect("seconds");
    assert!(grace >= 2 * server.limits.drain_timeout.as_secs());
}

#[test]
fn probes_and_names_fit() {
    let (set, service) = (file("statefulset.yaml"), file("service.yaml"));
    let labels = &set["spec"]["template"]["metadata"]["labels"];
    assert_eq!(&set["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&service["spec"]["selector"], labels);
    assert_eq!(&file("networkpolicy.yaml")["spec"]["podSelector"]["matchLabels"], labels);
    assert_eq!(set["spec"]["serviceName"], service["metadata"]["name"]);
    let container = container();
    assert_eq!(service["spec"]["ports"][0]["targetPort"], container["ports"][0]["name"]);
    assert_eq!(service["spec"]["ports"][0]["port"], container["ports"][0]["containerPort"]);

    let folder = Folder::new();
    let config = vectorizer_server::ServerConfig {
        api_key: Some(Secret::new("secret")),
        ..crate::server::config()
    };
    let limits = vectorizer_memory::Limits::of_root(1 << 30);
    let server = Server::start_with(&folder, config, limits);
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let get = &container[probe]["httpGet"];
        assert_eq!(get["port"], container["ports"][0]["name"]);
        let path = get["path"].as_str().expect("a path");
        assert_eq!(server.client().get(path).status, 200, "{probe} has no key");
    }
}
