//! Predicates over payloads, and the rows they select.
//!
//! [`matches()`] is the truth about one payload. A [`FieldIndex`] answers for all rows of a segment
//! what it can answer exactly and bounds the rest from below and above. [`select`] combines such
//! answers through a whole filter and says which rows are still to be judged by [`matches()`].
//!
//! Nothing here reads a file, a clock or a random number; stored payloads are the caller's.
//!
//! # Layout
//! - [`evaluate`]: filter and payload to true or false; [`extract`]: the values a path selects
//! - [`mutate`]: what operations do to payloads
//! - [`project`]: parts of payloads, for answers
//! - [`field_index`]: the immutable index of one field in one segment; bytes in
//!   `docs/format/field-index.md`
//! - [`plan`]: filter and indexes to rows; [`sample`]: how many rows, where no index knows
//! - [`rows`]: sets of rows; [`selection`]: rows as a search asks for them

#![forbid(unsafe_code)]

pub mod error;
pub mod evaluate;
pub mod extract;
pub mod field_index;
pub mod mutate;
mod numbers;
pub mod plan;
pub mod project;
pub mod rows;
pub mod sample;
pub mod selection;

pub use error::PayloadError;
pub use evaluate::matches;
pub use extract::{is_empty_at, values_at};
pub use field_index::{Answer, FieldIndex, FieldIndexBuilder, FieldIndexes};
pub use mutate::{delete_keys, set_at};
pub use plan::{IdLookup, Leaf, Selected, WantedIndex, select, wanted_indexes};
pub use project::include_keys;
pub use rows::Rows;
pub use sample::{estimate, sample_candidates, sample_rows};
pub use selection::{Admitted, BitmapSelection, Without};
