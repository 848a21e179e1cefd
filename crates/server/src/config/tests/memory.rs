//! Operations, pressure, caches and tenants: aliases, bounds, and what follows from the limit.

use std::time::Duration;

use vectorizer_api::memory::{CacheSettings, CacheShare};
use vectorizer_memory::OperationKind;

use super::{Machine, load, sources};
use crate::config::{EvictionPolicy, Secret};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

#[test]
fn the_aliases_of_caches_are_settings() {
    let machine = Machine::new("caches", 8 << 20);
    let aliases = [
        ("CACHE_MEMORY_PERCENT", "10"),
        ("CACHE_MAX_ITEMS", "7"),
        ("CACHE_TENANT_MAX_ITEMS", "8"),
        ("CACHE_MIMIR_MAX_ITEMS", "9"),
        ("CACHE_MEMORY_THRESHOLD", "0.5"),
        ("CACHE_EVICTION_THRESHOLD", "0.6"),
        ("CACHE_EVICTION_POLICY", "lfu"),
    ];
    let loaded = load(&machine.0, &sources(None, &aliases, &[])).unwrap();
    let cache = loaded.settings.memory.cache;
    assert_eq!((cache.percent, cache.items_max), (10, 7));
    assert_eq!((cache.tenant_items_max, cache.mimir_items_max), (8, 9));
    assert!((cache.memory_threshold - 0.5).abs() < 1e-9);
    let lines = loaded.budget.cache_lines(&loaded.settings);
    assert_eq!((lines.warning, lines.eviction, lines.emergency), (500, 600, 950));
    let entries = loaded.settings.server.cache_settings;
    assert_eq!((entries.items_max, entries.policy), (7, EvictionPolicy::Lfu));
    assert_eq!(entries.cluster_bytes_max, None, "no cluster mode");
    assert_eq!(entries.share, CacheShare::Percent(10));
    assert!((cache.eviction_threshold - 0.6).abs() < 1e-9);
    assert_eq!(cache.eviction_policy, EvictionPolicy::Lfu);
    // A tenth of the half of 8 GiB.
    assert_eq!(loaded.budget.cache_bytes, (4 * GIB) / 10);
    let clash = [aliases[0], ("VECTORIZER__MEMORY__CACHE__PERCENT", "20")];
    let loaded = load(&machine.0, &sources(None, &clash, &[])).unwrap();
    assert_eq!(loaded.settings.memory.cache.percent, 20);
    assert!(loaded.remarks[0].text.contains("CACHE_MEMORY_PERCENT=10 is not used"));
}

#[test]
fn operations_are_bounded_by_the_limit() {
    let machine = Machine::new("operations", 8 << 20);
    let with = |flags: &[(&str, &str)]| load(&machine.0, &sources(None, &[], flags));
    let default = with(&[]).unwrap().budget;
    assert_eq!((default.heap_bytes, default.operation_bytes), (2 * GIB, 512 * MIB));
    let small = with(&[("memory.limit", "512MB")]).unwrap().budget;
    assert_eq!((small.heap_bytes, small.operation_bytes), (512 * MIB, 256 * MIB));
    let given = [
        ("memory.limit", "1GB"),
        ("memory.max_heap_size", "1GB"),
        ("memory.max_per_operation", "100MB"),
        ("memory.operations.search.max_bytes", "64MB"),
    ];
    let loaded = with(&given).unwrap();
    assert_eq!((loaded.budget.heap_bytes, loaded.budget.operation_bytes), (GIB, 100 * MIB));
    let guarded = loaded.budget.memory_limits(&loaded.settings);
    let of_each = OperationKind::ALL.map(|kind| guarded.max_of(kind));
    assert_eq!(of_each, [64 * MIB, 100 * MIB, 100 * MIB, 100 * MIB, GIB]);
    assert_eq!(guarded.max_heap_size, loaded.budget.heap_bytes);
    // A build may hold more than one of the others, and less.
    for bytes in ["900MB", "20MB"] {
        let build = ("memory.operations.build.max_bytes", bytes);
        let loaded = with(&[&given[..], &[build]].concat()).unwrap();
        let limits = loaded.budget.memory_limits(&loaded.settings);
        let expected = if bytes == "20MB" { 20 * MIB } else { 900 * MIB };
        assert_eq!(limits.max_of(OperationKind::Build), expected);
    }
    let build = with(&[("memory.limit", "1GB"), ("memory.operations.build.max_bytes", "2GB")]);
    let told = "memory.operations.build.max_bytes is 2.0 GiB (";
    let build = build.unwrap_err();
    assert!(build.contains(told) && build.contains("above memory.limit, which is 1.0"), "{build}");
    let refusal = with(&[
        ("memory.limit", "1GB"),
        ("memory.max_heap_size", "2GB"),
        ("memory.max_per_operation", "1025MB"),
        ("memory.operations.facet.max_bytes", "2GB"),
        ("memory.operations.scroll.max_bytes", "0"),
    ]);
    let refusal = refusal.unwrap_err();
    for told in [
        "4 problems",
        "memory.max_heap_size is 2.0 GiB (--set memory.max_heap_size), above memory.limit, which \
         is 1.0 GiB (memory.limit, --set memory.limit); give it at most that, or raise memory.limit",
        "memory.max_per_operation is 1.0 GiB (",
        "memory.operations.facet.max_bytes is 2.0 GiB (",
        "above memory.max_per_operation, which is 1.0 GiB (--set memory.max_per_operation)",
        "memory.operations.scroll.max_bytes is `0` (",
    ] {
        assert!(refusal.contains(told), "{told}\n{refusal}");
    }
}

#[test]
fn thresholds_ascend() {
    let machine = Machine::new("thresholds", 8 << 20);
    let with = |flags: &[(&str, &str)]| load(&machine.0, &sources(None, &[], flags));
    for (key, value, told) in [
        ("memory.warning_threshold", "0.85", "give memory.warning_threshold less than"),
        ("memory.cleanup_threshold", "0.8", "give memory.critical_threshold less than"),
        ("memory.cache.eviction_threshold", "0.7", "give memory.cache.memory_threshold less"),
        ("memory.warning_threshold", "0", "give it a share above 0, at most 1"),
        ("memory.cache.memory_threshold", "0.8996", "give memory.cache.memory_threshold less"),
        ("memory.cache.memory_threshold", "0.0004", "give it a share from 0.001 to 1"),
        ("memory.cleanup_threshold", "90", "memory.cleanup_threshold is `90` ("),
        ("memory.cleanup_threshold", "NaN", "memory.cleanup_threshold is `NaN` ("),
    ] {
        let refusal = with(&[(key, value)]).unwrap_err();
        assert!(refusal.contains(told) && refusal.contains("1 problem\n"), "{key}: {refusal}");
    }
    let loaded = with(&[("memory.cleanup_threshold", "1"), ("memory.check_interval", "5s")]);
    assert_eq!(loaded.unwrap().settings.memory.check_interval, Duration::from_secs(5));
}

#[test]
fn items_expire_after_one_duration_or_each_cache_its_own() {
    let machine = Machine::new("ttl", 8 << 20);
    let of = |text: &str| {
        let loaded = load(&machine.0, &sources(Some(machine.file(text)), &[], &[]));
        loaded.map(|loaded| loaded.settings.memory.cache.ttl)
    };
    let minutes = |minutes| Some(Duration::from_mins(minutes));
    let default = of("").unwrap();
    assert_eq!((default.query, default.discovery), (None, minutes(5)));
    let one = of("memory: {cache: {ttl: 10m}}\n").unwrap();
    assert_eq!((one.query, one.metadata, one.embedding), (minutes(10), minutes(10), minutes(10)));
    assert_eq!(one.discovery, minutes(5));
    let own = of("memory:\n  cache:\n    ttl:\n      query: 1m\n      discovery: off\n").unwrap();
    assert_eq!((own.query, own.metadata, own.discovery), (minutes(1), None, None));
    let refusal = of("memory: {cache: {ttl: {query: 5}}}\n").unwrap_err();
    assert!(refusal.contains("memory.cache.ttl.query is `5` ("), "{refusal}");
    assert!(of("memory: {cache: {ttl: 0s}}\n").is_err());
}

#[test]
fn each_cache_may_have_a_policy_of_its_own() {
    let machine = Machine::new("policies", 8 << 20);
    let of = |text: &str, variables: &[(&str, &str)]| {
        let loaded = load(&machine.0, &sources(Some(machine.file(text)), variables, &[]));
        loaded.map(|loaded| loaded.settings.memory.cache_settings(None))
    };
    let text = "memory:\n  cache:\n    eviction_policy:\n      payloads: lru\n      query: size\n";
    let alias = [("CACHE_EVICTION_POLICY", "lfu")];
    let settings = of(text, &alias).unwrap();
    for (cache, policy) in [
        ("payloads", Some(EvictionPolicy::Lru)),
        ("query", Some(EvictionPolicy::Size)),
        ("metadata", Some(EvictionPolicy::Lfu)),
        ("index_pages", None),
    ] {
        assert_eq!(settings.policy_of(cache), policy, "{cache}");
    }
    let one = of("memory: {cache: {eviction_policy: ttl}}\n", &[]).unwrap();
    assert!(
        CacheSettings::CACHES.iter().all(|name| one.policy_of(name) == Some(EvictionPolicy::Ttl))
    );
    for (given, told) in [
        ("payloads: best", "memory.cache.eviction_policy.payloads is `best` ("),
        ("index_pages: lru", "memory.cache.eviction_policy.index_pages is of no cache that has"),
        ("paylods: lru", "name one of query, metadata, payloads, predicates, embeddings, tenant_"),
    ] {
        let refusal = of(&format!("memory: {{cache: {{eviction_policy: {{{given}}}}}}}\n"), &[]);
        let refusal = refusal.unwrap_err();
        assert!(refusal.contains(told), "{told}\n{refusal}");
    }
}

#[test]
fn tenants_have_quotas_by_name() {
    let machine = Machine::new("tenants", 8 << 20);
    let of = |text: &str| load(&machine.0, &sources(Some(machine.file(text)), &[], &[]));
    let text = "tenants:\n  enabled: true\n  quotas:\n    acme.com: 512MB\n    other: 1GB\n";
    let loaded = of(text).unwrap();
    let tenants = &loaded.settings.server.tenants;
    assert!(tenants.enabled);
    let quotas = tenants.quotas.iter().map(|(name, bytes)| (name.as_str(), *bytes));
    assert!(quotas.eq([("acme.com", 512 * MIB), ("other", GIB)]));
    let shown = loaded.settings.shown.iter().find(|s| s.key == "tenants.quotas.other").unwrap();
    assert_eq!(shown.value.as_deref(), Some("1GB"));
    let refusal = of("tenants: {quotas: {a: 0, b: many}}\n").unwrap_err();
    assert!(refusal.contains("2 problems"), "{refusal}");
    assert!(refusal.contains("tenants.quotas.b is `many` ("), "{refusal}");
    assert!(of("tenants: {quotas: 1GB}\n").unwrap_err().contains("tenants.quotas is a section"));
    let mimir = of("telemetry: {mimir: {url: 'http://mimir:9009/prometheus'}}\n").unwrap();
    let url = Secret::new("http://mimir:9009/prometheus");
    assert_eq!(mimir.settings.server.mimir_url, Some(url));
    for url in ["mimir:9009", "http://", "http://:80", "http://a b"] {
        assert!(of(&format!("telemetry: {{mimir: {{url: '{url}'}}}}\n")).is_err(), "{url}");
    }
}

#[test]
fn what_an_address_holds_in_secret_is_not_shown() {
    let machine = Machine::new("mimir-secrets", 8 << 20);
    let of = |url: &str| {
        let text = format!("telemetry: {{mimir: {{url: '{url}'}}}}\n");
        load(&machine.0, &sources(Some(machine.file(&text)), &[], &[]))
    };
    let url = "https://me:hush@mimir:9009/prometheus?token=hush#hush";
    let loaded = of(url).unwrap();
    let shown = |key: &str| {
        let shown = loaded.settings.shown.iter().find(|shown| shown.key == key);
        shown.and_then(|shown| shown.value.clone())
    };
    let expected = "https://mimir:9009/prometheus";
    assert_eq!(shown("telemetry.mimir.url").as_deref(), Some(expected));
    assert_eq!(loaded.settings.server.mimir_url.as_ref().map(Secret::reveal), Some(url));
    let told = format!("{loaded:?} {:?}", loaded.settings.server);
    assert!(!told.contains("hush"), "{told}");
    for wrong in ["htp://me:hush@mimir", "http://me:hu/hush@mimir", "http://me:12/hush@mimir"] {
        let refused = of(wrong).unwrap_err();
        assert!(refused.contains("telemetry.mimir.url is `(hidden)`"), "{refused}");
        assert!(!refused.contains("hush"), "{refused}");
    }
}

#[test]
fn idle_collections_are_closed_as_configured() {
    let machine = Machine::new("idle", 8 << 20);
    let after = |flags: &[(&str, &str)]| {
        let loaded = load(&machine.0, &sources(None, &[], flags)).unwrap();
        loaded.budget.engine_options(&loaded.settings).idle_unload
    };
    let key = "collections.idle_unload";
    assert_eq!(after(&[]), Duration::from_mins(5));
    assert_eq!(after(&[(key, "90s")]), Duration::from_secs(90));
    assert_eq!(after(&[(key, "off")]), Duration::MAX);
    let refused = load(&machine.0, &sources(None, &[], &[(key, "0s")])).unwrap_err();
    assert!(refused.contains("collections.idle_unload is `0s`"), "{refused}");
}
