//! `/metrics` held against the report on memory, the dashboard and the alerts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use vectorizer_cache::{Cache, NewEntry, Options};
use vectorizer_memory::{Class, Limits};

use crate::server::{Folder, Server, config};

/// Values by name and labels, as they are shown.
fn read(text: &str) -> BTreeMap<String, u64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let read = lines.filter_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    });
    read.collect()
}

fn start(folder: &Folder) -> Server {
    let limits = Limits::of_root(1 << 30).with_emergency(20 << 20).with_cache_limit(64 << 20);
    Server::start_with(folder, config(), limits)
}

#[test]
#[expect(clippy::cognitive_complexity, reason = "one table after another")]
fn measurements_and_the_report_tell_the_same_bytes() {
    let folder = Folder::new();
    let server = start(&folder);
    let client = server.client();
    let tenant = server.governor.tenant("acme");
    let cache: std::sync::Arc<Cache<u64, Vec<u8>>> =
        Cache::new(&server.caches, &Options::new("query_cache", Class::QueryCache, 8 << 20));
    for key in 0..32 {
        cache.insert(NewEntry::of(key, vec![0; 10_000]), &tenant, Duration::ZERO);
    }
    cache.get(&3, Duration::ZERO).expect("it is kept");
    client.send("POST", "/api/cache/memory/evict", r#"{"bytes": 50000, "cache": "query_cache"}"#);
    let never = server.governor.reserve(Class::Builds, &tenant, 1 << 40);
    assert!(never.is_err());

    let metrics = read(&client.get("/metrics").body);
    let report = client.get("/api/cache/memory").json()["memory_management"].take();
    let shown = |name: &str| *metrics.get(name).unwrap_or_else(|| panic!("{name}: {metrics:?}"));
    for (name, key) in [
        ("vectorizer_cluster_memory_usage_bytes", "current_memory_bytes"),
        ("vectorizer_cluster_cache_usage_bytes", "cache_bytes"),
        ("vectorizer_cluster_cache_evictions_total", "eviction_count"),
        ("vectorizer_cache_given_back_bytes_total", "evicted_bytes"),
        ("vectorizer_memory_limit_bytes", "max_memory_bytes"),
        ("vectorizer_memory_peak_bytes", "peak_memory_bytes"),
        ("vectorizer_memory_total_bytes", "reserved_bytes"),
        ("vectorizer_memory_drift_bytes", "drift_bytes"),
        ("vectorizer_memory_warnings_total", "memory_warnings"),
        ("vectorizer_memory_available_bytes", "available_bytes"),
        ("vectorizer_backlog_bytes", "backlog_bytes"),
    ] {
        assert_eq!(report[key], shown(name), "{name}");
    }
    assert!(shown("vectorizer_cluster_cache_evictions_total") > 0);
    assert!(shown("vectorizer_cluster_cache_usage_bytes") > 100_000);
    let classes = report["classes"].as_object().expect("classes");
    assert_eq!(classes.len(), 14);
    for (class, told) in classes {
        let of = |name: &str| shown(&format!("vectorizer_memory_{name}{{class=\"{class}\"}}"));
        assert_eq!(told["bytes"], of("reserved_bytes"), "{class}");
        assert_eq!(told["waited"], of("waited_total"), "{class}");
        for (reason, many) in told["refused"].as_object().expect("reasons") {
            let name =
                format!("vectorizer_memory_refused_total{{class=\"{class}\",reason=\"{reason}\"}}");
            assert_eq!(*many, shown(&name), "{name}");
        }
    }
    assert_eq!(classes["builds"]["refused"]["too_large"], 1);
    let (mut sum, mut pairs) = (0, 0);
    for tenant in report["tenants"].as_array().expect("tenants") {
        for (class, bytes) in tenant["classes"].as_object().expect("classes") {
            let name = tenant["tenant"].as_str().expect("a name");
            let labels = format!("{{class=\"{class}\",tenant=\"{name}\"}}");
            let told = shown(&format!("vectorizer_memory_tenant_reserved_bytes{labels}"));
            assert_eq!(*bytes, told, "{labels}");
            (sum, pairs) = (sum + told, pairs + 1);
        }
    }
    assert_eq!(sum, shown("vectorizer_memory_total_bytes"));
    let named = "vectorizer_memory_tenant_reserved_bytes{";
    assert_eq!(metrics.keys().filter(|name| name.starts_with(named)).count(), pairs);
    assert_eq!(shown("vectorizer_cache_hits_total{cache=\"query_cache\"}"), 1);
}

/// Every name of a measurement in a text.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|of: char| !(of.is_ascii_alphanumeric() || of == '_'));
    words.filter(|word| word.starts_with("vectorizer_")).collect()
}

#[test]
fn dashboard_and_alerts_name_what_is_measured() {
    let folder = Folder::new();
    let server = start(&folder);
    let client = server.client();
    client.get("/collections");
    let body = client.get("/metrics").body;
    let known: BTreeSet<&str> =
        body.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
    // What has no value yet is announced all the same, without the suffix of its kind.
    let announced: BTreeSet<&str> =
        body.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    for file in ["grafana/vectorizer.json", "prometheus/alerts.yml"] {
        let text = std::fs::read_to_string(deploy.join(file)).expect(file);
        let names = named(&text);
        assert!(names.len() > 5, "{file}: {names:?}");
        for name in names {
            let bare = name.trim_end_matches("_total").trim_end_matches("_bucket");
            assert!(known.contains(name) || announced.contains(bare), "{file}: {name}");
        }
        if file.starts_with("grafana") {
            let dashboard: Value = serde_json::from_str(&text).expect("JSON");
            assert!(dashboard["panels"].as_array().expect("panels").len() >= 8);
        } else {
            let rules: Value = serde_saphyr::from_str(&text).expect("YAML");
            assert!(rules["groups"][0]["rules"].as_array().expect("rules").len() >= 8);
        }
    }
}
