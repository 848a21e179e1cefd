//! The shards of this node: leaves run on the engine's search threads.

use std::cell::RefCell;
use std::sync::Arc;

use vectorizer_engine::ticket::Ticket;
use vectorizer_engine::{
    Engine, EngineError, Hit, LeafScroll, LeafSearch, ReadView, Record, Scratch, Select,
};
use vectorizer_memory::{Class, Governor, Reservation, Tenant};
use vectorizer_model::{CollectionSettings, Filter, PointId, SequenceNumber};

use crate::access::{BoxFuture, ShardAccess};
use crate::answer::paired;
use crate::cache::QueryCache;
use crate::error::Result;
use crate::metadata::MetadataCache;

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::new(Workspace::default());
}

/// A larger scratch than this is given back after its search.
const SCRATCH_KEPT_BYTES: u64 = 4 << 20;

/// What graph searches of one thread reuse, visited marks and queues, and its charge.
#[derive(Default)]
struct Workspace {
    scratch: Scratch,
    held: Option<Reservation>,
}

impl Workspace {
    fn search(
        &mut self,
        governor: &Governor,
        view: &ReadView,
        leaf: &LeafSearch,
    ) -> std::result::Result<Vec<Hit>, EngineError> {
        let needed = view.scratch_bytes(leaf);
        let mut held = match self.held.take() {
            Some(held) => held,
            None => governor.reserve(Class::Operations, &Tenant::system(), 0)?,
        };
        let grown = held.try_grow(needed.saturating_sub(held.bytes()));
        let large = held.bytes() > SCRATCH_KEPT_BYTES;
        let held = self.held.insert(held);
        grown?;
        let found = view.search(leaf, &mut self.scratch);
        if large {
            self.scratch = Scratch::default();
            held.shrink(held.bytes());
        }
        found
    }
}

/// What leaves keep for equal questions to the same view.
#[derive(Debug, Clone)]
pub struct LeafCaches {
    /// Hits.
    pub hits: Arc<QueryCache>,
    /// Numbers of points.
    pub metadata: Arc<MetadataCache>,
}

impl LeafCaches {
    /// Gives up what is kept of a shard that is no more. Looks at all.
    pub fn forget_shard(&self, shard: u32) {
        self.hits.forget_shard(shard);
        self.metadata.forget_shard(shard);
    }
}

/// A shard of this node at one position of its history.
#[derive(Debug, Clone)]
pub struct LocalShard {
    engine: Engine,
    view: ReadView,
    caches: Option<LeafCaches>,
}

impl LocalShard {
    /// The shard that a view shows.
    pub fn new(engine: Engine, view: ReadView) -> Self {
        Self { engine, view, caches: None }
    }

    /// The same, with answers kept in caches.
    #[must_use]
    pub fn with_caches(mut self, caches: Option<LeafCaches>) -> Self {
        self.caches = caches;
        self
    }

    fn searcher(&self) -> Searcher {
        Searcher {
            governor: Arc::clone(self.engine.governor()),
            cache: self.caches.as_ref().map(|caches| Arc::clone(&caches.hits)),
        }
    }

    /// Queues a task among the searches of this collection.
    fn run<T: Send + 'static>(
        &self,
        task: impl FnOnce(&ReadView) -> Result<T> + Send + 'static,
    ) -> BoxFuture<'static, Result<T>> {
        let view = self.view.clone();
        let ticket = self.engine.spawn(&view.queue(), move || task(&view));
        Box::pin(outcome(ticket))
    }
}

async fn outcome<T>(ticket: std::result::Result<Ticket<Result<T>>, EngineError>) -> Result<T> {
    ticket?.await.map_err(EngineError::from)?
}

/// What a search needs besides its view.
struct Searcher {
    governor: Arc<Governor>,
    cache: Option<Arc<QueryCache>>,
}

impl Searcher {
    fn search(&self, view: &ReadView, leaf: &LeafSearch) -> Result<Vec<Hit>> {
        let Some(cache) = &self.cache else { return self.search_anew(view, leaf) };
        match cache.find(view.identity(), leaf) {
            Ok(hits) => Ok(hits),
            Err(missed) => {
                let hits = self.search_anew(view, leaf)?;
                cache.keep(missed, &hits, view.tenant());
                Ok(hits)
            }
        }
    }

    fn search_anew(&self, view: &ReadView, leaf: &LeafSearch) -> Result<Vec<Hit>> {
        let governor = &self.governor;
        Ok(WORKSPACE.with_borrow_mut(|workspace| workspace.search(governor, view, leaf))?)
    }
}

impl ShardAccess for LocalShard {
    fn seq(&self) -> SequenceNumber {
        self.view.seq()
    }

    fn settings(&self) -> &Arc<CollectionSettings> {
        self.view.settings()
    }

    fn search(&self, leaf: LeafSearch) -> BoxFuture<'static, Result<Vec<Hit>>> {
        let searcher = self.searcher();
        self.run(move |view| searcher.search(view, &leaf))
    }

    fn nearest(
        &self,
        leaf: LeafSearch,
        skipped: usize,
        select: Select,
    ) -> BoxFuture<'static, Result<Vec<(Hit, Record)>>> {
        let searcher = self.searcher();
        self.run(move |view| {
            let mut hits = searcher.search(view, &leaf)?;
            hits.drain(..skipped.min(hits.len()));
            let ids: Vec<PointId> = hits.iter().map(|hit| hit.id).collect();
            let _held = view.reserve(view.records_bytes(&select, ids.len()))?;
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
        let metadata = self.caches.as_ref().map(|caches| Arc::clone(&caches.metadata));
        self.run(move |view| {
            let Some(metadata) = metadata else { return Ok(view.count(&filter)?) };
            let unknown = match metadata.find(view.identity(), &filter) {
                Ok(count) => return Ok(count),
                Err(unknown) => unknown,
            };
            let count = view.count(&filter)?;
            metadata.keep(unknown, count, view.tenant());
            Ok(count)
        })
    }

    fn records(
        &self,
        ids: Vec<PointId>,
        select: Select,
    ) -> BoxFuture<'static, Result<Vec<Record>>> {
        self.run(move |view| Ok(view.records(&ids, &select)?))
    }
}
