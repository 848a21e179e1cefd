//! Deletes points.

use vectorizer_model::operation::PointSelector;
use vectorizer_model::{self as model, CollectionName};

use crate::context::Context;
use crate::error::Result;
use crate::estimate::{Estimate, MemoryAwareOperation};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};
use crate::write::{Written, check_count};

/// Deletes points; those that are not there are passed over.
#[derive(Debug, Clone, PartialEq)]
pub struct DeletePoints {
    /// Where.
    pub collection: CollectionName,
    /// Which points.
    pub points: PointSelector,
}

impl MemoryAwareOperation for DeletePoints {
    fn opens(&self) -> Option<&CollectionName> {
        Some(&self.collection)
    }

    fn estimate_memory_usage(&self, context: &Context) -> Result<Estimate> {
        let listed = Estimate::listed(context, &self.collection, &self.points, 0)?;
        Ok(listed.that_frees())
    }
}

impl Operation for DeletePoints {
    const ENTRY: Entry =
        Entry { name: "delete_points", summary: "Deletes points", access: Access::Write };

    type Output = Written;

    async fn execute(self, context: &Guarded<'_>) -> Result<Written> {
        if let PointSelector::Ids(ids) = &self.points {
            check_count(ids)?;
        }
        context.write(&self.collection, model::Operation::Delete(self.points)).await
    }
}
