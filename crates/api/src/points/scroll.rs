//! Reads points page by page, ids ascending.

use vectorizer_model::CollectionName;
use vectorizer_query::{Page, ScrollQuery};

use crate::context::Context;
use crate::error::Result;
use crate::operation::{Access, Entry, Operation};

/// Reads points page by page, ids ascending.
#[derive(Debug, Clone, PartialEq)]
pub struct ScrollPoints {
    /// Where.
    pub collection: CollectionName,
    /// Which page.
    pub query: ScrollQuery,
}

impl Operation for ScrollPoints {
    const ENTRY: Entry = Entry {
        name: "scroll_points",
        summary: "Reads points page by page, ids ascending",
        access: Access::Read,
    };

    type Output = Page;

    async fn execute(self, context: &Context) -> Result<Page> {
        Ok(context.view(&self.collection).await?.scroll(self.query).await?)
    }
}
