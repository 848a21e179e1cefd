//! Sets what is counted back.

use crate::context::Context;
use crate::error::Result;
use crate::estimate::{Estimate, MemoryAwareOperation};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};

/// Sets peaks, warnings and counts back; what is held stays, and so do limits and what the last
/// refusals said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResetMemory;

impl MemoryAwareOperation for ResetMemory {
    fn estimate_memory_usage(&self, context: &Context) -> Result<Estimate> {
        Ok(Estimate::of_administration(context))
    }
}

impl Operation for ResetMemory {
    const ENTRY: Entry = Entry {
        name: "reset_memory",
        summary: "Sets peaks, warnings and counts back; what is held stays",
        access: Access::Manage,
    };

    /// Nothing.
    type Output = ();

    async fn execute(self, context: &Guarded<'_>) -> Result<()> {
        context.engine().governor().reset_peaks();
        context.engine().governor().reset_counts();
        context.memory_guard().reset_waits();
        context.engine().caches().reset_stats();
        Ok(())
    }
}
