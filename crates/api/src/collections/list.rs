//! Lists the collections.

use vectorizer_model::CollectionName;

use crate::context::Context;
use crate::error::Result;
use crate::estimate::{Estimate, MemoryAwareOperation};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};

/// Lists the collections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListCollections;

impl MemoryAwareOperation for ListCollections {
    fn estimate_memory_usage(&self, _: &Context) -> Result<Estimate> {
        Ok(Estimate::little())
    }
}

impl Operation for ListCollections {
    const ENTRY: Entry =
        Entry { name: "list_collections", summary: "Lists the collections", access: Access::Read };

    /// Their names, sorted.
    type Output = Vec<CollectionName>;

    async fn execute(self, context: &Guarded<'_>) -> Result<Vec<CollectionName>> {
        let owned = context.engine().owners().into_iter();
        let reached = owned.filter(|(_, owner)| context.caller().reaches(owner));
        Ok(reached.map(|(name, _)| name).collect())
    }
}
