//! Searches.

pub mod query;
pub mod query_batch;

pub use query::QueryPoints;
pub use query_batch::QueryBatch;
