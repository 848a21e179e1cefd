//! What an operation runs in.

use std::ops::Deref;
use std::sync::OnceLock;

use vectorizer_engine::{FoundCollection, Origin};
use vectorizer_memory::{AllocationGuard, Drawn};
use vectorizer_model::CollectionName;
use vectorizer_query::CollectionView;

use crate::context::Context;
use crate::error::Result;
use crate::turn::Line;

/// What an operation runs in: the context, and its memory.
#[derive(Debug)]
pub struct Guarded<'a> {
    context: &'a Context,
    guard: AllocationGuard,
    /// The collection that it is about, once that was found.
    found: OnceLock<FoundCollection>,
}

impl<'a> Guarded<'a> {
    pub(crate) fn new(
        context: &'a Context,
        guard: AllocationGuard,
        found: Option<FoundCollection>,
    ) -> Self {
        let found = found.map(OnceLock::from).unwrap_or_default();
        Self { context, guard, found }
    }

    pub(crate) fn guard(&self) -> &AllocationGuard {
        &self.guard
    }

    pub(crate) fn into_guard(self) -> AllocationGuard {
        self.guard
    }

    /// The collection of that name, open: the same one whenever the operation asks, or none.
    pub(crate) async fn collection(&self, name: &CollectionName) -> Result<FoundCollection> {
        let known = self.found.get().filter(|found| found.name() == name).cloned();
        let found = known.map_or_else(|| self.reach(name), Ok)?;
        self.found.get_or_init(|| found.clone());
        self.open(&found).await?;
        Ok(found)
    }

    /// The line in which whoever changes a collection's settings waits for its turn, from reading them
    /// until the change is applied. The caller reaches the collection, and it is open.
    pub(crate) async fn settings_line(&self, collection: &CollectionName) -> Result<Line<'_>> {
        let found = self.collection(collection).await?;
        Ok(self.collection_turns().line(found.number()))
    }

    /// Everything acknowledged so far in a collection.
    pub(crate) async fn view(&self, collection: &CollectionName) -> Result<CollectionView> {
        let found = self.collection(collection).await?;
        let caches = self.leaf_caches();
        Ok(CollectionView::guarded(self.engine(), &found, &self.guard, caches)?)
    }

    /// Takes bytes into use.
    pub(crate) fn draw(&self, bytes: u64) -> Result<Drawn> {
        Ok(self.guard.draw(bytes)?)
    }

    /// Whose memory a write uses.
    pub(crate) fn origin(&self) -> Origin {
        self.guard.clone().into()
    }
}

impl Deref for Guarded<'_> {
    type Target = Context;

    fn deref(&self) -> &Context {
        self.context
    }
}
