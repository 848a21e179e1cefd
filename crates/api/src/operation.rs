//! What an operation is.

use std::future::Future;

use crate::error::Result;
use crate::estimate::MemoryAwareOperation;
use crate::guarded::Guarded;

/// What an operation may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reads only.
    Read,
    /// Changes points, payloads or field indexes.
    Write,
    /// Changes which collections there are, or their settings.
    Manage,
}

/// One line of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The name that logs, metrics and doors use.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// What it may touch.
    pub access: Access,
}

/// One typed operation: its fields are the question.
pub trait Operation: MemoryAwareOperation + Send {
    /// Its line of the catalogue.
    const ENTRY: Entry;

    /// The answer.
    type Output: Send;

    /// Does it. [`Context::run`](crate::Context::run) alone can call it.
    ///
    /// # Errors
    /// [`ApiError`](crate::ApiError); unless its text says otherwise, nothing changed.
    fn execute(self, context: &Guarded<'_>) -> impl Future<Output = Result<Self::Output>> + Send;
}
