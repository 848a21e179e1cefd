//! Empties payloads.

use vectorizer_model::operation::PointSelector;
use vectorizer_model::{self as model, CollectionName};

use crate::context::Context;
use crate::error::Result;
use crate::estimate::{Estimate, MemoryAwareOperation};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};
use crate::write::Written;

/// Empties payloads. Listed points must all be there.
#[derive(Debug, Clone, PartialEq)]
pub struct ClearPayload {
    /// Where.
    pub collection: CollectionName,
    /// Which points.
    pub points: PointSelector,
}

impl MemoryAwareOperation for ClearPayload {
    fn opens(&self) -> Option<&CollectionName> {
        Some(&self.collection)
    }

    fn estimate_memory_usage(&self, context: &Context) -> Result<Estimate> {
        Estimate::change(context, &self.collection, &self.points, None)
    }
}

impl Operation for ClearPayload {
    const ENTRY: Entry =
        Entry { name: "clear_payload", summary: "Empties payloads", access: Access::Write };

    type Output = Written;

    async fn execute(self, context: &Guarded<'_>) -> Result<Written> {
        let Self { collection, points } = self;
        context.check_points_exist(&collection, &points).await?;
        let operation = model::Operation::ClearPayload { points };
        context.write(&collection, operation).await
    }
}
