//! Counts points.

use vectorizer_model::{CollectionName, Filter};

use crate::context::Context;
use crate::error::Result;
use crate::estimate::{Estimate, MemoryAwareOperation, view};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};

/// Counts the points that a filter admits, exactly.
#[derive(Debug, Clone, PartialEq)]
pub struct CountPoints {
    /// Where.
    pub collection: CollectionName,
    /// Which points.
    pub filter: Filter,
}

impl MemoryAwareOperation for CountPoints {
    fn opens(&self) -> Option<&CollectionName> {
        Some(&self.collection)
    }

    fn estimate_memory_usage(&self, context: &Context) -> Result<Estimate> {
        let view = view(context, &self.collection)?;
        Ok(Estimate::facet(view.estimate_count(&self.filter)))
    }
}

impl Operation for CountPoints {
    const ENTRY: Entry =
        Entry { name: "count_points", summary: "Counts points", access: Access::Read };

    type Output = u64;

    async fn execute(self, context: &Guarded<'_>) -> Result<u64> {
        Ok(context.view(&self.collection).await?.count(self.filter).await?)
    }
}
