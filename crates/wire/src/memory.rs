//! The memory of the process: what is asked, and what is shown.

mod shown;

use std::fmt;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use vectorizer_api::memory::{EvictMemory, EvictedMemory, EvictionPolicy, OwnPolicies, SetMemory};

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
    eviction_policy: Option<Policies>,
    eviction_threshold: Option<f64>,
    memory_threshold: Option<f64>,
}

/// One policy for all caches, or one for each that is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policies {
    All(Policy),
    Named(PolicyByCache),
}

/// By the names of caches that have entries; page frames follow a policy of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyByCache {
    query: Option<Policy>,
    metadata: Option<Policy>,
    payloads: Option<Policy>,
    predicates: Option<Policy>,
    embeddings: Option<Policy>,
    tenant_discovery: Option<Policy>,
    mimir_discovery: Option<Policy>,
}

impl PolicyByCache {
    /// In the order of `CacheSettings::CACHES`.
    fn own(self) -> OwnPolicies {
        [
            self.query,
            self.metadata,
            self.payloads,
            self.predicates,
            self.embeddings,
            self.tenant_discovery,
            self.mimir_discovery,
        ]
        .map(|policy| policy.map(Into::into))
    }
}

impl<'de> Deserialize<'de> for Policies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PoliciesVisitor)
    }
}

struct PoliciesVisitor;

impl<'de> Visitor<'de> for PoliciesVisitor {
    type Value = Policies;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a policy, or an object of policies by cache")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Policies, E> {
        Policy::deserialize(text.into_deserializer()).map(Policies::All)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Policies, A::Error> {
        PolicyByCache::deserialize(MapAccessDeserializer::new(map)).map(Policies::Named)
    }
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
        let (policy, policies) = match given.eviction_policy {
            None => (None, OwnPolicies::default()),
            Some(Policies::All(policy)) => (Some(policy.into()), OwnPolicies::default()),
            Some(Policies::Named(named)) => (None, named.own()),
        };
        Self {
            memory_bytes: given.max_memory_bytes,
            cache_bytes: given.max_cache_bytes,
            cache_items: given.max_cache_size,
            tenant_items: given.max_tenant_cache_size,
            mimir_items: given.max_mimir_cache_size,
            discovery_ttl: given.discovery_ttl_seconds.map(Duration::from_secs),
            policy,
            policies,
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
