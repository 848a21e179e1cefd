//! Operations on points.

pub mod count;
pub mod delete;
pub mod get;
pub mod scroll;
pub mod update_batch;
pub mod upsert;

pub use count::CountPoints;
pub use delete::DeletePoints;
pub use get::{GetPoint, GetPoints};
pub use scroll::ScrollPoints;
pub use update_batch::{PointUpdate, UpdateBatch};
pub use upsert::{NewPoint, UpsertPoints};
