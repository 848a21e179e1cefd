//! Says whether a collection is there.

use vectorizer_model::CollectionName;

use crate::context::Context;
use crate::error::Result;
use crate::operation::{Access, Entry, Operation};

/// Says whether a collection is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionExists {
    /// Its name.
    pub name: CollectionName,
}

impl Operation for CollectionExists {
    const ENTRY: Entry = Entry {
        name: "collection_exists",
        summary: "Says whether a collection is there",
        access: Access::Read,
    };

    type Output = bool;

    async fn execute(self, context: &Context) -> Result<bool> {
        Ok(context.engine().contains(&self.name))
    }
}
