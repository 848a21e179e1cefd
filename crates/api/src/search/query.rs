//! Finds points: the nearest to a vector or another point, or the first by id.

use vectorizer_engine::ReadView;
use vectorizer_model::CollectionName;
use vectorizer_query::{CollectionView, NearestQuery, ScoredRecord, ScrollQuery};

use crate::context::Context;
use crate::error::Result;
use crate::estimate::{Estimate, MemoryAwareOperation, view};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};

/// Finds points of a collection.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryPoints {
    /// Where.
    pub collection: CollectionName,
    /// What is sought.
    pub query: Query,
}

/// What is sought.
#[derive(Debug, Clone, PartialEq)]
pub enum Query {
    /// The points nearest to a target.
    Nearest(Box<NearestQuery>),
    /// Points in id order, all of them with score 0.
    ById {
        /// Which page; the page begins at the first id.
        page: Box<ScrollQuery>,
        /// How many are skipped.
        offset: usize,
    },
}

impl Query {
    /// About the bytes that answering it takes over what a view shows.
    pub(crate) fn estimate(&self, view: &ReadView) -> u64 {
        match self {
            Self::Nearest(query) => query.estimate(view),
            Self::ById { page, offset } => {
                let limit = page.limit.saturating_add(*offset);
                ScrollQuery { limit, ..(**page).clone() }.estimate(view)
            }
        }
    }

    /// The bytes of those that it holds while others are answered.
    pub(crate) fn estimate_queued(&self, view: &ReadView) -> u64 {
        match self {
            Self::Nearest(query) => query.estimate_queued(view),
            Self::ById { .. } => self.estimate(view),
        }
    }

    pub(crate) fn check(&self, view: &CollectionView) -> Result<()> {
        match self {
            Self::Nearest(query) => Ok(view.check(query)?),
            Self::ById { .. } => Ok(()),
        }
    }

    pub(crate) async fn run(self, view: &CollectionView) -> Result<Vec<ScoredRecord>> {
        match self {
            Self::Nearest(query) => Ok(view.nearest(*query).await?),
            Self::ById { mut page, offset } => {
                page.limit = page.limit.saturating_add(offset);
                let found = view.scroll(*page).await?;
                let records = found.records.into_iter().skip(offset);
                Ok(records.map(|record| ScoredRecord { record, score: 0.0 }).collect())
            }
        }
    }
}

impl MemoryAwareOperation for QueryPoints {
    fn opens(&self) -> Option<&CollectionName> {
        Some(&self.collection)
    }

    fn estimate_memory_usage(&self, context: &Context) -> Result<Estimate> {
        Ok(Estimate::search(self.query.estimate(&view(context, &self.collection)?)))
    }
}

impl Operation for QueryPoints {
    const ENTRY: Entry = Entry {
        name: "query_points",
        summary: "Finds the points nearest to a vector or another point",
        access: Access::Read,
    };

    type Output = Vec<ScoredRecord>;

    async fn execute(self, context: &Guarded<'_>) -> Result<Vec<ScoredRecord>> {
        let view = context.view(&self.collection).await?;
        self.query.run(&view).await
    }
}
