//! Writes keys of payloads.

use vectorizer_model::operation::PointSelector;
use vectorizer_model::{self as model, CollectionName, KeyPath, Payload};

use crate::context::Context;
use crate::error::Result;
use crate::estimate::{Estimate, MemoryAwareOperation};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};
use crate::write::{Written, check_payload};

/// Writes keys of payloads. Listed points must all be there.
#[derive(Debug, Clone, PartialEq)]
pub struct SetPayload {
    /// Where.
    pub collection: CollectionName,
    /// Which points.
    pub points: PointSelector,
    /// The keys and their values; a null removes its key.
    pub payload: Payload,
    /// Where in the payload they go; absent means the top.
    pub at: Option<KeyPath>,
}

impl MemoryAwareOperation for SetPayload {
    fn opens(&self) -> Option<&CollectionName> {
        Some(&self.collection)
    }

    fn estimate_memory_usage(&self, context: &Context) -> Result<Estimate> {
        Estimate::change(context, &self.collection, &self.points, Some(&self.payload))
    }
}

impl Operation for SetPayload {
    const ENTRY: Entry =
        Entry { name: "set_payload", summary: "Writes keys of payloads", access: Access::Write };

    type Output = Written;

    async fn execute(self, context: &Guarded<'_>) -> Result<Written> {
        let Self { collection, points, payload, at } = self;
        check_payload(&payload)?;
        context.check_points_exist(&collection, &points).await?;
        let operation = model::Operation::SetPayload { points, payload, at };
        context.write(&collection, operation).await
    }
}
