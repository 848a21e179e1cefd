//! Splits every operation into shard-local leaves and a merge.
//!
//! A [`CollectionView`] is what one request sees of a collection: its shards, each at one position
//! of its history. Questions to a shard go through [`ShardAccess`]; the shards of this node answer
//! on the engine's search threads. Futures here are plain std futures: this crate knows no async
//! runtime, no wire format and no sockets.
//!
//! # Layout
//! - [`access`]: the seam; [`local`]: the shards of this node; [`view`]: a collection's shards
//! - [`search`]: nearest points; [`read`]: scroll, count, retrieve; `merge`: one answer of many
//! - [`cache`]: hits of leaves that were asked before; [`metadata`]: numbers of points
//! - `join`: awaiting many shards; `answer`: hits with their records; `estimate`: what a
//!   query takes; [`error`]: why a query is refused

#![forbid(unsafe_code)]

pub mod access;
mod answer;
pub mod cache;
pub mod error;
mod estimate;
mod join;
pub mod local;
mod merge;
pub mod metadata;
pub mod read;
pub mod search;
pub mod view;

pub use access::{BoxFuture, ShardAccess};
pub use cache::QueryCache;
pub use error::QueryError;
pub use join::join_all;
pub use local::{LeafCaches, LocalShard};
pub use metadata::MetadataCache;
pub use read::{Page, ScrollQuery};
pub use search::{NearestQuery, ScoredRecord, Target};
pub use vectorizer_engine::{
    LeafScroll, LeafSearch, PayloadSelector, Record, SearchParams, Select, VectorSelector,
};
pub use view::CollectionView;
