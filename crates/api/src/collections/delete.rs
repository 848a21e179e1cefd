//! Deletes a collection with all its points.

use vectorizer_engine::{EngineError, TaskQueue};
use vectorizer_model::CollectionName;

use crate::context::Context;
use crate::error::Result;
use crate::estimate::{Estimate, MemoryAwareOperation};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};

/// Deletes a collection with all its points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteCollection {
    /// Its name.
    pub name: CollectionName,
}

impl MemoryAwareOperation for DeleteCollection {
    fn estimate_memory_usage(&self, _: &Context) -> Result<Estimate> {
        Ok(Estimate::settings().that_frees())
    }
}

impl Operation for DeleteCollection {
    const ENTRY: Entry = Entry {
        name: "delete_collection",
        summary: "Deletes a collection with all its points",
        access: Access::Manage,
    };

    /// Whether it was there.
    type Output = bool;

    async fn execute(self, context: &Guarded<'_>) -> Result<bool> {
        let Ok(found) = context.reach(&self.name) else { return Ok(false) };
        let ticket = match context.engine().drop_collection(&found) {
            Err(EngineError::CollectionNotFound { .. }) => return Ok(false),
            other => other.map_err(|error| context.caller().refused(error))?,
        };
        match ticket.await.map_err(EngineError::from)? {
            Err(EngineError::CollectionNotFound { .. }) => Ok(false),
            Err(error) => Err(context.caller().refused(error)),
            Ok(_applied) => {
                forget(context, found.number());
                Ok(true)
            }
        }
    }
}

/// Has the answers of a shard given up, so that nobody pays for them any longer: later, and by
/// nobody if too much is waiting. Then they go when there is no room.
fn forget(context: &Guarded<'_>, shard: u32) {
    let caches = context.leaf_caches();
    let queue = TaskQueue { tenant: context.tenant().clone(), collection: shard.into() };
    context.engine().spawn(&queue, move || caches.forget_shard(shard)).ok();
}
