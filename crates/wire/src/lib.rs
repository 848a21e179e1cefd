//! JSON shapes of the contract, and their conversions to and from the operations of `api`.
//!
//! Requests are read in one pass, vectors without an intermediate form. Explicit nulls equal
//! absence. What the contract has and this server does not do yet is refused by name, and so is
//! what nobody knows: nothing is silently ignored.
//!
//! # Layout
//! - [`json`]: reading bodies, and what they will take in memory; [`error`]: refusals
//! - [`params`]: query strings; [`id`], [`value`], [`vector`], [`filter`], [`select`]: shared parts
//! - [`collections`], [`points`], [`payload`], [`query`], [`index`], [`batch`]: requests
//! - [`answer`]: responses; [`info`]: a collection's; [`openapi`]: the shapes as a document
//! - [`memory`], [`discovery`]: of administrators; Mimir's answers
//! - `object`: structs from objects alone; `check`: bounds in the contract's style; `unsupported`: what
//!   is refused by name

#![forbid(unsafe_code)]

pub mod answer;
pub mod batch;
mod check;
pub mod collections;
pub mod discovery;
pub mod error;
pub mod filter;
pub mod id;
pub mod index;
pub mod info;
pub mod json;
pub mod memory;
mod object;
pub mod openapi;
pub mod params;
pub mod payload;
pub mod points;
pub mod query;
pub mod select;
mod time;
mod unsupported;
pub mod value;
pub mod vector;

pub use error::{Result, WireError};
