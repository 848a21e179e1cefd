//! The seam between a query and the shards that it asks.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use vectorizer_engine::{Hit, LeafScroll, LeafSearch, Record, Select};
use vectorizer_model::{CollectionSettings, Filter, PointId, SequenceNumber};

use crate::error::Result;

/// A future that can be moved between threads; no runtime is implied.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One shard at one position of its history, here or on another node.
///
/// Work starts when a method is called; the future only waits for it, so that several shards
/// answer at the same time.
pub trait ShardAccess: Debug + Send + Sync {
    /// The position that all answers show.
    fn seq(&self) -> SequenceNumber;

    /// The settings at that position.
    fn settings(&self) -> &Arc<CollectionSettings>;

    /// The nearest points for a leaf, nearest first, ties by id.
    fn search(&self, leaf: LeafSearch) -> BoxFuture<'static, Result<Vec<Hit>>>;

    /// The nearest points and what is wanted of them, without the nearest `skipped`: all of a
    /// query in one step, where one shard answers alone.
    fn nearest(
        &self,
        leaf: LeafSearch,
        skipped: usize,
        select: Select,
    ) -> BoxFuture<'static, Result<Vec<(Hit, Record)>>>;

    /// A page of ids in ascending order, and the id that the next page starts with.
    fn scroll(
        &self,
        leaf: LeafScroll,
    ) -> BoxFuture<'static, Result<(Vec<PointId>, Option<PointId>)>>;

    /// How many points a filter admits.
    fn count(&self, filter: Filter) -> BoxFuture<'static, Result<u64>>;

    /// The points that exist among those asked for, in that order.
    fn records(&self, ids: Vec<PointId>, select: Select)
    -> BoxFuture<'static, Result<Vec<Record>>>;
}
