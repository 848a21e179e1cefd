//! Removes the index of a payload field.

use vectorizer_model::{self as model, CollectionName, KeyPath};

use crate::context::Context;
use crate::error::Result;
use crate::estimate::{Estimate, MemoryAwareOperation};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};
use crate::write::Written;

/// Removes the index of a payload field; if there is none, nothing happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteFieldIndex {
    /// Where.
    pub collection: CollectionName,
    /// Which field.
    pub key: KeyPath,
}

impl MemoryAwareOperation for DeleteFieldIndex {
    fn estimate_memory_usage(&self, _: &Context) -> Result<Estimate> {
        Ok(Estimate::settings())
    }
}

impl Operation for DeleteFieldIndex {
    const ENTRY: Entry = Entry {
        name: "delete_field_index",
        summary: "Removes the index of a payload field",
        access: Access::Write,
    };

    type Output = Written;

    async fn execute(self, context: &Guarded<'_>) -> Result<Written> {
        let line = context.settings_line(&self.collection).await?;
        let _turn = line.take().await;
        let view = context.view(&self.collection).await?;
        if !view.settings().field_indexes.contains_key(&self.key) {
            return Ok(Written { seq: view.seq(), points: 0 });
        }
        context.write(&self.collection, model::Operation::DropFieldIndex { key: self.key }).await
    }
}
