//! Operations on collections.

pub mod create;
pub mod delete;
pub mod exists;
pub mod get;
pub mod list;
pub mod update;

pub use create::{CreateCollection, NewVector};
pub use delete::DeleteCollection;
pub use exists::CollectionExists;
pub use get::GetCollection;
pub use list::ListCollections;
pub use update::UpdateCollection;
pub use vectorizer_engine::CollectionInfo;
