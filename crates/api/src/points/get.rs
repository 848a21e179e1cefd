//! Reads points by id.

use vectorizer_model::{CollectionName, PointId};
use vectorizer_query::{Record, Select};

use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::estimate::{Estimate, MemoryAwareOperation, view};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};
use crate::write::check_count;

/// Reads points by id; those that are not there are passed over.
#[derive(Debug, Clone, PartialEq)]
pub struct GetPoints {
    /// Where.
    pub collection: CollectionName,
    /// Which points.
    pub ids: Vec<PointId>,
    /// What is wanted of them.
    pub select: Select,
}

/// Reads one point by id.
#[derive(Debug, Clone, PartialEq)]
pub struct GetPoint {
    /// Where.
    pub collection: CollectionName,
    /// Which point.
    pub id: PointId,
    /// What is wanted of it.
    pub select: Select,
}

impl MemoryAwareOperation for GetPoints {
    fn estimate_memory_usage(&self, context: &Context) -> Result<Estimate> {
        let view = view(context, &self.collection)?;
        Ok(Estimate::scroll(view.estimate_records(&self.select, self.ids.len())))
    }
}

impl Operation for GetPoints {
    const ENTRY: Entry =
        Entry { name: "get_points", summary: "Reads points by id", access: Access::Read };

    /// The points, each once, in the order of the ids.
    type Output = Vec<Record>;

    async fn execute(self, context: &Guarded<'_>) -> Result<Vec<Record>> {
        check_count(&self.ids)?;
        let mut ids = self.ids;
        let mut seen = std::collections::BTreeSet::new();
        ids.retain(|id| seen.insert(*id));
        Ok(context.view(&self.collection).await?.retrieve(ids, self.select).await?)
    }
}

impl MemoryAwareOperation for GetPoint {
    fn opens(&self) -> Option<&CollectionName> {
        Some(&self.collection)
    }

    fn estimate_memory_usage(&self, context: &Context) -> Result<Estimate> {
        let view = view(context, &self.collection)?;
        Ok(Estimate::scroll(view.estimate_records(&self.select, 1)))
    }
}

impl Operation for GetPoint {
    const ENTRY: Entry =
        Entry { name: "get_point", summary: "Reads one point by id", access: Access::Read };

    type Output = Record;

    async fn execute(self, context: &Guarded<'_>) -> Result<Record> {
        let view = context.view(&self.collection).await?;
        let mut found = view.retrieve(vec![self.id], self.select).await?;
        let missing = || ApiError::not_found(format!("Point with id {} does not exists!", self.id));
        found.pop().ok_or_else(missing)
    }
}
