//! A set of immutable components: write, open, search.
//!
//! A segment's rows never change. What is added later (a graph, an index of a field, payload
//! patches, tombstones) is a component of its own, so that nothing ever rewrites vectors but a
//! merge. It joins codes, graph, vectors and page frames; it decides nothing about when to flush,
//! merge or build, and knows nothing of logs, memtables or sequence order beyond the version that
//! each row carries.
//!
//! # Layout
//! - [`footer`], [`component`]: the file; [`store`]: where files and frames come from
//! - [`flat`]: writing rows; `rows`, `vectors`, `codes`, `payloads`, `flushed`, `graph`: reading
//!   them
//! - [`segment`]: all of them together; [`search`]: the nearest rows; `scan`: by
//!   looking at each; [`field_index`]: one field; `similarity`: an order of rows

#![forbid(unsafe_code)]

mod check;
mod codes;
pub mod component;
pub mod error;
pub mod field_index;
pub mod flat;
mod flushed;
pub mod footer;
mod graph;
mod graph_parts;
mod id_filter;
mod payloads;
mod rows;
mod scan;
pub mod search;
pub mod segment;
pub mod shortlist;
mod similarity;
pub mod store;
mod vectors;

pub use codes::LoadedCodes;
pub use component::{ComponentHead, ComponentRef, VERIFY_BYTES, file_name, file_number, verify};
pub use error::{SegmentError, SegmentSearchError};
pub use field_index::{field_index_bytes, write_field_index};
pub use flat::{FlatColumn, FlatRow, FlatTarget, FlatWriter};
pub use footer::ComponentKind;
pub use graph::{PagedLinks, WRITE_GRAPH_BYTES, write_graph};
pub use graph_parts::{GraphFiles, GraphPlan, build_graph_in_parts};
pub use payloads::{PatchRow, count_tombstones, read_tombstones, write_tombstones};
pub use search::SegmentQuery;
pub use segment::{Segment, SegmentRecord};
pub use shortlist::Shortlist;
pub use similarity::{SimilarityTree, VectorsByRow, order_by_similarity, order_bytes_needed};
pub use store::{Frames, Store};

#[cfg(test)]
#[global_allocator]
static ALLOCATOR: vectorizer_testkit::allocation::CountingAllocator =
    vectorizer_testkit::allocation::CountingAllocator;
