//! Shows the memory of the process.

use super::MemoryReport;
use crate::context::Context;
use crate::error::Result;
use crate::estimate::{Estimate, MemoryAwareOperation};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};

/// Shows who holds which memory, and the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetMemory;

impl MemoryAwareOperation for GetMemory {
    fn estimate_memory_usage(&self, context: &Context) -> Result<Estimate> {
        Ok(Estimate::of_administration(context))
    }
}

impl Operation for GetMemory {
    const ENTRY: Entry = Entry {
        name: "get_memory",
        summary: "Shows who holds which memory, and the limits",
        access: Access::Read,
    };

    /// All of it.
    type Output = MemoryReport;

    async fn execute(self, context: &Guarded<'_>) -> Result<MemoryReport> {
        Ok(context.memory_report())
    }
}

/// Shows what each cache holds and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetCacheStatus;

impl MemoryAwareOperation for GetCacheStatus {
    fn estimate_memory_usage(&self, context: &Context) -> Result<Estimate> {
        Ok(Estimate::of_administration(context))
    }
}

impl Operation for GetCacheStatus {
    const ENTRY: Entry = Entry {
        name: "get_cache_status",
        summary: "Shows what each cache holds and counted",
        access: Access::Read,
    };

    /// All of it.
    type Output = MemoryReport;

    async fn execute(self, context: &Guarded<'_>) -> Result<MemoryReport> {
        Ok(context.memory_report())
    }
}
