//! Shards of memtable, log and segments: flush, build, merge, recovery.
//!
//! [`Engine`] is the library: open a folder, create collections, write operations, take views and
//! search them. It is synchronous; results that come later are [`ticket::Ticket`]s, which are std
//! futures and can be blocked on. It knows no async runtime, no wire format, no JSON, and nothing
//! of other nodes. From the first write to the search after a restart: `examples/embedded.rs`.
//!
//! # Layout
//! - [`engine`]: the door; `memory`: what it shows of its memory; `node`: what shards share; [`options`]; [`error`]
//! - `collection`, `collections`: open ones and closed ones; `loading`: opening those that are wanted
//!   and closing those that are not; `idle`: which are
//! - `shard`: one shard's state; `memtable`, `deaths`: what changes in it; `apply`: how;
//!   `cost`: what an operation takes; `parts`: operations by filter
//! - [`view`]: what one request sees; `selection`, `nearest`: searching it; [`leaf`]: the questions
//! - `row_payloads`: payloads as a view shows them; `judge`: rows by them, and some `besides`; `row_caches`: what is
//!   kept of both, in `payload_cache` and `predicate_cache`; `verdicts`, `recently_asked`: of what
//!   those are made
//! - `manifest`, `catalogue`, `recovery`: what is on disk, and opening it
//! - `storage_type`: what a collection may be in cluster mode; `stored`,
//!   `convert`: finding and converting what is not
//! - `estimate`: what reading takes; [`Origin`]: whose memory a write uses
//! - [`verify`](mod@verify): checking a folder that no engine has open
//! - `flush`, `merge`, `build`: background work, `unpublished`: its files until a manifest names them;
//!   `policy`: which is next; `background`: the threads
//! - [`ticket`], [`executor`]: results that come later, and the threads that searches run on

#![forbid(unsafe_code)]

mod admit;
mod applied;
mod apply;
mod background;
mod besides;
mod build;
mod busy;
mod catalogue;
mod claim;
mod collection;
mod collections;
mod convert;
mod cost;
mod deaths;
pub mod engine;
pub mod error;
mod estimate;
pub mod executor;
mod flush;
mod flush_budget;
mod identity;
mod idle;
pub mod info;
mod judge;
pub mod leaf;
mod loading;
mod locate;
mod maintain;
mod manifest;
mod memory;
mod memtable;
mod memtable_scan;
mod merge;
mod nearest;
mod node;
pub mod options;
mod origin;
mod parts;
mod payload_cache;
mod policy;
mod predicate_cache;
mod pressed;
mod reach;
mod recently_asked;
mod recovery;
mod room;
mod row_caches;
mod row_order;
mod row_payloads;
mod scroll;
mod selection;
mod shard;
mod state;
mod storage_type;
mod stored;
mod target;
mod throttle;
pub mod ticket;
mod unpublished;
mod verdicts;
pub mod verify;
pub mod view;

pub use applied::Applied;
pub use convert::ContentDigest;
pub use engine::Engine;
pub use error::EngineError;
pub use estimate::records_bytes;
pub use executor::TaskQueue;
pub use identity::ViewIdentity;
pub use info::CollectionInfo;
pub use leaf::{
    Hit, LeafScroll, LeafSearch, PayloadSelector, Record, SearchParams, Select, VectorSelector,
};
pub use loading::Totals;
pub use options::EngineOptions;
pub use origin::Origin;
pub use parts::Part;
pub use row_caches::RowCaches;
pub use storage_type::StorageRule;
pub use stored::stored_storage_types;
pub use target::{FoundCollection, Target};
pub use ticket::Ticket;
pub use vectorizer_hnsw::Scratch;
pub use vectorizer_log::Durability;
pub use vectorizer_pages::{Growth, Residency, Stats as PageStats};
pub use verify::{Report, verify};
pub use view::ReadView;
