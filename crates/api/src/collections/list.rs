//! Lists the collections.

use vectorizer_model::CollectionName;

use crate::context::Context;
use crate::error::Result;
use crate::estimate::{Estimate, MemoryAwareOperation, names_bytes};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};

/// Lists the collections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListCollections;

impl MemoryAwareOperation for ListCollections {
    fn estimate_memory_usage(&self, context: &Context) -> Result<Estimate> {
        Ok(Estimate::of_names(context))
    }
}

impl Operation for ListCollections {
    const ENTRY: Entry =
        Entry { name: "list_collections", summary: "Lists the collections", access: Access::Read };

    /// Their names, sorted.
    type Output = Vec<CollectionName>;

    async fn execute(self, context: &Guarded<'_>) -> Result<Vec<CollectionName>> {
        let (engine, only) = (context.engine(), context.caller().only());
        let _drawn = context.draw(names_bytes(engine.names_size(only)))?;
        Ok(engine.names_of(only))
    }
}
