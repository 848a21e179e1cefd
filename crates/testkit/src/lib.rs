//! Oracles, strategies and data for tests and benchmarks. Never a product dependency.
//!
//! # Layout
//! - [`oracle`]: brute-force answers in double precision, and recall against them
//! - [`data`]: seeded vectors, the shared data sets, `.npy`, `.fvecs` and `.bvecs` files
//! - [`strategies`]: proptest strategies for every noun of the model
//! - [`model_store`]: a collection as a plain map, to hold the engine against
//! - [`traces`]: what caches are asked for; [`reference_caches`]: what ours is held against
//! - [`random`]: seeded numbers; [`allocation`]: what a piece of code holds on the heap

pub mod allocation;
pub mod data;
pub mod leak;
pub mod model_store;
pub mod oracle;
pub mod random;
pub mod reference_caches;
pub mod strategies;
pub mod traces;

pub use data::{DataSet, Matrix};
pub use model_store::ModelStore;
pub use oracle::{Neighbour, ground_truth, nearest, recall};
