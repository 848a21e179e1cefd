//! One typed operation per file, the catalogue, the error kinds.

#![forbid(unsafe_code)]

pub mod defaults;

pub use defaults::CollectionDefaults;
