//! Removes keys of payloads.

use vectorizer_model::operation::PointSelector;
use vectorizer_model::{self as model, CollectionName, KeyPath};

use crate::context::Context;
use crate::error::Result;
use crate::estimate::{Estimate, MemoryAwareOperation};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};
use crate::write::Written;

/// Removes keys of payloads. Listed points must all be there.
#[derive(Debug, Clone, PartialEq)]
pub struct DeletePayload {
    /// Where.
    pub collection: CollectionName,
    /// Which points.
    pub points: PointSelector,
    /// Which keys.
    pub keys: Vec<KeyPath>,
}

impl MemoryAwareOperation for DeletePayload {
    fn opens(&self) -> Option<&CollectionName> {
        Some(&self.collection)
    }

    fn estimate_memory_usage(&self, context: &Context) -> Result<Estimate> {
        Estimate::change(context, &self.collection, &self.points, None)
    }
}

impl Operation for DeletePayload {
    const ENTRY: Entry = Entry {
        name: "delete_payload",
        summary: "Removes keys of payloads",
        access: Access::Write,
    };

    type Output = Written;

    async fn execute(self, context: &Guarded<'_>) -> Result<Written> {
        let Self { collection, points, keys } = self;
        context.check_points_exist(&collection, &points).await?;
        let operation = model::Operation::DeletePayload { points, keys };
        context.write(&collection, operation).await
    }
}
