//! The graph: build, search, encode; scores come through a trait.
//!
//! A hierarchical navigable small world graph (Malkov & Yashunin, "Efficient and robust
//! approximate nearest neighbor search using Hierarchical Navigable Small World graphs", 2018,
//! here "the paper"). It knows rows by [`Ordinal`](vectorizer_model::Ordinal) and distances
//! through [`Scorer`](vectorizer_model::Scorer) and [`RowScorer`](vectorizer_model::RowScorer);
//! it never sees a vector. A built graph never changes.
//!
//! It is not a place for vectors, codes, deletions or files, and it starts no thread: the caller
//! brings an [`Executor`], memory through [`Budget`](vectorizer_model::Budget), and a seed.
//!
//! # Layout
//! - [`params`]: what shapes a graph; `level`: the paper's level draw
//! - [mod@build]: all rows, in parallel; [`basis`]: a graph of some of them to start from; `insert`:
//!   Alg. 1; `select`: Alg. 4; `growing`: links that many threads write; `mend`: rows that lost
//!   their last link
//! - [`parts`]: all rows, a part at a time, where memory is short
//! - [`graph`]: the finished links; [`header`], [`encode`]: their bytes; [`upper`], [`reader`]: reading those
//! - [`links`]: the seam between a search and where links lie
//! - [mod@search]: Alg. 5 over Alg. 2; `pool`: its candidates; `visited`: rows it has met; [`visits`]: its cost;
//!   [`scratch`]: its memory

#![forbid(unsafe_code)]

pub mod basis;
pub mod build;
pub mod encode;
pub mod error;
pub mod graph;
mod growing;
pub mod header;
mod insert;
mod level;
pub mod links;
mod mend;
pub mod params;
pub mod parts;
mod pool;
pub mod reader;
pub mod scratch;
pub mod search;
mod select;
pub mod upper;
mod visited;
pub mod visits;

pub use basis::Basis;
pub use build::{Executor, Host, Inline, build, build_on};
pub use error::{BuildError, HnswError, PartsError, SearchError};
pub use graph::Graph;
pub use header::Header;
pub use links::{Links, decode_block};
pub use params::Params;
pub use parts::{Plan, Workshop, build_in_parts};
pub use reader::GraphBytes;
pub use scratch::Scratch;
pub use search::{Outcome, SearchErrorOf, SearchParams, search};
pub use upper::UpperLayers;
pub use visits::Visits;

#[cfg(test)]
#[global_allocator]
static ALLOCATOR: vectorizer_testkit::allocation::CountingAllocator =
    vectorizer_testkit::allocation::CountingAllocator;
