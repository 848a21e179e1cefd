//! Several changes of points in one request.

use serde::Deserialize;
use vectorizer_api::points::{PointUpdate, UpdateBatch};
use vectorizer_model::CollectionName;

use crate::check::Checks;
use crate::error::{Result, WireError};
use crate::object::objects;
use crate::payload::{DeletePayloadIn, SetPayloadIn, into_clear};
use crate::points::{SelectorIn, UpsertIn};
use crate::unsupported::Unsupported;

objects!(UpdateBatchIn, UpdateIn);

/// Several changes of points.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct UpdateBatchIn {
    operations: Vec<UpdateIn>,
}

/// One change of points; which key is there says what it does.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
struct UpdateIn {
    upsert: Option<UpsertIn>,
    delete: Option<SelectorIn>,
    set_payload: Option<SetPayloadIn>,
    overwrite_payload: Option<SetPayloadIn>,
    delete_payload: Option<DeletePayloadIn>,
    clear_payload: Option<SelectorIn>,
    #[serde(default, rename = "update_vectors")]
    _update_vectors: Unsupported,
    #[serde(default, rename = "delete_vectors")]
    _delete_vectors: Unsupported,
}

impl UpdateBatchIn {
    /// The operation.
    ///
    /// # Errors
    /// [`WireError`] names what does not fit.
    pub fn into_operation(
        self,
        collection: CollectionName,
        updates_max: usize,
    ) -> Result<UpdateBatch> {
        let mut checks = Checks::default();
        checks.range("operations", Some(self.operations.len()), (0, updates_max));
        checks.finish()?;
        let updates = self.operations.into_iter().map(|update| update.into_update(&collection));
        let updates: Result<Vec<PointUpdate>> = updates.collect();
        Ok(UpdateBatch { updates: updates?, collection })
    }
}

impl UpdateIn {
    fn into_update(self, collection: &CollectionName) -> Result<PointUpdate> {
        let name = || collection.clone();
        let mut updates = Vec::new();
        if let Some(upsert) = self.upsert {
            updates.push(PointUpdate::Upsert(upsert.into_upsert(name())?));
        }
        if let Some(points) = self.delete {
            updates.push(PointUpdate::Delete(points.into_delete(name())?));
        }
        if let Some(set) = self.set_payload {
            updates.push(PointUpdate::SetPayload(set.into_set(name())?));
        }
        if let Some(set) = self.overwrite_payload {
            updates.push(PointUpdate::OverwritePayload(set.into_overwrite(name())?));
        }
        if let Some(delete) = self.delete_payload {
            updates.push(PointUpdate::DeletePayload(delete.into_delete(name())?));
        }
        if let Some(points) = self.clear_payload {
            updates.push(PointUpdate::ClearPayload(into_clear(points, name())?));
        }
        match (updates.pop(), updates.is_empty()) {
            (Some(update), true) => Ok(update),
            _ => Err(WireError::invalid("each of `operations` does exactly one thing")),
        }
    }
}
