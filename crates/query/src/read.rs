//! Reading points by id, by page and by number.

use vectorizer_engine::records_bytes;
use vectorizer_model::limits;
use vectorizer_model::{Filter, PointId};

use crate::error::{QueryError, Result};
use crate::join::Join;
use crate::merge::merge_pages;
use crate::view::CollectionView;
use crate::{LeafScroll, Record, Select};

/// A page of points in id order.
#[derive(Debug, Clone, PartialEq)]
pub struct ScrollQuery {
    /// Which points.
    pub filter: Filter,
    /// The first id that may be answered.
    pub from: Option<PointId>,
    /// At most this many.
    pub limit: usize,
    /// What is wanted of them.
    pub select: Select,
}

/// Points in id order.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The points.
    pub records: Vec<Record>,
    /// The id that the next page starts with, unless this is the last one.
    pub next: Option<PointId>,
}

impl CollectionView {
    /// A page of the points that a filter admits, ids ascending.
    ///
    /// # Errors
    /// The limit or the filter is beyond bounds; memory is short; a page cannot be read.
    pub async fn scroll(&self, query: ScrollQuery) -> Result<Page> {
        check_window(query.limit, 0)?;
        query.filter.validate()?;
        let ScrollQuery { filter, from, limit, select } = query;
        let leaves = self.shards().map(|shard| {
            let filter = filter.clone();
            shard.scroll(LeafScroll { filter, from, limit })
        });
        let leaves: Result<Vec<_>> = Join::new(leaves).await.into_iter().collect();
        let (ids, next) = merge_pages(leaves?, limit);
        let records = self.retrieve(ids, select).await?;
        Ok(Page { records, next })
    }

    /// How many points a filter admits.
    ///
    /// # Errors
    /// The filter is beyond bounds; a page cannot be read.
    pub async fn count(&self, filter: Filter) -> Result<u64> {
        filter.validate()?;
        let leaves = self.shards().map(|shard| shard.count(filter.clone()));
        let leaves: Result<Vec<u64>> = Join::new(leaves).await.into_iter().collect();
        Ok(leaves?.into_iter().sum())
    }

    /// The points that exist among those asked for, each once, in that order.
    ///
    /// # Errors
    /// Memory is short; a page cannot be read.
    pub async fn retrieve(&self, ids: Vec<PointId>, select: Select) -> Result<Vec<Record>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let _held = self.reserve(records_bytes(self.settings(), &select, ids.len()))?;
        let leaves = self.shards().map(|shard| shard.records(ids.clone(), select.clone()));
        let leaves: Result<Vec<Vec<Record>>> = Join::new(leaves).await.into_iter().collect();
        let mut leaves = leaves?;
        if leaves.len() == 1 {
            return Ok(leaves.swap_remove(0));
        }
        let found = leaves.into_iter().flatten().map(|record| (record.id, record));
        let mut found: std::collections::BTreeMap<PointId, Record> = found.collect();
        Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
    }
}

/// Whether so many results may be asked for.
pub(crate) fn check_window(limit: usize, offset: usize) -> Result<()> {
    match limit.checked_add(offset) {
        Some(window) if window <= limits::WINDOW_MAX => Ok(()),
        _ => Err(QueryError::WindowTooLarge { limit, offset }),
    }
}
