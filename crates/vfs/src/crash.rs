//! A disk in memory that remembers all that was done to it, and the disks that a power loss could
//! have left behind.
//!
//! [`TraceDirectory`] behaves as the system's folder does and records every [`Effect`] in one
//! order. [`CrashImages`] cuts that trace anywhere and rebuilds what may be found after power
//! returns; each image is itself a fresh [`TraceDirectory`] on which recovery can run, and crash
//! again.
//!
//! # The model
//! - What a file's sync covered is there, and so are the names that a folder's sync covered.
//!   Everything else may or may not be.
//! - Bytes reach the device by sectors of [`SECTOR_BYTES`]. A sector holds some state that it had
//!   since the file's last sync; sectors are independent. So writes are torn and reordered.
//! - A file's length is one that it had since its last sync, independent of its sectors: a file
//!   that grew may be short, or long with zeros in it. Only cutting orders: what follows a cut is
//!   not there without the cut.
//! - Changes of names are independent, unless they share a name: then the later needs the earlier.
//!   A rename is one change, so its target is the old file or the new one. Syncing a file does not
//!   make its name durable, nor the other way round.
//! - After a failed sync the bytes that it should have made durable count as written to the device
//!   although perhaps they were not: a later sync that succeeds does not cover them, only their
//!   length and those sectors that were written again. They stay readable until the page cache is
//!   asked to drop the file ([`File::drop_cache`](crate::File::drop_cache)); then they are gone.
//!
//! Everything is determined by the trace, the cut and the seed.

mod effect;
mod fault;
mod file;
mod image;
mod random;
mod replay;
mod trace;
mod world;

pub use effect::{DirectoryId, Effect, FileId};
pub use fault::{Faults, Operation};
pub use image::{CrashImage, CrashImages};
pub use replay::{Mode, SECTOR_BYTES};
pub use trace::TraceDirectory;
