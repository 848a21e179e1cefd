//! One typed operation per file, the catalogue, the error kinds.
//!
//! Every door (REST and those to come) makes one of these operations out of a request and shows
//! its outcome; what an operation means is written here and nowhere else. This crate knows no wire
//! format, no async runtime and no sockets: futures are plain std futures, and the one timer it
//! needs comes in through [`Context`].
//!
//! # Layout
//! - [`operation`]: the trait; [`catalogue`]: all operations; [`context`]: what they run in
//! - [`run`]: the one way in; [`estimate`]: what operations are expected to hold
//! - [`collections`], [`points`], [`payload`], [`search`], [`index`], [`memory`], [`discovery`]: one
//!   operation per file
//! - [`settings`]: what a collection's settings become; [`defaults`]: where nothing is said
//! - [`caller`]: whose memory operations use, and what they may reach
//! - [`found`]: what was discovered, and the caches that keep it
//! - `point_quotas`: how many points tenants may have
//! - `cache_settings`: what entries caches keep; `kept`: caches that follow it; `checks`: what is
//!   kept between looks at memory
//! - [`error`]: the eight kinds; `turn`: one settings change after the other; `write`: pacing

#![forbid(unsafe_code)]

mod cache_settings;
pub mod caller;
pub mod catalogue;
mod checks;
pub mod collections;
pub mod context;
pub mod defaults;
pub mod discovery;
pub mod error;
pub mod estimate;
pub mod found;
mod guarded;
pub mod index;
mod kept;
pub mod memory;
pub mod operation;
pub mod payload;
mod point_quotas;
pub mod points;
pub mod run;
pub mod search;
pub mod settings;
mod turn;
mod write;

pub use caller::Caller;
pub use catalogue::CATALOGUE;
pub use context::{Context, Sleep};
pub use defaults::CollectionDefaults;
pub use error::{ApiError, ErrorKind, Result};
pub use estimate::{Estimate, MemoryAwareOperation};
pub use guarded::Guarded;
pub use operation::{Access, Entry, Operation};
pub use run::Answered;
pub use vectorizer_query::{
    BoxFuture, NearestQuery, Page, PayloadSelector, Record, ScoredRecord, ScrollQuery,
    SearchParams, Select, Target, VectorSelector,
};
pub use write::Written;
