//! Operations on field indexes.

pub mod create;
pub mod delete;

pub use create::CreateFieldIndex;
pub use delete::DeleteFieldIndex;
