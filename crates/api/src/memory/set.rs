//! Changes limits while the process runs: all that is asked for, or nothing.

use std::time::Duration;

use vectorizer_memory::{CacheLines, CacheShare, Limits, MemoryStats, Result as MemoryResult};

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
        let before = engine.governor().limits();
        let lines = self.lines(engine.caches().lines())?;
        if self.discovery_ttl.is_some_and(|ttl| ttl.is_zero()) {
            return Err(ApiError::invalid(
                "discovery_ttl_seconds 0: what is found would be out of date at once; give 1 or \
                 more, or set max_tenant_cache_size and max_mimir_cache_size to 0 to keep nothing",
            ));
        }
        let settings = self.settings(context.cache_settings());
        let limits = self.limits(before, &settings)?;
        self.check_total(before.root, guard.memory_stats())?;
        if limits == before {
            context.set_cache_settings(settings)?;
        } else {
            // Limits first: they are refused before anything is given up for a policy or a number of
            // entries, and more memory has room for the change of a policy.
            guard.set_governor_limits(limits, || {
                context.bound_caches(&limits);
                let set = context.set_cache_settings(settings);
                set.inspect_err(|_| context.bound_caches(&before))
            })?;
        }
        engine.set_cache_lines(lines);
        Ok(context.memory_report())
    }
}

impl SetMemory {
    fn limits(&self, now: Limits, settings: &CacheSettings) -> Result<Limits> {
        let mut limits = now;
        if let Some(bytes) = self.memory_bytes {
            if bytes == 0 {
                let told = "max_memory_bytes 0: the process cannot run without memory; give more";
                return Err(ApiError::invalid(told));
            }
            limits = limits.with_root(bytes);
        }
        if let Some(bytes) = self.cache_bytes {
            check_caches(bytes, limits.root, settings.cluster_bytes_max)?;
        }
        if limits.root == now.root && self.cache_bytes.is_none() {
            return Ok(limits);
        }
        let caches = settings.share.of(limits.root, settings.cluster_bytes_max);
        Ok(caches.map_or(limits, |bytes| limits.with_cache_limit(bytes)))
    }

    /// Whether there is as much memory as the process is to have from now on.
    fn check_total(&self, now: u64, measured: MemoryResult<MemoryStats>) -> Result<()> {
        let Some(bytes) = self.memory_bytes.filter(|bytes| *bytes > now) else { return Ok(()) };
        match measured.map(|stats| stats.total_system) {
            Ok(total) if bytes > total => Err(ApiError::invalid(format!(
                "max_memory_bytes {bytes}: the cgroup, or the machine, has {total} bytes in all; \
                 give at most 90 percent of that"
            ))),
            Ok(_) => Ok(()),
            Err(unmeasured) => {
                let refused = ApiError::from(unmeasured).with_retry();
                let message = format!(
                    "max_memory_bytes {bytes}: whether there is more than the {now} bytes of now \
                     is not known: {refused}; give at most {now} until then"
                );
                Err(ApiError { message, ..refused })
            }
        }
    }

    fn lines(&self, now: CacheLines) -> Result<CacheLines> {
        let given = |name, given: Option<f64>, now| match given {
            None => Ok(now),
            Some(share) => match CacheLines::permille(share) {
                lines @ 1.. if share <= 1.0 => Ok(lines),
                _ => Err(ApiError::invalid(format!(
                    "{name} {share}: give a share from 0.001 to 1, such as 0.8"
                ))),
            },
        };
        let warning = given("memory_threshold", self.memory_threshold, now.warning)?;
        let eviction = given("eviction_threshold", self.eviction_threshold, now.eviction)?;
        if warning >= eviction {
            let share = |permille: u16| f64::from(permille) / 1000.0;
            return Err(ApiError::invalid(format!(
                "memory_threshold {} and eviction_threshold {}: evictions begin above the warning \
                 and end there; give a lower memory_threshold",
                share(warning),
                share(eviction)
            )));
        }
        Ok(CacheLines::of(warning, eviction))
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
            share: self.cache_bytes.map_or(now.share, CacheShare::Bytes),
            cluster_bytes_max: now.cluster_bytes_max,
        }
    }
}

/// Whether caches may be given so many bytes.
fn check_caches(bytes: u64, root: u64, cluster_max: Option<u64>) -> Result<()> {
    if bytes == 0 && cluster_max.is_some() {
        let told = "max_cache_bytes 0: cluster mode does not allow caches to be off; give 1 or more, \
                    or leave cluster mode (cluster.enabled: false)";
        let code = Some("ClusterConfigViolation");
        return Err(ApiError { code, ..ApiError::invalid(told) });
    }
    let most = root.min(cluster_max.unwrap_or(u64::MAX));
    if bytes > most {
        return Err(ApiError::invalid(format!(
            "max_cache_bytes {bytes}: caches may hold at most {most} bytes, the limit of the process \
             or of cluster mode; give at most that"
        )));
    }
    Ok(())
}
