//! Tells what a collection is and holds.

use vectorizer_engine::CollectionInfo;
use vectorizer_model::CollectionName;

use crate::context::Context;
use crate::error::Result;
use crate::estimate::{Estimate, MemoryAwareOperation};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};

/// Tells what a collection is and holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetCollection {
    /// Its name.
    pub name: CollectionName,
}

impl MemoryAwareOperation for GetCollection {
    fn estimate_memory_usage(&self, _: &Context) -> Result<Estimate> {
        Ok(Estimate::little())
    }
}

impl Operation for GetCollection {
    const ENTRY: Entry = Entry {
        name: "get_collection",
        summary: "Tells what a collection is and holds",
        access: Access::Read,
    };

    type Output = CollectionInfo;

    async fn execute(self, context: &Guarded<'_>) -> Result<CollectionInfo> {
        let found = context.reach(&self.name)?;
        let engine = context.engine();
        if let Some(info) = engine.info_at_hand(&found)? {
            return Ok(info);
        }
        // Only opening it tells all.
        context.open(&found).await?;
        Ok(engine.info(&found)?)
    }
}
