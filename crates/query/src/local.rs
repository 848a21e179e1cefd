//! The shards of this node: leaves run on the engine's search threads.

use std::cell::RefCell;
use std::sync::Arc;

use vectorizer_engine::ticket::Ticket;
use vectorizer_engine::{
    Engine, EngineError, Hit, LeafScroll, LeafSearch, ReadView, Record, Scratch, Select,
};
use vectorizer_model::{CollectionSettings, Filter, PointId, SequenceNumber};

use crate::access::{BoxFuture, ShardAccess};
use crate::answer::{paired, records_bytes, reserve};
use crate::error::Result;

thread_local! {
    /// What graph searches of this thread reuse: visited marks and queues.
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// A shard of this node at one position of its history.
#[derive(Debug, Clone)]
pub struct LocalShard {
    engine: Engine,
    view: ReadView,
}

impl LocalShard {
    /// The shard that a view shows.
    pub fn new(engine: Engine, view: ReadView) -> Self {
        Self { engine, view }
    }

    /// Queues a task among the searches of this collection.
    fn run<T: Send + 'static>(
        &self,
        task: impl FnOnce(&ReadView) -> Result<T> + Send + 'static,
    ) -> BoxFuture<'static, Result<T>> {
        let view = self.view.clone();
        let ticket = self.engine.spawn(view.shard_number(), move || task(&view));
        Box::pin(outcome(ticket))
    }
}

async fn outcome<T>(ticket: std::result::Result<Ticket<Result<T>>, EngineError>) -> Result<T> {
    ticket?.await.map_err(EngineError::from)?
}

fn search(view: &ReadView, leaf: &LeafSearch) -> Result<Vec<Hit>> {
    Ok(SCRATCH.with_borrow_mut(|scratch| view.search(leaf, scratch))?)
}

impl ShardAccess for LocalShard {
    fn seq(&self) -> SequenceNumber {
        self.view.seq()
    }

    fn settings(&self) -> &Arc<CollectionSettings> {
        self.view.settings()
    }

    fn search(&self, leaf: LeafSearch) -> BoxFuture<'static, Result<Vec<Hit>>> {
        self.run(move |view| search(view, &leaf))
    }

    fn nearest(
        &self,
        leaf: LeafSearch,
        skipped: usize,
        select: Select,
    ) -> BoxFuture<'static, Result<Vec<(Hit, Record)>>> {
        let governor = Arc::clone(self.engine.governor());
        self.run(move |view| {
            let mut hits = search(view, &leaf)?;
            hits.drain(..skipped.min(hits.len()));
            let ids: Vec<PointId> = hits.iter().map(|hit| hit.id).collect();
            let bytes = records_bytes(view.settings(), &select, ids.len());
            let _held = reserve(&governor, bytes)?;
            Ok(paired(hits, view.records(&ids, &select)?))
        })
    }

    fn scroll(
        &self,
        leaf: LeafScroll,
    ) -> BoxFuture<'static, Result<(Vec<PointId>, Option<PointId>)>> {
        self.run(move |view| Ok(view.scroll(&leaf)?))
    }

    fn count(&self, filter: Filter) -> BoxFuture<'static, Result<u64>> {
        self.run(move |view| Ok(view.count(&filter)?))
    }

    fn records(
        &self,
        ids: Vec<PointId>,
        select: Select,
    ) -> BoxFuture<'static, Result<Vec<Record>>> {
        self.run(move |view| Ok(view.records(&ids, &select)?))
    }
}
