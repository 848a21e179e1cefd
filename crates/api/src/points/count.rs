//! Counts points.

use vectorizer_model::{CollectionName, Filter};

use crate::context::Context;
use crate::error::Result;
use crate::operation::{Access, Entry, Operation};

/// Counts the points that a filter admits, exactly.
#[derive(Debug, Clone, PartialEq)]
pub struct CountPoints {
    /// Where.
    pub collection: CollectionName,
    /// Which points.
    pub filter: Filter,
}

impl Operation for CountPoints {
    const ENTRY: Entry =
        Entry { name: "count_points", summary: "Counts points", access: Access::Read };

    type Output = u64;

    async fn execute(self, context: &Context) -> Result<u64> {
        Ok(context.view(&self.collection).await?.count(self.filter).await?)
    }
}
