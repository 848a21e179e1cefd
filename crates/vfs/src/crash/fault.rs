//! Which calls fail, and how.

use rustix::io::Errno;

/// The calls that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// [`Directory::create`](crate::Directory::create).
    Create,
    /// [`Directory::open`](crate::Directory::open).
    Open,
    /// [`Directory::list`](crate::Directory::list).
    List,
    /// [`Directory::rename`](crate::Directory::rename).
    Rename,
    /// [`Directory::remove`](crate::Directory::remove) and, once per member,
    /// [`Directory::remove_subdirectory`](crate::Directory::remove_subdirectory).
    Remove,
    /// [`Directory::subdirectory`](crate::Directory::subdirectory), if it creates one.
    MakeDirectory,
    /// [`Directory::sync`](crate::Directory::sync).
    SyncDirectory,
    /// [`File::read_exact_at`](crate::File::read_exact_at).
    Read,
    /// [`File::write_all_at`](crate::File::write_all_at).
    Write,
    /// [`File::set_len`](crate::File::set_len).
    SetLen,
    /// [`File::sync`](crate::File::sync).
    SyncFile,
}

/// A plan of failures; by default none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    failures: Vec<Failure>,
    room: Option<u64>,
}

/// A stretch of calls of one kind that fail with `EIO`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    operation: Operation,
    /// Calls that succeed first.
    skipped: u64,
    /// Calls that fail then.
    failing: u64,
}

impl Faults {
    /// No failures.
    pub fn none() -> Self {
        Self::default()
    }

    /// Fails one call of the kind with `EIO`, after `skipped` ones that succeed.
    #[must_use]
    pub fn fail(mut self, operation: Operation, skipped: u64) -> Self {
        self.failures.push(Failure { operation, skipped, failing: 1 });
        self
    }

    /// Fails every call of the kind with `EIO`, after `skipped` ones that succeed.
    #[must_use]
    pub fn fail_from(mut self, operation: Operation, skipped: u64) -> Self {
        self.failures.push(Failure { operation, skipped, failing: u64::MAX });
        self
    }

    /// Fails writes with `ENOSPC` once they have lengthened files by `bytes` in all; the bytes that
    /// still fit are written.
    #[must_use]
    pub fn room(mut self, bytes: u64) -> Self {
        self.room = Some(bytes);
        self
    }

    /// Counts a call and says whether it fails.
    pub(super) fn check(&mut self, operation: Operation) -> Result<(), Errno> {
        let mut answer = Ok(());
        for failure in self.failures.iter_mut().filter(|failure| failure.operation == operation) {
            if failure.skipped > 0 {
                failure.skipped -= 1;
            } else if failure.failing > 0 {
                failure.failing -= 1;
                answer = Err(Errno::IO);
            }
        }
        answer
    }

    /// Takes up to `bytes` of the room; says how many were left to take.
    pub(super) fn take_room(&mut self, bytes: u64) -> u64 {
        let Some(room) = &mut self.room else { return bytes };
        let taken = bytes.min(*room);
        *room -= taken;
        taken
    }
}
