//! Who may hold how many bytes, and who must give some back.
//!
//! One [`Governor`] per process. Whoever grows a buffer first takes a [`Reservation`] for a
//! [`Class`] and a [`Tenant`]; the bytes are charged to root, class and tenant, all or nothing,
//! and dropping the reservation is the only release.
//!
//! Who does not fit may have caches give back ([`Reclaim`]), wait in line ([`Waiting`]), or be
//! refused with the holders named.
//!
//! It is not an allocator and measures nothing: drift between reserved and measured bytes comes
//! in as an argument. It knows no clock and no file, and starts no thread.
//!
//! # Invariants
//! - `reserved + drift + base <= limit` held at the moment of every admission; it is checked
//!   inside the compare-and-swap that admits. The same of the caches, classes and tenants.
//! - Root, the sum of classes and the sum of tenants are equal whenever no call is under way.
//! - A refused call changes nothing.
//! - No lock is held while a reclaimer or a waker runs.
//!
//! # Layout
//! - [`Class`], [`Limits`]: the tree; `account`: one node's counter; `tenant`: names
//! - `ask`: what is asked and refused; `books`: charging all nodes together, changing bounds
//! - `credit`: bytes charged ahead for small reservations; `counters`: what became of requests
//! - `reclaim`, `queue`: what comes before a refusal; [`Reservation`], [`Waiting`]: who holds
//!   the bytes or waits for them
//! - [`Governor`], [`Usage`]: the way in, and the report; [`MemoryError`]: refusals
//! - [`CacheMemoryManager`]: the caches together; [`CacheLadder`]: how full they are
//! - [`MemoryGuard`], [`AllocationGuard`]: operations, estimated and reserved as one;
//!   [`PressureLadder`]: steps; [`MemoryStats`]: what was measured; [`Clock`]: time comes in
//! - `durations`: how long waits and reclaims took
//! - `faults`: failures on demand, for tests
//! - `sync`: what threads share, so that a model check can put its own in place

#![forbid(unsafe_code)]

mod account;
mod ask;
mod books;
mod cache_ladder;
mod caches;
mod class;
mod clock;
mod counters;
mod credit;
mod durations;
mod error;
mod faults;
mod governor;
mod guard;
mod limits;
mod pressure;
mod queue;
mod reclaim;
mod reservation;
mod stats;
mod sync;
mod tenant;
mod usage;
mod waiting;

pub use cache_ladder::{CacheLadder, CacheLevel, CacheLevelChange, CacheLines, CacheStep};
pub use caches::{
    CacheFigures, CacheMemoryLimitExceeded, CacheMemoryManager, CacheMemoryStats,
    EVICTION_BATCH_BYTES, Evicted, ManagedCache, PolicyFigures,
};
pub use class::Class;
pub use clock::Clock;
pub use counters::{Counts, Reason};
pub use durations::DurationCounts;
pub use error::{Holder, MemoryError, OperationBound, Result, Scope};
pub use governor::Governor;
pub use guard::{
    AllocationGuard, CleanupCallback, Drawn, Finished, MemoryGuard, MemoryLimits, OperationId,
    OperationKind, OperationUsage, Overdue, Pressure, WaitingGuard,
};
pub use limits::{CacheShare, Limits, cache_limit};
pub use pressure::{PressureChange, PressureLadder, PressureLevel, PressureLines};
pub use reclaim::Reclaim;
pub use reservation::Reservation;
pub use stats::{Measurement, MemoryStats};
pub use tenant::Tenant;
pub use usage::{ClassUsage, TenantUsage, Usage};
pub use waiting::Waiting;
