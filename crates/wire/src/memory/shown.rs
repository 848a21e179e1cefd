//! What is shown of memory. Bounds that are none are null.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::{Map, Value, json};
use vectorizer_api::found::{MIMIR_DISCOVERY, TENANT_DISCOVERY};
use vectorizer_api::memory::{
    CacheReport, Class, ClassReport, EvictionPolicy, GuardReport, MemoryError, MemoryReport,
    OperationKind, TenantUsage,
};

use crate::time::ago;

/// All of it.
pub fn memory(report: &MemoryReport, now: SystemTime) -> Value {
    let mut shown = management(report, now);
    let usage = &report.usage;
    let tenants: Vec<Value> = report.tenants().iter().map(|of| tenant(of, report)).collect();
    let more = json!({
        "base_bytes": usage.base,
        "reserved_bytes": usage.root,
        "drift_bytes": usage.drift,
        "emergency_bytes": usage.emergency,
        "available_bytes": usage.available,
        "waiting_requests": usage.waiting,
        "cache_bytes": report.caches.current_usage,
        "max_cache_bytes": report.caches.limit,
        "cache_level": report.caches.level.name(),
        "cache_refusals": report.caches.refused,
        "evicted_bytes": report.caches.evicted_bytes,
        "evicted_items": report.caches.evicted_items,
        "backlog_bytes": report.backlog_bytes,
        "discovery_ttl_seconds": report.settings.discovery_ttl.map(|ttl| ttl.as_secs_f64()),
        "guard": guard(&report.guard),
        "classes": named(report.classes.iter().map(|of| (of.usage.class.name(), class(of)))),
        "caches": each_cache(report),
        "tenants": tenants,
        "last_refusals": report.refusals.iter().map(refusal).collect::<Vec<_>>(),
    });
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.extend(more);
    }
    json!({ "memory_management": shown })
}

/// Each cache, and the summary.
pub fn cache_status(report: &MemoryReport, now: SystemTime) -> Value {
    let named_alone = |name: &str| {
        caches(&report.each_cache.iter().filter(|cache| cache.name == name).collect::<Vec<_>>())
    };
    let is_discovery = |name: &str| name == TENANT_DISCOVERY || name == MIMIR_DISCOVERY;
    let general = |cache: &&CacheReport| cache.has_entries() && !is_discovery(&cache.name);
    json!({
        "general_cache": caches(&report.each_cache.iter().filter(general).collect::<Vec<_>>()),
        "tenant_discovery_cache": named_alone(TENANT_DISCOVERY),
        "mimir_discovery_cache": named_alone(MIMIR_DISCOVERY),
        "memory_management": management(report, now),
        "caches": each_cache(report),
    })
}

fn each_cache(report: &MemoryReport) -> Map<String, Value> {
    named(report.each_cache.iter().map(|of| (&*of.name, cache(of))))
}

/// The summary.
fn management(report: &MemoryReport, now: SystemTime) -> Value {
    let share = |permille: u16| f64::from(permille) / 1000.0;
    let percent = report.held as f64 * 100.0 / report.usage.limit.max(1) as f64;
    json!({
        "current_memory_bytes": report.held,
        "max_memory_bytes": report.usage.limit,
        "memory_usage_percent": percent,
        "peak_memory_bytes": report.peak,
        "cache_item_count": report.counted_items,
        "max_cache_size": report.settings.items_max,
        "tenant_cache_count": report.entries(TENANT_DISCOVERY),
        "max_tenant_cache_size": report.settings.tenant_items_bound(),
        "mimir_cache_count": report.entries(MIMIR_DISCOVERY),
        "max_mimir_cache_size": report.settings.mimir_items_bound(),
        "eviction_count": report.caches.total_evictions,
        "memory_warnings": report.caches.warnings,
        "last_eviction": report.last_eviction.map(|since| ago(now, since)),
        "last_memory_check": report.last_check.map(|since| ago(now, since)),
        "eviction_policy": report.settings.policy.name(),
        "eviction_threshold": share(report.lines.eviction),
        "memory_threshold": share(report.lines.warning),
    })
}

fn guard(GuardReport { stats, limits, level, unreclaimable }: &GuardReport) -> Value {
    let of_kind = |kind: OperationKind| (kind.name(), json!(limits.max_of(kind)));
    let stats = match stats {
        Ok(stats) => json!({
            "total_system": stats.total_system,
            "used_system": stats.used_system,
            "cgroup_bytes": stats.cgroup,
            "tracked_allocations": stats.tracked_allocations,
            "allocation_count": stats.allocation_count,
            "usage_ratio": stats.usage_ratio,
            "limit_ratio": stats.limit_ratio,
        }),
        Err(cause) => json!({ "error": cause }),
    };
    json!({
        "level": level.name(),
        "unreclaimable_bytes": unreclaimable,
        "stats": stats,
        "limits": {
            "max_heap_size": limits.max_heap_size,
            "max_per_operation": limits.max_per_operation,
            "operations": named(OperationKind::ALL.into_iter().map(of_kind)),
            "warning_threshold": limits.warning_threshold,
            "critical_threshold": limits.critical_threshold,
            "cleanup_threshold": limits.cleanup_threshold,
        },
    })
}

fn class(ClassReport { usage, counts }: &ClassReport) -> Value {
    let refused = counts.refused.iter().map(|(reason, count)| (reason.name(), json!(count)));
    json!({
        "bytes": usage.bytes,
        "cap": bound(usage.limit),
        "peak": usage.peak,
        "admitted": counts.admitted,
        "waited": counts.waited,
        "refused": named(refused),
    })
}

fn cache(cache: &CacheReport) -> Value {
    let mut shown = caches(&[cache]);
    shown["class"] = json!(cache.class.name());
    shown["floor_bytes"] = json!(cache.floor);
    shown["eviction_policy"] = json!(cache.policy.map(EvictionPolicy::name));
    shown
}

/// What several caches hold and counted together.
fn caches(of: &[&CacheReport]) -> Value {
    let sum = |read: fn(&CacheReport) -> u64| of.iter().map(|cache| read(cache)).sum::<u64>();
    let (hits, misses) = (sum(|cache| cache.figures.hits), sum(|cache| cache.figures.misses));
    let mut evicted: BTreeMap<&str, u64> =
        EvictionPolicy::ALL.into_iter().map(|policy| (policy.name(), 0)).collect();
    for figures in of.iter().flat_map(|cache| &cache.figures.evicted) {
        *evicted.entry(figures.policy).or_default() += figures.items;
    }
    let lookups = hits + misses;
    let ratio = if lookups == 0 { 0.0 } else { hits as f64 / lookups as f64 };
    json!({
        "item_count": sum(|cache| cache.items),
        "bytes": sum(|cache| cache.bytes),
        "hits": hits,
        "misses": misses,
        "hit_ratio": ratio,
        "evictions": evicted,
    })
}

fn tenant(of: &TenantUsage, report: &MemoryReport) -> Value {
    let held = report.holdings.iter().filter(|holder| holder.tenant == of.name);
    let items = report.items_of(&of.name);
    json!({
        "tenant": &*of.name,
        "bytes": of.bytes,
        "peak": of.peak,
        "cap": bound(of.limit),
        "cache_items": items.entries,
        "points": items.points,
        "points_cap": items.points_max,
        "classes": named(held.map(|holder| (holder.class.name(), json!(holder.bytes)))),
    })
}

fn refusal(error: &MemoryError) -> Value {
    json!({
        "code": error.code(),
        "class": error.class().map(Class::name),
        "message": error.to_string(),
    })
}

/// A bound; none is null.
fn bound(limit: u64) -> Value {
    if limit == u64::MAX { Value::Null } else { json!(limit) }
}

fn named<'a>(values: impl Iterator<Item = (&'a str, Value)>) -> Map<String, Value> {
    values.map(|(name, value)| (name.to_owned(), value)).collect()
}
