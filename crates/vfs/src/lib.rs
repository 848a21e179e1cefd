//! Files, directories, mappings, direct reads, fsync, and readings of the process and its cgroup,
//! behind small traits.
//!
//! [`Directory`] and [`File`] are all that the engine knows of a disk. It is not a general file
//! system interface: names are flat, files are written once or appended to, and nothing is
//! durable before it was synced, neither bytes ([`File::sync`]) nor names ([`Directory::sync`]).
//!
//! # Layout
//! - [`Directory`], [`File`]: the seam; [`OsDirectory`] is the real one, [`DirectoryLock`] keeps
//!   other processes out, [`SequentialWriter`] writes big files, [`FilePool`] bounds how many files
//!   are open
//! - [`Mapping`], [`AnonymousRegion`]: memory from the kernel; [`keep_little_freed_memory`]: how the
//!   allocator keeps it
//! - [`ReadRing`]: several reads at once; with the memory above the only unsafe code here
//! - [`process_memory`], [`machine_memory`], [`cgroup_memory`], [`open_file_limit`]: readings
//! - [`crash`]: a disk in memory that can lose power

mod advice;
mod cgroup;
pub mod crash;
mod error;
mod heap;
mod lock;
mod mapping;
mod name;
mod os;
mod priority;
mod process;
mod ring;
mod traits;
mod writer;

pub use cgroup::{CgroupLimit, CgroupMemory, CgroupVersion, cgroup_memory};
pub use error::{FilesExhausted, MappingsExhausted, Result, VfsError};
pub use heap::{keep_little_freed_memory, release_freed_memory};
pub use lock::{DirectoryLock, LOCK_FILE, LockHeld};
pub use mapping::{AnonymousRegion, Mapping};
pub use os::{FilePool, OsDirectory};
pub use priority::{Niceness, take_short_turns};
pub use process::{
    MachineMemory, ProcessMemory, machine_memory, open_file_limit, process_memory,
    raise_open_file_limit,
};
pub use ring::{Read, ReadRing};
pub use traits::{Access, Directory, Entry, EntryKind, File, Space};
pub use writer::SequentialWriter;
