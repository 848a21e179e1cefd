//! The settings of memory, typed: operations, pressure, caches.

use std::time::Duration;

pub use vectorizer_api::memory::EvictionPolicy;
use vectorizer_api::memory::{CacheSettings, CacheShare, OwnPolicies};

use super::origin::Given;
use super::resolve::{GivenBytes, Resolver};
use super::violation::Violation;
use super::{duration, keys};

/// What operations and caches may hold, and when memory is short. The limit itself, and what follows
/// from it, is the [`Budget`](super::Budget).
#[derive(Debug, Clone, PartialEq)]
pub struct MemorySettings {
    /// What operations may hold together.
    pub heap_bytes_max: GivenBytes,
    /// What one operation may hold.
    pub operation_bytes_max: GivenBytes,
    /// What one operation of a kind may hold, with the key that says so.
    pub operations: [(OperationKind, GivenBytes); 5],
    /// How often pressure is looked at.
    pub check_interval: Duration,
    /// When memory is short, as shares of the limit.
    pub thresholds: PressureThresholds,
    /// Caches.
    pub cache: CacheLimits,
}

/// A kind of operation with a limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationKind {
    /// Searches.
    Search,
    /// Writes.
    Write,
    /// Scrolls.
    Scroll,
    /// Facet counts.
    Facet,
    /// Builds of indexes.
    Build,
}

impl OperationKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Search, Self::Write, Self::Scroll, Self::Facet, Self::Build];

    /// The setting of its limit.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Search => "memory.operations.search.max_bytes",
            Self::Write => "memory.operations.write.max_bytes",
            Self::Scroll => "memory.operations.scroll.max_bytes",
            Self::Facet => "memory.operations.facet.max_bytes",
            Self::Build => "memory.operations.build.max_bytes",
        }
    }
}

/// Shares of the memory limit, ascending.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PressureThresholds {
    /// From here it is told.
    pub warning: f64,
    /// From here background work pauses.
    pub critical: f64,
    /// From here everything is reclaimed.
    pub cleanup: f64,
}

/// What caches may hold and what they give up first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CacheLimits {
    /// Percent of the memory limit; 0 means no caching.
    pub percent: u64,
    /// Items of the metadata cache and of discovery together.
    pub items_max: u64,
    /// Items of tenant discovery among them.
    pub tenant_items_max: u64,
    /// Items of Mimir discovery among them.
    pub mimir_items_max: u64,
    /// The share of their limit from which there is a warning.
    pub memory_threshold: f64,
    /// The share from which items are evicted.
    pub eviction_threshold: f64,
    /// Which items go first where no cache has a policy of its own.
    pub eviction_policy: EvictionPolicy,
    /// Which items go first in single caches.
    pub own_policies: OwnPolicies,
    /// How long items are kept; none is as long as there is room.
    pub ttl: CacheTtl,
}

/// How long items of each cache are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheTtl {
    /// Answers.
    pub query: Option<Duration>,
    /// Metadata.
    pub metadata: Option<Duration>,
    /// Embeddings of texts.
    pub embedding: Option<Duration>,
    /// Discovered tenants and peers.
    pub discovery: Option<Duration>,
}

pub(super) fn read(from: &mut Resolver) -> MemorySettings {
    let thresholds = PressureThresholds {
        warning: from.share("memory.warning_threshold", 0.75),
        critical: from.share("memory.critical_threshold", 0.85),
        cleanup: from.share("memory.cleanup_threshold", 0.9),
    };
    from.check_order(&[
        ("memory.warning_threshold", thresholds.warning),
        ("memory.critical_threshold", thresholds.critical),
        ("memory.cleanup_threshold", thresholds.cleanup),
    ]);
    MemorySettings {
        heap_bytes_max: from.given_bytes("memory.max_heap_size"),
        operation_bytes_max: from.given_bytes("memory.max_per_operation"),
        operations: OperationKind::ALL.map(|kind| (kind, from.given_bytes(kind.key()))),
        check_interval: from.duration("memory.check_interval", Duration::from_secs(30)),
        thresholds,
        cache: cache(from),
    }
}

impl MemorySettings {
    /// What entries caches keep, whose limit may be set to so many bytes at most in cluster mode.
    pub(super) fn cache_settings(&self, cluster_bytes_max: Option<u64>) -> CacheSettings {
        let CacheLimits { items_max, tenant_items_max, mimir_items_max, .. } = self.cache;
        let policy = self.cache.eviction_policy;
        CacheSettings {
            items_max,
            tenant_items_max,
            mimir_items_max,
            policy,
            policies: self.cache.own_policies,
            query_ttl: self.cache.ttl.query,
            discovery_ttl: self.cache.ttl.discovery,
            metadata_ttl: self.cache.ttl.metadata,
            embedding_ttl: self.cache.ttl.embedding,
            share: CacheShare::Percent(self.cache.percent),
            cluster_bytes_max,
        }
    }
}

fn cache(from: &mut Resolver) -> CacheLimits {
    let policies = [
        ("lru", EvictionPolicy::Lru),
        ("lfu", EvictionPolicy::Lfu),
        ("ttl", EvictionPolicy::Ttl),
        ("size", EvictionPolicy::Size),
        ("hybrid", EvictionPolicy::Hybrid),
    ];
    let most = u64::MAX;
    let policy = from.choice("memory.cache.eviction_policy", EvictionPolicy::Hybrid, &policies);
    let settings = CacheLimits {
        percent: from.number("memory.cache.percent", 25, 0, 100),
        items_max: from.number("memory.cache.max_items", 1_000, 0, most),
        tenant_items_max: from.number("memory.cache.tenant_max_items", 500, 0, most),
        mimir_items_max: from.number("memory.cache.mimir_max_items", 500, 0, most),
        memory_threshold: from.cache_share("memory.cache.memory_threshold", 0.8),
        eviction_threshold: from.cache_share("memory.cache.eviction_threshold", 0.9),
        eviction_policy: policy,
        own_policies: from.own_policies(&policies),
        ttl: ttl(from),
    };
    from.check_order(&[
        ("memory.cache.memory_threshold", settings.memory_threshold),
        ("memory.cache.eviction_threshold", settings.eviction_threshold),
    ]);
    settings
}

impl Resolver {
    /// The policies given below a section of caches' names.
    fn own_policies(&mut self, policies: &[(&'static str, EvictionPolicy)]) -> OwnPolicies {
        let mut own = OwnPolicies::default();
        let section = "memory.cache.eviction_policy";
        let below = |given: &&Given| keys::name_below(&given.path, section).is_some();
        let given: Vec<Given> = self.given.values().filter(below).cloned().collect();
        for Given { path, text, origin } in given {
            let name = keys::name_below(&path, section).unwrap_or_default();
            let at = CacheSettings::CACHES.iter().position(|cache| *cache == name);
            let policy = policies.iter().find(|(shown, _)| *shown == text.as_str());
            match (at, policy) {
                (Some(at), Some((shown, policy))) => {
                    own[at] = Some(*policy);
                    self.show(&path, Some((*shown).to_owned()), origin);
                }
                (Some(_), None) => {
                    let known = "memory.cache.eviction_policy.NAME";
                    self.refuse(known, &path, text.as_str().to_owned(), origin);
                }
                (None, _) => self.violations.push(Violation::CacheName { key: path, origin }),
            }
        }
        own
    }
}

fn ttl(from: &mut Resolver) -> CacheTtl {
    let read = |text: &str| match text {
        "off" => Some(None),
        _ => duration::read_some(text).map(Some),
    };
    let show = |ttl: &Option<Duration>| ttl.map_or_else(|| "off".to_owned(), duration::shown);
    let one = from.take(
        "memory.cache.ttl",
        None,
        |text| read(text).map(Some),
        |ttl| ttl.as_ref().map_or_else(String::new, show),
    );
    let every = one.flatten();
    let discovery = Some(Duration::from_mins(5));
    CacheTtl {
        query: from.duration_or_off("memory.cache.ttl.query", every),
        metadata: from.duration_or_off("memory.cache.ttl.metadata", every),
        embedding: from.duration_or_off("memory.cache.ttl.embedding", every),
        discovery: from.duration_or_off("memory.cache.ttl.discovery", discovery),
    }
}

/// Whether a text is an address of HTTP.
pub(super) fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| {
        let host = rest.split('/').next().unwrap_or_default();
        !host.is_empty() && !host.starts_with(':') && !rest.contains(char::is_whitespace)
    })
}
