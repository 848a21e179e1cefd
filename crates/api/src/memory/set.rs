//! Changes limits while the process runs: all that is asked for, or nothing.

use std::time::Duration;

use vectorizer_memory::{CacheLines, Limits};

use super::{CacheSettings, EvictionPolicy, MemoryReport, OwnPolicies};
use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::estimate::{Estimate, MemoryAwareOperation};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};

/// Changes limits; caches give up what is beyond them first. What is absent stays.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SetMemory {
    /// Bytes of the whole process.
    pub memory_bytes: Option<u64>,
    /// Bytes of all caches together.
    pub cache_bytes: Option<u64>,
    /// Entries of the metadata cache and of discovery together.
    pub cache_items: Option<u64>,
    /// Entries of tenant discovery.
    pub tenant_items: Option<u64>,
    /// Entries of Mimir discovery.
    pub mimir_items: Option<u64>,
    /// How long what was discovered is kept.
    pub discovery_ttl: Option<Duration>,
    /// Which entries go first, in every cache.
    pub policy: Option<EvictionPolicy>,
    /// Which entries go first in single caches.
    pub policies: OwnPolicies,
    /// The share of the caches' limit from which they evict.
    pub eviction_threshold: Option<f64>,
    /// The share of the caches' limit from which there is a warning.
    pub memory_threshold: Option<f64>,
}

impl MemoryAwareOperation for SetMemory {
    fn estimate_memory_usage(&self, context: &Context) -> Result<Estimate> {
        Ok(Estimate::of_administration(context))
    }
}

impl Operation for SetMemory {
    const ENTRY: Entry = Entry {
        name: "set_memory",
        summary: "Changes limits of memory and caches; caches give up what is beyond them first",
        access: Access::Manage,
    };

    /// How memory stands then.
    type Output = MemoryReport;

    async fn execute(self, context: &Guarded<'_>) -> Result<MemoryReport> {
        let _turn = context.settings_turn().take().await;
        let (engine, guard) = (context.engine(), context.memory_guard());
        let lines = self.lines(engine.caches().lines())?;
        if self.discovery_ttl.is_some_and(|ttl| ttl.is_zero()) {
            return Err(ApiError::invalid(
                "discovery_ttl_seconds 0: what is found would be out of date at once; give 1 or \
                 more, or set max_tenant_cache_size and max_mimir_cache_size to 0 to keep nothing",
            ));
        }
        let before = context.cache_settings();
        let settings = self.settings(before);
        let limits = self.limits(engine.governor().limits(), settings.bytes_max)?;
        if let Ok(measured) = guard.memory_stats() {
            self.check_total(engine.governor().limits().root, measured.total_system)?;
        }
        context.set_cache_settings(settings)?;
        if limits != engine.governor().limits() {
            if let Err(refused) = engine.governor().set_limits(limits) {
                context.set_cache_settings(before)?;
                return Err(refused.into());
            }
            // What operations may hold together follows a root that is less.
            guard.set_limits(guard.limits())?;
        }
        engine.set_cache_lines(lines);
        Ok(context.memory_report())
    }
}

impl SetMemory {
    fn limits(&self, mut limits: Limits, cache_bytes_max: u64) -> Result<Limits> {
        if let Some(bytes) = self.memory_bytes {
            if bytes == 0 {
                let told = "max_memory_bytes 0: the process cannot run without memory; give more";
                return Err(ApiError::invalid(told));
            }
            limits.root = bytes;
        }
        if let Some(bytes) = self.cache_bytes {
            let most = limits.root.min(cache_bytes_max);
            if bytes > most {
                return Err(ApiError::invalid(format!(
                    "max_cache_bytes {bytes}: caches may hold at most {most} bytes, the limit of \
                     the process or of cluster mode; give at most that"
                )));
            }
            limits = limits.with_cache_limit(bytes);
        }
        Ok(limits)
    }

    /// Whether there is as much memory as the process is to have from now on.
    fn check_total(&self, now: u64, total: u64) -> Result<()> {
        match self.memory_bytes {
            Some(bytes) if bytes > total && bytes > now => Err(ApiError::invalid(format!(
                "max_memory_bytes {bytes}: the cgroup, or the machine, has {total} bytes in all; \
                 give at most 90 percent of that"
            ))),
            _ => Ok(()),
        }
    }

    fn lines(&self, now: CacheLines) -> Result<CacheLines> {
        let given = |name, given: Option<f64>, now| match given {
            Some(share) if share > 0.0 && share <= 1.0 => Ok(share),
            Some(share) => {
                let told = format!("{name} {share}: give a share above 0, at most 1, such as 0.8");
                Err(ApiError::invalid(told))
            }
            None => Ok(f64::from(now) / 1000.0),
        };
        let warning = given("memory_threshold", self.memory_threshold, now.warning)?;
        let eviction = given("eviction_threshold", self.eviction_threshold, now.eviction)?;
        if warning >= eviction {
            return Err(ApiError::invalid(format!(
                "memory_threshold {warning} and eviction_threshold {eviction}: evictions begin \
                 above the warning and end there; give a lower memory_threshold"
            )));
        }
        Ok(CacheLines::of_shares(warning, eviction))
    }

    fn settings(&self, now: CacheSettings) -> CacheSettings {
        let mut policies =
            if self.policy.is_some() { OwnPolicies::default() } else { now.policies };
        for (own, given) in policies.iter_mut().zip(self.policies) {
            *own = given.or(*own);
        }
        CacheSettings {
            query_ttl: now.query_ttl,
            discovery_ttl: self.discovery_ttl.or(now.discovery_ttl),
            metadata_ttl: now.metadata_ttl,
            embedding_ttl: now.embedding_ttl,
            items_max: self.cache_items.unwrap_or(now.items_max),
            tenant_items_max: self.tenant_items.unwrap_or(now.tenant_items_max),
            mimir_items_max: self.mimir_items.unwrap_or(now.mimir_items_max),
            policy: self.policy.unwrap_or(now.policy),
            policies,
            bytes_max: now.bytes_max,
        }
    }
}
