//! What the benchmark programs share: a client, vectors of files, and work on every core.
//!
//! # Layout
//! - `http`: the smallest client; [`StoredSet`]: a folder of vectors, queries and answers
//! - [`on_every_core`]: one result for each number
//!
//! Not here: what is measured; that is each program's own.

#![forbid(unsafe_code)]

pub mod http;
mod on_every_core;
mod stored_set;

pub use on_every_core::on_every_core;
pub use stored_set::StoredSet;
