//! Operations on the memory of the process: looking at it, giving caches up, limits.
//!
//! All are admitted when memory is full.

mod evict;
mod read;
mod report;
mod reset;
mod set;

pub use crate::cache_settings::{CacheSettings, OwnPolicies};
pub use evict::{EvictMemory, EvictedMemory};
pub use read::{GetCacheStatus, GetMemory};
pub use report::{CacheReport, ClassReport, GuardReport, MemoryReport, TenantItems};
pub use reset::ResetMemory;
pub use set::SetMemory;
pub use vectorizer_cache::EvictionPolicy;
pub use vectorizer_memory::{
    CacheFigures, CacheLevel, CacheLines, CacheMemoryStats, CacheShare, Class, Counts,
    DurationCounts, Holder, MemoryError, MemoryLimits, MemoryStats, OperationKind, PolicyFigures,
    PressureLevel, Reason, Scope, TenantUsage,
};
