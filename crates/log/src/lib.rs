//! The node's one physical log: frames, group commit, replay, truncation.
//!
//! Every shard of a node appends to the same files, so that one sync covers the writes of all
//! and an idle shard costs nothing. The log stores opaque payloads and never looks into them.
//! It has no threads and no clock: any thread appends, one committer drives [`Log::commit`].
//!
//! It is not a replication protocol and not a recovery procedure: it says which entries a disk
//! still holds, in which order, and which of its files nobody needs any more.
//!
//! # Invariants
//! - The order of [`Log::append`] is the order on disk and the order of replay.
//! - Nothing is handed back as committed before it is as durable as [`Durability`] promises.
//! - File `n + 1` exists only if file `n` is complete and synced.
//! - Files go in ascending order, one directory sync each, so the numbers present have no gap.
//! - A frame that fails its checks is dropped only if no proof says it was ever durable;
//!   otherwise opening fails with the file and the offset.
//!
//! The bytes and the reasons stand in `docs/format/log.md`.
//!
//! # Layout
//! - `log`: [`Log`]; `config`, `entry`, `error`: what its users see
//! - `header`, `frame`: bytes; `reader`: frames out of a file, and the search for a proof
//! - `queue`: what waits; `writer`: the file that grows; `files`: the files that live, and who pins them
//! - `replay`: from a folder to a log that can be appended to; `inspect`: all that is wrong with one

#![forbid(unsafe_code)]

mod config;
mod entry;
mod error;
mod files;
mod frame;
mod header;
mod inspect;
mod log;
mod number;
mod queue;
mod reader;
mod replay;
mod writer;

pub use config::{Durability, LogConfig};
pub use entry::{Committed, Entry, Location, Position, Recovery, Replayed, Torn};
pub use error::{Fault, LogError, Refused};
pub use inspect::{Inspection, inspect};
pub use log::Log;
pub use writer::BUFFER_BYTES;
