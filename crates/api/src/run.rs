//! Running operations: the one way in, for every door.
//!
//! An operation is estimated, its estimate is reserved in one piece, and only then it is executed;
//! what it needs meanwhile is drawn from that. [`Guarded`] is made nowhere else, so nothing can be
//! executed past the guard.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use vectorizer_engine::{EngineError, FoundCollection};
use vectorizer_memory::{AllocationGuard, Drawn, OperationId, OperationKind};
use vectorizer_model::CollectionName;

use crate::context::Context;
use crate::error::Result;
use crate::guarded::Guarded;
use crate::operation::Operation;

/// How long a read waits in line for memory before it is refused.
const WAIT: Duration = Duration::from_secs(1);

/// What an operation came to, with the memory that this takes until it is dropped.
#[derive(Debug)]
pub struct Answered<T> {
    /// What it came to.
    pub output: T,
    /// What the door draws on to show it.
    pub guard: AllocationGuard,
    /// For the output.
    pub held: Drawn,
}

impl Context {
    /// Does an operation within the memory that it is estimated to need.
    ///
    /// # Errors
    /// Those of the operation; memory is short now, or the operation may never have as much.
    pub async fn run<O: Operation>(&self, operation: O) -> Result<Answered<O::Output>> {
        self.run_as_told(operation).await.map_err(|error| self.caller().told(error))
    }

    async fn run_as_told<O: Operation>(&self, operation: O) -> Result<Answered<O::Output>> {
        let found = match operation.opens() {
            Some(collection) => {
                let found = self.reach(collection)?;
                self.open(&found).await?;
                Some(found)
            }
            None => None,
        };
        let estimate = operation.estimate_memory_usage(self)?;
        let id = OperationId::new(O::ENTRY.name, estimate.kind, self.tenant().clone());
        let guard = self.admit(id.that_frees(estimate.frees), estimate.bytes).await?;
        let guarded = Guarded::new(self, guard, found);
        let output = operation.execute(&guarded).await?;
        let guard = guarded.into_guard();
        // What it read lies in the output now.
        let held = guard.draw(guard.peak().min(guard.bytes()))?;
        Ok(Answered { output, guard, held })
    }

    /// The collection of that name, if the caller may reach it. What is done after a wait is done to
    /// what was found here: the name may be another's by then.
    ///
    /// # Errors
    /// It is not there, or is another tenant's, which is told alike.
    pub(crate) fn reach(&self, collection: &CollectionName) -> Result<FoundCollection> {
        let found = self.engine().find(collection)?;
        if self.caller().reaches(found.owner()) {
            return Ok(found);
        }
        Err(EngineError::CollectionNotFound { name: collection.to_string() }.into())
    }

    /// Waits until a collection is open, which may read the disk: never on a thread of the caller's
    /// runtime.
    pub(crate) async fn open(&self, collection: &FoundCollection) -> Result<()> {
        if let Some(opening) = self.engine().prepare(collection)? {
            opening.await.map_err(EngineError::from)??;
        }
        Ok(())
    }

    async fn admit(&self, operation: OperationId, bytes: u64) -> Result<AllocationGuard> {
        let waits = match operation.kind {
            OperationKind::Search | OperationKind::Scroll | OperationKind::Facet => true,
            // Writes are paced elsewhere.
            OperationKind::Write | OperationKind::Build => false,
        };
        let memory = self.memory_guard();
        if operation.frees || !waits {
            return Ok(memory.request_allocation(operation, bytes)?);
        }
        let mut waiting = memory.wait_for(operation, bytes)?;
        let mut timer = None;
        let granted = poll_fn(|cx| {
            if let Poll::Ready(granted) = Pin::new(&mut waiting).poll(cx) {
                return Poll::Ready(Some(granted));
            }
            let timer = timer.get_or_insert_with(|| self.sleep(WAIT));
            timer.as_mut().poll(cx).map(|()| None)
        });
        Ok(match granted.await {
            Some(granted) => granted?,
            None => waiting.give_up()?,
        })
    }
}
