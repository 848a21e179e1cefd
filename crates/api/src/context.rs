//! What operations run in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use vectorizer_engine::{Engine, EngineError};
use vectorizer_model::CollectionName;
use vectorizer_query::{BoxFuture, CollectionView};

use crate::defaults::CollectionDefaults;
use crate::error::Result;
use crate::turn::Turn;

/// Waits for a while; the caller's runtime owns the timer.
pub type Sleep = Arc<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

/// What operations run in.
#[derive(Clone)]
pub struct Context {
    engine: Engine,
    sleep: Sleep,
    defaults: CollectionDefaults,
    settings_turn: Arc<Turn>,
}

impl Context {
    /// A context over an engine, with a timer.
    pub fn new(engine: Engine, sleep: Sleep, defaults: CollectionDefaults) -> Self {
        Self { engine, sleep, defaults, settings_turn: Arc::new(Turn::default()) }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What a new collection has where its creator says nothing.
    pub fn defaults(&self) -> &CollectionDefaults {
        &self.defaults
    }

    /// Waits until a collection is open, which may read the disk: never on a thread of the caller's
    /// runtime.
    pub(crate) async fn prepare(&self, collection: &CollectionName) -> Result<()> {
        if let Some(opening) = self.engine.prepare(collection)? {
            opening.await.map_err(EngineError::from)??;
        }
        Ok(())
    }

    /// Everything acknowledged so far in a collection.
    pub(crate) async fn view(&self, collection: &CollectionName) -> Result<CollectionView> {
        self.prepare(collection).await?;
        Ok(CollectionView::local(&self.engine, collection)?)
    }

    pub(crate) fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        (self.sleep)(duration)
    }

    /// Whoever changes settings holds this from reading them until the change is applied.
    pub(crate) fn settings_turn(&self) -> &Turn {
        &self.settings_turn
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("engine", &self.engine).finish_non_exhaustive()
    }
}
