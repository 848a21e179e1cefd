//! Files, directories, mappings, direct reads, fsync, and readings of the process and its cgroup,
//! behind small traits.
//!
//! [`Directory`] and [`File`] are all that the engine knows of a disk. It is not a general file
//! system interface: names are flat, files are written once or appended to, and nothing is
//! durable before it was synced, neither bytes ([`File::sync`]) nor names ([`Directory::sync`]).

mod error;
mod traits;

pub use error::{Result, VfsError};
pub use traits::{Access, Directory, Entry, EntryKind, File, Space};
