//! Answers several queries from one view of the collection.

use vectorizer_model::CollectionName;
use vectorizer_query::{ScoredRecord, join_all};

use crate::context::Context;
use crate::error::Result;
use crate::estimate::{Estimate, MemoryAwareOperation, view};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};
use crate::search::query::Query;

/// Answers several queries from one view of the collection; one bad query, and none is answered.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryBatch {
    /// Where.
    pub collection: CollectionName,
    /// What is sought.
    pub queries: Vec<Query>,
}

impl MemoryAwareOperation for QueryBatch {
    fn opens(&self) -> Option<&CollectionName> {
        Some(&self.collection)
    }

    fn estimate_memory_usage(&self, context: &Context) -> Result<Estimate> {
        let view = view(context, &self.collection)?;
        let queued: u64 = self.queries.iter().map(|query| query.estimate_queued(&view)).sum();
        let beyond =
            |query: &Query| query.estimate(&view).saturating_sub(query.estimate_queued(&view));
        let mut beyond: Vec<u64> = self.queries.iter().map(beyond).collect();
        // As many as there are threads are answered at once.
        beyond.sort_unstable_by(|a, b| b.cmp(a));
        let answered: u64 = beyond.iter().take(context.engine().search_threads()).sum();
        Ok(Estimate::search(queued + answered))
    }
}

impl Operation for QueryBatch {
    const ENTRY: Entry = Entry {
        name: "query_batch",
        summary: "Answers several queries from one view of the collection",
        access: Access::Read,
    };

    /// One answer for each query, in their order.
    type Output = Vec<Vec<ScoredRecord>>;

    async fn execute(self, context: &Guarded<'_>) -> Result<Vec<Vec<ScoredRecord>>> {
        let view = context.view(&self.collection).await?;
        self.queries.iter().try_for_each(|query| query.check(&view))?;
        let answers = self.queries.into_iter().map(|query| query.run(&view));
        join_all(answers).await.into_iter().collect()
    }
}
