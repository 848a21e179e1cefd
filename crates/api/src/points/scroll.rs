//! Reads points page by page, ids ascending.

use vectorizer_model::CollectionName;
use vectorizer_query::{Page, ScrollQuery};

use crate::context::Context;
use crate::error::Result;
use crate::estimate::{Estimate, MemoryAwareOperation, view};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};

/// Reads points page by page, ids ascending.
#[derive(Debug, Clone, PartialEq)]
pub struct ScrollPoints {
    /// Where.
    pub collection: CollectionName,
    /// Which page.
    pub query: ScrollQuery,
}

impl MemoryAwareOperation for ScrollPoints {
    fn opens(&self) -> Option<&CollectionName> {
        Some(&self.collection)
    }

    fn estimate_memory_usage(&self, context: &Context) -> Result<Estimate> {
        let view = view(context, &self.collection)?;
        Ok(Estimate::scroll(self.query.estimate(&view)))
    }
}

impl Operation for ScrollPoints {
    const ENTRY: Entry = Entry {
        name: "scroll_points",
        summary: "Reads points page by page, ids ascending",
        access: Access::Read,
    };

    type Output = Page;

    async fn execute(self, context: &Guarded<'_>) -> Result<Page> {
        Ok(context.view(&self.collection).await?.scroll(self.query).await?)
    }
}
