//! Codes: vectors in one byte for each component, and distances between them.
//!
//! A [`ScalarQuantizer`] maps components to evenly spaced levels, the same for all dimensions, so
//! that distances of codes are distances of vectors times one factor. [`QueryCodes`] scores rows of
//! codes in the units of the metric; who needs exact answers rescores from the vectors.
//!
//! It is not a place for storage or ranking, and it is pure: no clock, thread, file or randomness.
//!
//! # Layout
//! - [`levels`]: how many levels a code has
//! - [`scalar`]: training, encoding and decoding; [`bytes`]: the quantizer as stored
//! - [`query`]: distances from a query, or from a stored row, to rows of codes

#![forbid(unsafe_code)]

pub mod bytes;
pub mod error;
pub mod levels;
pub mod query;
pub mod scalar;
mod train;

pub use error::QuantizeError;
pub use levels::Levels;
pub use query::QueryCodes;
pub use scalar::ScalarQuantizer;
