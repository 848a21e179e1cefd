//! Several changes of points, one after the other.

use vectorizer_model::CollectionName;

use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::estimate::{Estimate, MemoryAwareOperation};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};
use crate::payload::{ClearPayload, DeletePayload, OverwritePayload, SetPayload};
use crate::points::{DeletePoints, UpsertPoints};
use crate::write::Written;

/// Several changes of one collection's points, one after the other. Each is all or nothing; the
/// first that fails ends the list, and those before it stay.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateBatch {
    /// Where.
    pub collection: CollectionName,
    /// The changes in their order.
    pub updates: Vec<PointUpdate>,
}

/// One change of points.
#[derive(Debug, Clone, PartialEq)]
pub enum PointUpdate {
    /// Writes points.
    Upsert(UpsertPoints),
    /// Deletes points.
    Delete(DeletePoints),
    /// Writes keys of payloads.
    SetPayload(SetPayload),
    /// Replaces payloads.
    OverwritePayload(OverwritePayload),
    /// Removes keys of payloads.
    DeletePayload(DeletePayload),
    /// Empties payloads.
    ClearPayload(ClearPayload),
}

impl PointUpdate {
    fn estimate_memory_usage(&self, context: &Context) -> Result<Estimate> {
        match self {
            Self::Upsert(update) => update.estimate_memory_usage(context),
            Self::Delete(update) => update.estimate_memory_usage(context),
            Self::SetPayload(update) => update.estimate_memory_usage(context),
            Self::OverwritePayload(update) => update.estimate_memory_usage(context),
            Self::DeletePayload(update) => update.estimate_memory_usage(context),
            Self::ClearPayload(update) => update.estimate_memory_usage(context),
        }
    }

    async fn execute(self, context: &Guarded<'_>) -> Result<Written> {
        match self {
            Self::Upsert(update) => update.execute(context).await,
            Self::Delete(update) => update.execute(context).await,
            Self::SetPayload(update) => update.execute(context).await,
            Self::OverwritePayload(update) => update.execute(context).await,
            Self::DeletePayload(update) => update.execute(context).await,
            Self::ClearPayload(update) => update.execute(context).await,
        }
    }
}

impl MemoryAwareOperation for UpdateBatch {
    fn opens(&self) -> Option<&CollectionName> {
        Some(&self.collection)
    }

    fn estimate_memory_usage(&self, context: &Context) -> Result<Estimate> {
        // One after the other, each done before the next begins.
        let mut most = Estimate::settings();
        let mut frees = !self.updates.is_empty();
        for update in &self.updates {
            let estimate = update.estimate_memory_usage(context)?;
            most.bytes = most.bytes.max(estimate.bytes);
            frees &= estimate.frees;
        }
        most.frees = frees;
        Ok(most)
    }
}

impl Operation for UpdateBatch {
    const ENTRY: Entry = Entry {
        name: "update_batch",
        summary: "Does several changes of points, one after the other",
        access: Access::Write,
    };

    type Output = Vec<Written>;

    async fn execute(self, context: &Guarded<'_>) -> Result<Vec<Written>> {
        // A collection that is not there is refused even if the list is empty.
        drop(context.view(&self.collection).await?);
        let mut written = Vec::with_capacity(self.updates.len());
        for update in self.updates {
            let done = written.len();
            written.push(update.execute(context).await.map_err(|error| after(error, done))?);
        }
        Ok(written)
    }
}

/// Says how much of the list was done before the failure.
fn after(error: ApiError, done: usize) -> ApiError {
    if done == 0 {
        return error;
    }
    let message =
        format!("{} (update {done} of the list; those before it are done)", error.message);
    ApiError { message, ..error }
}
