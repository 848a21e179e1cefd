//! The settings of memory: the limit, operations, pressure, caches, tenants.

use super::{BYTES, COUNT, FLAG, KnownKey, SHARE, key};

const OPERATION: &str = "a byte count, at most memory.max_per_operation";
const CACHE_SHARE: &str = "a share from 0.001 to 1, such as 0.8";
const TTL: &str = "a duration such as 30s, 5m or 1h, or off";
const ADDRESS: &str = "an address such as http://mimir:9009";

/// The limit, operations and pressure.
pub(super) const LIMITS: [KnownKey; 12] = [
    key(
        "memory.limit",
        BYTES,
        "",
        "What the whole process may hold; without it 90 percent of the cgroup's limit, else half \
         of the machine's memory.",
    ),
    key(
        "memory.max_heap_size",
        "a byte count, at most memory.limit",
        "",
        "What operations may hold together; without it 2 GiB, or memory.limit if that is less.",
    ),
    key(
        "memory.max_per_operation",
        "a byte count, at most memory.limit",
        "",
        "What one operation may hold; without it 512 MiB, or half of memory.limit if that is less.",
    ),
    key("memory.operations.search.max_bytes", OPERATION, "", "What one search may hold."),
    key("memory.operations.write.max_bytes", OPERATION, "", "What one write may hold."),
    key("memory.operations.scroll.max_bytes", OPERATION, "", "What one scroll may hold."),
    key("memory.operations.facet.max_bytes", OPERATION, "", "What one facet count may hold."),
    key(
        "memory.operations.build.max_bytes",
        "a byte count, at most memory.limit",
        "",
        "What one build of an index may hold; without it memory.limit.",
    ),
    key(
        "memory.check_interval",
        "a duration such as 500ms or 30s",
        "30s",
        "How often last_memory_check is noted; pressure is looked at ten times a second whatever it is.",
    ),
    key(
        "memory.warning_threshold",
        SHARE,
        "0.75",
        "The share of memory.limit from which memory that cannot be reclaimed is a warning.",
    ),
    key(
        "memory.critical_threshold",
        SHARE,
        "0.85",
        "The share of memory.limit from which background work pauses.",
    ),
    key(
        "memory.cleanup_threshold",
        SHARE,
        "0.9",
        "The share of memory.limit from which everything is reclaimed, and operations are refused \
         if that is not enough.",
    ),
];

/// Caches, tenants, measurements.
pub(super) const CACHES: [KnownKey; 21] = [
    key(
        "memory.cache.percent",
        "a number from 0 to 100",
        "25",
        "Percent of memory.limit that caches may hold, at least 100 MB, at most 2 GB and half of \
         the limit; 0 means no caching. Alias: CACHE_MEMORY_PERCENT.",
    ),
    key(
        "memory.cache.max_items",
        COUNT,
        "1000",
        "Items of the metadata cache and of discovery together; the other caches are bounded by bytes. \
         Alias: CACHE_MAX_ITEMS.",
    ),
    key(
        "memory.cache.tenant_max_items",
        COUNT,
        "500",
        "Items of tenant discovery among them. Alias: CACHE_TENANT_MAX_ITEMS.",
    ),
    key(
        "memory.cache.mimir_max_items",
        COUNT,
        "500",
        "Items of Mimir discovery among them. Alias: CACHE_MIMIR_MAX_ITEMS.",
    ),
    key(
        "memory.cache.memory_threshold",
        CACHE_SHARE,
        "0.8",
        "The share of the caches' limit from which there is a warning. Alias: \
         CACHE_MEMORY_THRESHOLD.",
    ),
    key(
        "memory.cache.eviction_threshold",
        CACHE_SHARE,
        "0.9",
        "The share of the caches' limit from which items are evicted. Alias: \
         CACHE_EVICTION_THRESHOLD.",
    ),
    key(
        "memory.cache.eviction_policy",
        "lru, lfu, ttl, size or hybrid",
        "hybrid",
        "Which items go first. Alias: CACHE_EVICTION_POLICY.",
    ),
    key(
        "memory.cache.eviction_policy.NAME",
        "lru, lfu, ttl, size or hybrid",
        "",
        "Which items of the cache of this name go first, instead of one policy for all; a line for \
         each.",
    ),
    key(
        "memory.cache.ttl.query",
        TTL,
        "off",
        "How long answers are kept; off is as long as there is room.",
    ),
    key("memory.cache.ttl.metadata", TTL, "off", "How long metadata is kept."),
    key("memory.cache.ttl.embedding", TTL, "off", "How long embeddings of texts are kept."),
    key("memory.cache.ttl.discovery", TTL, "5m", "How long discovered tenants and peers are kept."),
    key(
        "memory.cache.ttl",
        TTL,
        "",
        "One duration for queries, metadata and embeddings, instead of the section of that name.",
    ),
    key(
        "tenants.enabled",
        FLAG,
        "false",
        "Whether requests have tenants, by the key that they show, else by X-Tenant-Id.",
    ),
    key(
        "tenants.quotas.NAME",
        BYTES,
        "",
        "What the tenant of this name may hold; a line for each.",
    ),
    key(
        "tenants.default_quota",
        BYTES,
        "",
        "What each tenant may hold that has no quota of its own; the tenant default is not bounded \
         by it.",
    ),
    key(
        "tenants.point_quotas.NAME",
        "a number from 1 on",
        "",
        "Points that the collections of the tenant of this name may have in all; a line for each.",
    ),
    key(
        "tenants.guarantees.NAME",
        BYTES,
        "",
        "Bytes of this tenant in all caches together that others give up theirs for first; a line \
         for each.",
    ),
    key(
        "tenants.keys.NAME",
        "a text",
        "",
        "The key of this tenant, for whom other tenants' collections are not there; a line for \
         each.",
    ),
    key(
        "tenants.key_files.NAME",
        "a file",
        "",
        "A file that holds the key of this tenant, instead of tenants.keys; a line for each.",
    ),
    key(
        "telemetry.mimir.url",
        ADDRESS,
        "",
        "Where Mimir answers, to discover its components and tenants.",
    ),
];
