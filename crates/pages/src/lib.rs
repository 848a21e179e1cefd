//! Page frames: residency, pins, eviction. Every index byte is read through this crate.
//!
//! A [`Pool`] owns a fixed number of bytes. A [`Region`] is a component of a file under one base
//! address; its bytes are brought in when they are pinned and taken away when others need the
//! room. A [`Reader`] belongs to one search; a [`Guard`] to one step of it.
//!
//! It checks no checksums and knows no file format. It starts threads only where the kernel
//! refuses to read side by side for one.
//!
//! # Invariants
//! - Bytes resident, being read or being given back, with the tables that describe them, are
//!   charged to the pool, and the pool never holds more than its capacity.
//! - Memory is given back only after every step that could have seen it resident has ended.
//! - Nothing waits inside a step: a reader that finds bytes absent leaves its step, reads them,
//!   enters again and looks again at all that it had pinned.
//! - Room is charged before bytes are claimed, and claimed bytes are read without waiting for
//!   anything but disks. So whoever waits for bytes that another reads waits for a disk.
//!
//! # Layout
//! - `arena`: addresses, the only unsafe code; `state`: one byte per extent; `frames`: both for
//!   one region; `ledger`: what is charged; `epoch`: who is in a step; `registry`, `clock`: what
//!   to take away; `store`: bringing in and making room; `reads`, `threads`: several reads at
//!   once
//! - `managed`: what the caches' manager may take of it
//! - [`Pool`], [`Region`], [`Reader`], [`Guard`], [`Ahead`]: the way in
//!
//! After Leis et al. 2023, "Virtual-Memory Assisted Buffer Management" (vmcache); differs: readers
//! are protected by epochs instead of versions, because kernels read whole rows unvalidated.

mod arena;
mod clock;
mod config;
mod epoch;
mod error;
mod frames;
mod holdings;
mod ledger;
mod lock;
mod managed;
mod pool;
mod reader;
mod reads;
mod region;
mod registry;
mod state;
mod stats;
mod store;
mod threads;

pub use config::{Config, Growth, Misses, Open, PageKind, Residency};
pub use error::{PagesError, Result};
pub use pool::Pool;
pub use reader::{Ahead, Guard, Reader};
pub use region::Region;
pub use stats::Stats;
