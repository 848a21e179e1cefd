//! Replaces payloads.

use vectorizer_model::operation::PointSelector;
use vectorizer_model::{self as model, CollectionName, Payload};

use crate::context::Context;
use crate::error::Result;
use crate::estimate::{Estimate, MemoryAwareOperation};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};
use crate::write::{Written, check_payload};

/// Replaces payloads. Listed points must all be there.
#[derive(Debug, Clone, PartialEq)]
pub struct OverwritePayload {
    /// Where.
    pub collection: CollectionName,
    /// Which points.
    pub points: PointSelector,
    /// What they hold afterwards.
    pub payload: Payload,
}

impl MemoryAwareOperation for OverwritePayload {
    fn opens(&self) -> Option<&CollectionName> {
        Some(&self.collection)
    }

    fn estimate_memory_usage(&self, context: &Context) -> Result<Estimate> {
        Estimate::change(context, &self.collection, &self.points, Some(&self.payload))
    }
}

impl Operation for OverwritePayload {
    const ENTRY: Entry =
        Entry { name: "overwrite_payload", summary: "Replaces payloads", access: Access::Write };

    type Output = Written;

    async fn execute(self, context: &Guarded<'_>) -> Result<Written> {
        let Self { collection, points, payload } = self;
        check_payload(&payload)?;
        context.check_points_exist(&collection, &points).await?;
        let operation = model::Operation::OverwritePayload { points, payload };
        context.write(&collection, operation).await
    }
}
