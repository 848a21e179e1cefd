//! Has caches give memory back.

use vectorizer_memory::{Class, Governor};

use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::estimate::{Estimate, MemoryAwareOperation};
use crate::operation::{Access, Entry, Operation};
use crate::run::Guarded;

/// What evictions gave back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvictedMemory {
    /// Bytes that they gave back.
    pub freed: u64,
    /// Bytes of caches and borrowed pages before.
    pub before: u64,
    /// The same after.
    pub after: u64,
}

/// Bytes that can be had back without losing anything.
fn reclaimable(governor: &Governor) -> u64 {
    let classes = governor.class_usage().into_iter();
    classes.filter(|usage| Class::is_reclaimable(usage.class)).map(|usage| usage.bytes).sum()
}

/// Has caches give memory back, down to their floors.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EvictMemory {
    /// How many bytes at least; all that can be had without it.
    pub bytes: Option<u64>,
    /// Of which cache alone.
    pub cache: Option<String>,
    /// Of which tenant alone.
    pub tenant: Option<String>,
}

impl MemoryAwareOperation for EvictMemory {
    fn estimate_memory_usage(&self, context: &Context) -> Result<Estimate> {
        Ok(Estimate::of_administration(context))
    }
}

impl Operation for EvictMemory {
    const ENTRY: Entry = Entry {
        name: "evict_memory",
        summary: "Has caches give memory back, down to their floors",
        access: Access::Manage,
    };

    /// What was given back.
    type Output = EvictedMemory;

    async fn execute(self, context: &Guarded<'_>) -> Result<EvictedMemory> {
        let caches = context.engine().caches();
        if let Some(name) = &self.cache {
            let known: Vec<String> =
                caches.caches().iter().map(|cache| cache.name().to_owned()).collect();
            if !known.contains(name) {
                let known = known.join(", ");
                let told =
                    format!("cache `{name}`: there is none of that name; name one of {known}");
                return Err(ApiError::invalid(told));
            }
        }
        let bytes = self.bytes.unwrap_or(u64::MAX);
        let before = reclaimable(context.engine().governor());
        let evicted = caches.evict_from(bytes, self.cache.as_deref(), self.tenant.as_deref());
        let after = reclaimable(context.engine().governor());
        Ok(EvictedMemory { freed: evicted.bytes, before, after })
    }
}
