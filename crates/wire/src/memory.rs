//! The memory of the process: what is asked, and what is shown.

mod shown;

use std::time::Duration;

use serde::Deserialize;
use vectorizer_api::memory::{EvictMemory, EvictedMemory, EvictionPolicy, SetMemory};

use crate::object::objects;
pub use shown::{cache_status, memory};

objects!(EvictIn, SetIn);

/// What caches are to give back; all that can be had without anything.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct EvictIn {
    bytes: Option<u64>,
    cache: Option<String>,
    tenant: Option<String>,
}

/// Limits to change.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct SetIn {
    max_memory_bytes: Option<u64>,
    max_cache_bytes: Option<u64>,
    max_cache_size: Option<u64>,
    max_tenant_cache_size: Option<u64>,
    max_mimir_cache_size: Option<u64>,
    discovery_ttl_seconds: Option<u64>,
    eviction_policy: Option<Policy>,
    eviction_threshold: Option<f64>,
    memory_threshold: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Policy {
    Lru,
    Lfu,
    Ttl,
    Size,
    Hybrid,
}

impl From<Policy> for EvictionPolicy {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Lru => Self::Lru,
            Policy::Lfu => Self::Lfu,
            Policy::Ttl => Self::Ttl,
            Policy::Size => Self::Size,
            Policy::Hybrid => Self::Hybrid,
        }
    }
}

impl From<EvictIn> for EvictMemory {
    fn from(EvictIn { bytes, cache, tenant }: EvictIn) -> Self {
        Self { bytes, cache, tenant }
    }
}

impl From<SetIn> for SetMemory {
    fn from(given: SetIn) -> Self {
        Self {
            memory_bytes: given.max_memory_bytes,
            cache_bytes: given.max_cache_bytes,
            cache_items: given.max_cache_size,
            tenant_items: given.max_tenant_cache_size,
            mimir_items: given.max_mimir_cache_size,
            discovery_ttl: given.discovery_ttl_seconds.map(Duration::from_secs),
            policy: given.eviction_policy.map(Into::into),
            eviction_threshold: given.eviction_threshold,
            memory_threshold: given.memory_threshold,
        }
    }
}

/// What evictions gave back.
pub fn evicted(done: &EvictedMemory) -> serde_json::Value {
    serde_json::json!({
        "freed_bytes": done.freed,
        "before": done.before,
        "after": done.after,
    })
}
