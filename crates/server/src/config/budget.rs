//! The memory budget: how much the process may hold, and who says so.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use vectorizer_engine::{EngineOptions, Growth, Residency, StorageRule};
use vectorizer_memory::{
    CacheLines, Governor, Limits, MemoryLimits, OperationKind as GuardedKind, cache_limit,
};
use vectorizer_model::bytes::{ByteCount, GIB, MIB};
use vectorizer_vfs::{cgroup_memory, machine_memory, process_memory};

use super::memory::OperationKind;
use super::origin::Origin;
use super::resolve::GivenBytes;
use super::settings::{ResidencyChoice, Settings};
use super::violation::Violation;

/// The least that a process can run in: code, stacks, one small collection and one search.
pub const MEMORY_FLOOR: u64 = 64 * MIB;

/// This part of the budget is page frames, whatever else there is.
const FRAMES_FLOOR_PART: u64 = 16;
/// This part is left free by frames that are borrowed, so that requests find room at once.
const HEADROOM_PART: u64 = 16;

/// How much the process may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of the whole process.
    pub limit: u64,
    /// Bytes that it holds before any reservation.
    pub base: u64,
    /// Where the limit came from.
    pub rule: BudgetRule,
    /// How the bytes of disk-backed collections are held.
    pub residency: Residency,
    /// The cgroup's limit, if the one given is above it: then the kernel may end the process.
    pub above_cgroup: Option<u64>,
    /// What operations may hold together.
    pub heap_bytes: u64,
    /// What one operation may hold.
    pub operation_bytes: u64,
    /// What caches may hold together; 0 means no caching.
    pub cache_bytes: u64,
}

/// What operations may hold together, unless that is given or the limit is less.
const HEAP_BYTES: u64 = 2 * GIB;
/// What one operation may hold, unless that is given or half of the limit is less.
const OPERATION_BYTES: u64 = 512 * MIB;

/// Where a budget came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BudgetRule {
    /// It was given.
    Given(Origin),
    /// 90 percent of the cgroup's limit.
    Cgroup {
        /// The limit.
        bytes: u64,
        /// The group's folder.
        folder: PathBuf,
    },
    /// Half of the machine's memory.
    Machine {
        /// The machine's memory.
        bytes: u64,
    },
}

impl fmt::Display for BudgetRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(origin) => write!(f, "memory.limit, {origin}"),
            Self::Cgroup { bytes, folder } => {
                let (bytes, folder) = (ByteCount(*bytes), folder.display());
                write!(f, "90 percent of the cgroup's {bytes}, {folder}")
            }
            Self::Machine { bytes } => write!(f, "half of the machine's {}", ByteCount(*bytes)),
        }
    }
}

/// Works out the budget from the settings and the readings below `root`, which is `/` in
/// production.
pub(super) fn plan(settings: &Settings, root: &Path) -> Result<Budget, Violation> {
    let unmeasured = |cause| Violation::Unmeasured { cause };
    let cgroup = cgroup_memory(root).map(|group| group.and_then(|group| group.limit));
    let (limit, rule, cgroup_limit) = match (&settings.memory_limit, cgroup) {
        (Some((bytes, origin)), cgroup) => {
            // Whoever gives the limit need not have readable cgroups.
            let above = cgroup.ok().flatten().map(|limit| limit.bytes);
            (*bytes, BudgetRule::Given(origin.clone()), above)
        }
        (None, Err(cause)) => return Err(unmeasured(cause)),
        (None, Ok(Some(limit))) => {
            let ninety = limit.bytes / 10 * 9;
            (ninety, BudgetRule::Cgroup { bytes: limit.bytes, folder: limit.folder }, None)
        }
        (None, Ok(None)) => {
            let total = machine_memory(root).map_err(unmeasured)?.total;
            (total / 2, BudgetRule::Machine { bytes: total }, None)
        }
    };
    let memory = process_memory(root).map_err(unmeasured)?;
    let base = memory.anonymous.unwrap_or(memory.resident);
    let floor = MEMORY_FLOOR.max(base.saturating_mul(2));
    if limit < floor {
        return Err(match rule {
            BudgetRule::Given(origin) => Violation::MemoryTooSmall { bytes: limit, floor, origin },
            rule @ (BudgetRule::Cgroup { .. } | BudgetRule::Machine { .. }) => {
                Violation::BudgetTooSmall { bytes: limit, floor, rule: rule.to_string() }
            }
        });
    }
    let cluster = settings.cluster.in_cluster_mode();
    let bounded = cluster || !matches!(rule, BudgetRule::Machine { .. });
    let residency = match settings.residency {
        ResidencyChoice::Governed => Residency::Governed,
        ResidencyChoice::Auto if bounded => Residency::Governed,
        ResidencyChoice::Auto | ResidencyChoice::Mapped => Residency::Mapped,
    };
    let above_cgroup = cgroup_limit.filter(|cgroup| *cgroup < limit);
    let memory = &settings.memory;
    let given = |bytes: &GivenBytes| bytes.as_ref().map(|(bytes, _)| *bytes);
    let cache_max = cluster.then_some(settings.cluster.max_cache_memory_bytes);
    Ok(Budget {
        limit,
        base,
        rule,
        residency,
        above_cgroup,
        heap_bytes: given(&memory.heap_bytes_max).unwrap_or(HEAP_BYTES.min(limit)),
        operation_bytes: given(&memory.operation_bytes_max)
            .unwrap_or(OPERATION_BYTES.min(limit / 2)),
        cache_bytes: cache_limit(memory.cache.percent, limit, cache_max),
    })
}

/// Which storage types collections may have.
fn storage_rule(settings: &Settings) -> StorageRule {
    match (settings.cluster.in_cluster_mode(), settings.cluster.is_unchecked()) {
        (false, _) => StorageRule::Any,
        (true, false) => StorageRule::MmapOnly,
        (true, true) => StorageRule::MmapForNew,
    }
}

impl Budget {
    /// What was given above what bounds it.
    pub(super) fn check(&self, settings: &Settings) -> Vec<Violation> {
        let memory = &settings.memory;
        let limit = ("memory.limit", self.limit, self.rule.to_string());
        let operation = match &memory.operation_bytes_max {
            Some((bytes, origin)) => (*bytes, origin.to_string()),
            None => (self.operation_bytes, "default".to_owned()),
        };
        let operation = ("memory.max_per_operation", operation.0, operation.1);
        let whole = [
            ("memory.max_heap_size", &memory.heap_bytes_max, &limit),
            ("memory.max_per_operation", &memory.operation_bytes_max, &limit),
        ];
        let single = memory.operations.iter().map(|(kind, given)| match kind {
            // A build that nobody bounded is planned to what is free, so it may be bounded there.
            OperationKind::Build => (kind.key(), given, &limit),
            OperationKind::Search
            | OperationKind::Write
            | OperationKind::Scroll
            | OperationKind::Facet => (kind.key(), given, &operation),
        });
        let above = whole.into_iter().chain(single).filter_map(|(key, given, bound)| {
            let (bytes, origin) = given.clone()?;
            let &(bound_key, bound, ref bound_origin) = bound;
            let bound_origin = bound_origin.clone();
            let above =
                Violation::AboveBound { key, bytes, origin, bound_key, bound, bound_origin };
            (bytes > bound).then_some(above)
        });
        above.collect()
    }

    /// A governor of this budget.
    pub fn governor(&self) -> Arc<Governor> {
        let limits = Limits::of_root(self.limit).with_base(self.base).with_default_emergency();
        Governor::new(limits.with_cache_limit(self.cache_bytes))
    }

    /// What operations may hold, and where pressure begins.
    pub fn memory_limits(&self, settings: &Settings) -> MemoryLimits {
        let (memory, all) = (&settings.memory, OperationKind::ALL);
        let mut limits = MemoryLimits {
            max_heap_size: self.heap_bytes,
            max_per_operation: self.operation_bytes,
            warning_threshold: memory.thresholds.warning,
            critical_threshold: memory.thresholds.critical,
            cleanup_threshold: memory.thresholds.cleanup,
            ..MemoryLimits::of_root(self.limit)
        };
        for kind in all {
            let of_guard = match kind {
                OperationKind::Search => GuardedKind::Search,
                OperationKind::Write => GuardedKind::Write,
                OperationKind::Scroll => GuardedKind::Scroll,
                OperationKind::Facet => GuardedKind::Facet,
                OperationKind::Build => GuardedKind::Build,
            };
            let given = memory.operations.iter().find(|(other, _)| *other == kind);
            // A build that nobody bounded is planned to what is free.
            let bytes = given.and_then(|(_, given)| given.as_ref()).map(|(bytes, _)| *bytes);
            let bytes = bytes.unwrap_or(match kind {
                OperationKind::Build => self.limit,
                OperationKind::Search
                | OperationKind::Write
                | OperationKind::Scroll
                | OperationKind::Facet => self.operation_bytes,
            });
            limits = limits.with_operation(of_guard, bytes);
        }
        limits
    }

    /// Where the caches' ladder has its steps.
    pub fn cache_lines(&self, settings: &Settings) -> CacheLines {
        let cache = &settings.memory.cache;
        let line = CacheLines::permille;
        CacheLines::of(line(cache.memory_threshold), line(cache.eviction_threshold))
    }

    /// How an engine is opened within this budget.
    pub fn engine_options(&self, settings: &Settings) -> EngineOptions {
        let free = self.limit.saturating_sub(self.base);
        let mut options = EngineOptions {
            durability: settings.durability,
            residency: self.residency,
            storage: storage_rule(settings),
            idle_unload: settings.idle_unload.unwrap_or(Duration::MAX),
            ..EngineOptions::default()
        };
        // A memtable is there twice while it is flushed, and a flush needs about as much again.
        options.memtable_bytes = options.memtable_bytes.min(free / 16);
        options.pool.capacity = free / FRAMES_FLOOR_PART;
        let headroom = free / HEADROOM_PART;
        options.pool.growth = if settings.cluster.in_cluster_mode() {
            Growth::Cache { headroom }
        } else {
            Growth::Borrow { headroom }
        };
        if self.residency == Residency::Governed {
            // What searches scan of it are codes, a quarter of that: most frames are left.
            options.backlog_bytes_max = options.backlog_bytes_max.min(free);
        }
        options
    }

    /// What the residency promises.
    pub fn residency_text(&self) -> &'static str {
        match self.residency {
            Residency::Governed => "governed (index pages stay inside the budget)",
            Residency::Mapped => "mapped (index pages are in the kernel's page cache: soft bound)",
            Residency::Pinned => "pinned (index pages are always in memory)",
        }
    }
}
