//! What an operation runs in.

use std::ops::Deref;

use vectorizer_engine::Origin;
use vectorizer_memory::{AllocationGuard, Drawn};
use vectorizer_model::CollectionName;
use vectorizer_query::CollectionView;

use crate::context::Context;
use crate::error::Result;

/// What an operation runs in: the context, and its memory.
#[derive(Debug)]
pub struct Guarded<'a> {
    context: &'a Context,
    guard: AllocationGuard,
}

impl<'a> Guarded<'a> {
    pub(crate) fn new(context: &'a Context, guard: AllocationGuard) -> Self {
        Self { context, guard }
    }

    pub(crate) fn guard(&self) -> &AllocationGuard {
        &self.guard
    }

    pub(crate) fn into_guard(self) -> AllocationGuard {
        self.guard
    }

    /// Everything acknowledged so far in a collection.
    pub(crate) async fn view(&self, collection: &CollectionName) -> Result<CollectionView> {
        self.prepare(collection).await?;
        let caches = self.leaf_caches();
        Ok(CollectionView::guarded(self.engine(), collection, &self.guard, caches)?)
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
