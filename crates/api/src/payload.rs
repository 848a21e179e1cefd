//! Operations on payloads.

pub mod clear;
pub mod delete;
pub mod overwrite;
pub mod set;

pub use clear::ClearPayload;
pub use delete::DeletePayload;
pub use overwrite::OverwritePayload;
pub use set::SetPayload;
