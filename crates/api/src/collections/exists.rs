//! Says whether a collection is there.

use vectorizer_model::CollectionName;

use crate::context::Context;
use crate::error::Result;
use crate::estimate::{Estimate, MemoryAwareOperation};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};

/// Says whether a collection is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionExists {
    /// Its name.
    pub name: CollectionName,
}

impl MemoryAwareOperation for CollectionExists {
    fn estimate_memory_usage(&self, _: &Context) -> Result<Estimate> {
        Ok(Estimate::little())
    }
}

impl Operation for CollectionExists {
    const ENTRY: Entry = Entry {
        name: "collection_exists",
        summary: "Says whether a collection is there",
        access: Access::Read,
    };

    type Output = bool;

    async fn execute(self, context: &Guarded<'_>) -> Result<bool> {
        Ok(context.reach(&self.name).is_ok())
    }
}
