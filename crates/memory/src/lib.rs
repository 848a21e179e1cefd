//! Who may hold how many bytes, and who must give some back.
//!
//! One [`Governor`] per process. Whoever grows a buffer first takes a [`Reservation`] for a
//! [`Class`] and a [`Tenant`]; the bytes are charged to root, class and tenant, all or nothing,
//! and dropping the reservation is the only release.
//!
//! It is not an allocator and measures nothing: drift between reserved and measured bytes comes
//! in as an argument. It knows no clock, thread or file.
//!
//! # Invariants
//! - `reserved + drift + base <= limit` held at the moment of every admission; it is checked
//!   inside the compare-and-swap that admits.
//! - Root, the sum of classes and the sum of tenants are equal whenever no call is under way.
//! - A refused call changes nothing.
//!
//! # Layout
//! - [`Class`], [`Limits`]: the tree; `account`: one node's counter; `tenant`: names
//! - `books`: charging root, class and tenant together; [`Reservation`]: who holds the bytes
//! - [`Governor`], [`Usage`]: the way in, and the report; [`MemoryError`]: refusals
//! - [`CacheMemoryManager`]: the caches together; [`CacheLadder`]: how full they are

#![forbid(unsafe_code)]

mod account;
mod books;
mod cache_ladder;
mod caches;
mod class;
mod error;
mod governor;
mod limits;
mod reclaim;
mod reservation;
mod tenant;
mod usage;

pub use cache_ladder::{CacheLadder, CacheLevel, CacheLevelChange, CacheLines, CacheStep};
pub use caches::{
    CacheMemoryLimitExceeded, CacheMemoryManager, CacheMemoryStats, Clock, EVICTION_BATCH_BYTES,
    Evicted, ManagedCache,
};
pub use class::Class;
pub use error::{Holder, MemoryError, Result, Scope};
pub use governor::Governor;
pub use limits::Limits;
pub use reclaim::Reclaim;
pub use reservation::Reservation;
pub use tenant::Tenant;
pub use usage::{TenantUsage, Usage};
