//! The memory of the process at about one moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use vectorizer_engine::PageStats;
use vectorizer_memory::{
    CacheFigures, CacheLines, CacheMemoryStats, Class, ClassUsage, Counts, DurationCounts, Holder,
    ManagedCache, MemoryError, MemoryLimits, MemoryStats, PressureLevel, TenantUsage, Usage,
};

use super::{CacheSettings, EvictionPolicy};
use crate::context::Context;

/// The memory of the process at about one moment. Times are how long ago something was.
#[derive(Debug, Clone, PartialEq)]
pub struct MemoryReport {
    /// Bytes that count as held: base, reservations and drift.
    pub held: u64,
    /// The most that ever counted as held, since the start or the last reset.
    pub peak: u64,
    /// The root's books.
    pub usage: Usage,
    /// The caches together.
    pub caches: CacheMemoryStats,
    /// Each cache.
    pub each_cache: Vec<CacheReport>,
    /// Where the caches' ladder has its steps.
    pub lines: CacheLines,
    /// What entries caches keep.
    pub settings: CacheSettings,
    /// When caches last gave bytes up.
    pub last_eviction: Option<Duration>,
    /// When the memory was last looked at by itself.
    pub last_check: Option<Duration>,
    /// What admits operations.
    pub guard: GuardReport,
    /// Each class.
    pub classes: Vec<ClassReport>,
    /// Entries of the caches that [`CacheSettings::items_max`] bounds together.
    pub counted_items: u64,
    /// What each tenant holds for each class, largest first.
    pub holdings: Vec<Holder>,
    /// What each tenant has, counted, by name.
    pub tenant_items: BTreeMap<Arc<str>, TenantItems>,
    /// How long requests waited in line.
    pub waits: DurationCounts,
    /// How long caches took to give back for others.
    pub reclaims: DurationCounts,
    /// The last refusals, oldest first.
    pub refusals: Vec<MemoryError>,
    /// What the page frames counted.
    pub pages: PageStats,
    /// Bytes of vectors that wait for a graph.
    pub backlog_bytes: u64,
}

/// What a tenant has, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TenantItems {
    /// Entries of caches.
    pub entries: u64,
    /// Points of its collections.
    pub points: u64,
    /// Points that they may have, if these are bounded.
    pub points_max: Option<u64>,
}

/// One cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheReport {
    /// Its name.
    pub name: String,
    /// The class that pays for it.
    pub class: Class,
    /// Bytes charged.
    pub bytes: u64,
    /// Bytes that are never taken from it for others.
    pub floor: u64,
    /// Entries that could be found, or page frames held.
    pub items: u64,
    /// Which entries go first, if it has any.
    pub policy: Option<EvictionPolicy>,
    /// What it counted.
    pub figures: CacheFigures,
}

/// What admits operations.
#[derive(Debug, Clone, PartialEq)]
pub struct GuardReport {
    /// What was measured, or why nothing was.
    pub stats: Result<MemoryStats, String>,
    /// The limits in force.
    pub limits: MemoryLimits,
    /// Where the ladder stands.
    pub level: PressureLevel,
    /// Bytes that cannot be reclaimed.
    pub unreclaimable: u64,
}

/// One class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassReport {
    /// What it holds and may hold.
    pub usage: ClassUsage,
    /// What became of its requests since the start.
    pub counts: Counts,
}

impl MemoryReport {
    /// The tenants that hold bytes, largest first.
    pub fn tenants(&self) -> &[TenantUsage] {
        &self.usage.tenants
    }

    /// Entries of the cache of a name.
    pub fn entries(&self, name: &str) -> u64 {
        let named = self.each_cache.iter().filter(|cache| cache.name == name);
        named.map(|cache| cache.items).sum()
    }

    /// What a tenant has, counted.
    pub fn items_of(&self, tenant: &str) -> TenantItems {
        self.tenant_items.get(tenant).copied().unwrap_or_default()
    }
}

impl CacheReport {
    /// Whether it has entries; the others have page frames.
    pub fn has_entries(&self) -> bool {
        !matches!(self.class, Class::IndexPages | Class::BorrowedPages)
    }

    fn of(cache: &Arc<dyn ManagedCache>, settings: &CacheSettings) -> Self {
        Self {
            name: cache.name().to_owned(),
            class: cache.class(),
            bytes: cache.memory_usage(),
            floor: cache.floor(),
            items: cache.item_count(),
            policy: settings.policy_of(cache.name()),
            figures: cache.figures(),
        }
    }
}

impl Context {
    /// Looks at memory: for a timer.
    pub fn check_memory(&self) {
        // The governor notes the peak where nobody measures.
        self.engine().governor().usage();
        self.checks().note(self.engine().caches().now());
    }

    /// What each tenant has, counted.
    fn tenant_items(&self) -> BTreeMap<Arc<str>, TenantItems> {
        let mut counted: BTreeMap<Arc<str>, TenantItems> = BTreeMap::new();
        for (tenant, points) in self.engine().tenant_points() {
            counted.entry(tenant).or_default().points = points;
        }
        for cache in self.engine().caches().caches() {
            for (tenant, entries) in cache.tenant_items() {
                counted.entry(tenant).or_default().entries += entries;
            }
        }
        for (tenant, items) in &mut counted {
            items.points_max = self.point_quotas().of(tenant).map(|quota| quota.most);
        }
        counted
    }

    /// The memory of the process.
    pub(crate) fn memory_report(&self) -> MemoryReport {
        let (engine, guard) = (self.engine(), self.memory_guard());
        let (governor, caches) = (engine.governor(), engine.caches());
        let usage = governor.usage();
        let (now, stats, pressure) = (caches.now(), caches.stats(), guard.pressure());
        let held = usage.root.saturating_add(usage.base).saturating_add(usage.drift);
        let ago = |then: Duration| now.saturating_sub(then);
        let settings = self.cache_settings();
        let each = caches.caches();
        let each = each.iter().map(|cache| CacheReport::of(cache, &settings));
        let classes = governor.class_usage().into_iter().zip(governor.counts());
        MemoryReport {
            held,
            peak: usage.held_peak,
            usage,
            caches: stats,
            each_cache: each.collect(),
            lines: caches.lines(),
            settings,
            counted_items: self.counted_items(),
            last_eviction: stats.last_eviction.map(ago),
            last_check: self.checks().last().map(ago),
            guard: GuardReport {
                stats: guard.memory_stats().map_err(|error| error.to_string()),
                limits: guard.limits(),
                level: pressure.level,
                unreclaimable: pressure.unreclaimable,
            },
            classes: classes.map(|(usage, counts)| ClassReport { usage, counts }).collect(),
            holdings: governor.holdings(),
            tenant_items: self.tenant_items(),
            waits: guard.waits(),
            reclaims: caches.reclaims(),
            refusals: governor.last_refusals(),
            pages: engine.page_stats(),
            backlog_bytes: engine.backlog_bytes(),
        }
    }
}
