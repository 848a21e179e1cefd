//! Several reads at once, by `io_uring`, where the system allows it.
#![expect(unsafe_code, reason = "the kernel fills buffers whose addresses it was given")]
//!
//! Facts relied on:
//! - a [`Read`] borrows or holds its file, and borrows its buffer alone, and [`ReadRing::read`] neither returns nor
//!   unwinds before the kernel has answered for every read that it took;
//! - a ring whose system call failed is not entered again, so that the kernel never takes an
//!   entry that was left in its queue.

use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use io_uring::{IoUring, Probe, opcode, types};
use rustix::io::Errno;

use crate::error::{Result, failed, refused};
use crate::traits::File;

/// Reads that are on their way at once. Disks gain little from more.
const DEPTH: usize = 32;

/// One read among several.
#[derive(Debug)]
pub struct Read<'a> {
    file: &'a dyn File,
    /// The file with its handle held open, if that is what it needs.
    held: Result<Option<Arc<dyn File>>>,
    buffer: &'a mut [u8],
    offset: u64,
    done: bool,
}

impl<'a> Read<'a> {
    /// Will fill `buffer` from `offset`.
    pub fn new(file: &'a dyn File, buffer: &'a mut [u8], offset: u64) -> Self {
        Self { file, held: file.held(), buffer, offset, done: false }
    }

    /// What came of it. What no ring has read whole is read now.
    ///
    /// # Errors
    /// As [`File::read_exact_at`].
    pub fn finish(self) -> Result<()> {
        if self.done {
            return Ok(());
        }
        match self.held? {
            Some(held) => held.read_exact_at(self.buffer, self.offset),
            None => self.file.read_exact_at(self.buffer, self.offset),
        }
    }
}

/// A queue of reads that the kernel does side by side.
pub struct ReadRing {
    ring: IoUring,
    broken: bool,
}

impl fmt::Debug for ReadRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadRing").field("broken", &self.broken).finish_non_exhaustive()
    }
}

impl ReadRing {
    /// Memory that a ring takes, nearly all of it the kernel's: both queues, a request for each
    /// place in them, and its own state. Linux 6.18 takes 18 KiB.
    pub const BYTES: u64 = 32 << 10;

    /// An empty ring.
    ///
    /// # Errors
    /// Where the kernel is too old, or a sandbox refuses `io_uring`, as containers often do.
    pub fn new() -> Result<Self> {
        let place = Path::new("io_uring");
        let depth = u32::try_from(DEPTH).unwrap_or(u32::MAX);
        let ring = IoUring::new(depth).map_err(failed("io_uring_setup", place))?;
        let mut probe = Probe::new();
        let answer = ring.submitter().register_probe(&mut probe);
        answer.map_err(failed("io_uring_register", place))?;
        if !probe.is_supported(opcode::Read::CODE) {
            return Err(refused("io_uring_register", place, Errno::NOSYS));
        }
        // A sandbox may allow the making of a ring and refuse its use.
        ring.submit().map_err(failed("io_uring_enter", place))?;
        Ok(Self { ring, broken: false })
    }

    /// Whether the system refused it while it was used. Reads then wait for
    /// [`Read::finish`].
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Reads side by side what lies in files that are read past the page cache, and waits for
    /// all of it. What fails, and what lies elsewhere, is left to [`Read::finish`].
    pub fn read(&mut self, reads: &mut [Read<'_>]) {
        for part in reads.chunks_mut(DEPTH) {
            if !self.broken {
                let pushed = self.push(part);
                self.wait(pushed, part);
            }
        }
    }

    /// Queues what can be read; says how many.
    fn push(&mut self, reads: &mut [Read<'_>]) -> usize {
        let mut queue = self.ring.submission();
        let mut pushed = 0;
        for (number, read) in (0_u64..).zip(reads) {
            let direct = match &read.held {
                Ok(Some(held)) => held.direct_file(),
                Ok(None) => read.file.direct_file(),
                Err(_) => None,
            };
            let Some((file, len)) = direct.zip(u32::try_from(read.buffer.len()).ok()) else {
                continue;
            };
            let entry =
                opcode::Read::new(types::Fd(file.as_raw_fd()), read.buffer.as_mut_ptr(), len)
                    .offset(read.offset)
                    .build()
                    .user_data(number);
            // SAFETY: file and buffer are borrowed, or held, until `wait` has the kernel's answer.
            let taken = unsafe { queue.push(&entry) };
            pushed += usize::from(taken.is_ok());
        }
        pushed
    }

    /// Hands over what is queued and waits until the kernel has answered for all that it took.
    fn wait(&mut self, pushed: usize, reads: &mut [Read<'_>]) {
        let mut open = pushed;
        while open > self.never_taken() {
            if self.broken {
                thread::yield_now();
            } else if let Err(error) = self.ring.submit_and_wait(open) {
                self.broken = !is_passing(&error);
            }
            for answer in self.ring.completion() {
                open -= 1;
                let read =
                    usize::try_from(answer.user_data()).ok().and_then(|at| reads.get_mut(at));
                if let Some(read) = read {
                    read.done = usize::try_from(answer.result()) == Ok(read.buffer.len());
                }
            }
        }
    }

    /// Entries that the kernel has not taken and never will.
    fn never_taken(&mut self) -> usize {
        if self.broken { self.ring.submission().len() } else { 0 }
    }
}

/// Whether the same call may succeed next time.
fn is_passing(error: &io::Error) -> bool {
    [Errno::INTR, Errno::AGAIN, Errno::BUSY]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
