//! Reading what one step misses: side by side where the system allows it.
//!
//! A disk answers many reads in little more than the time of one. What serves them is made with
//! the pool and charged to it, and is never more than a small part of it; whoever finds nothing
//! free reads alone.

use std::sync::Mutex;
use std::thread;

use vectorizer_vfs::{self as vfs, Read, ReadRing};

use crate::config::Misses;
use crate::error::Result;
use crate::frames::{Frames, Run};
use crate::lock::lock;
use crate::threads::Threads;

/// At most this part of the pool serves reads.
const POOL_PART: u64 = 16;
/// Most rings: one for each search that runs at once.
const RINGS_MAX: usize = 16;

/// What reads several runs.
#[derive(Debug)]
pub(crate) enum Reads {
    /// Rings that nobody uses now, and how many there are.
    Rings(Mutex<Vec<ReadRing>>, usize),
    Threads(Threads),
    InTurn,
}

impl Reads {
    /// What was asked for, as far as the system and the pool's capacity allow.
    pub(crate) fn new(misses: Misses, capacity: u64) -> Self {
        let room = capacity / POOL_PART;
        match misses {
            Misses::Ring => Self::with_rings(ReadRing::new, room),
            Misses::Threads => Self::with_threads(room),
            Misses::InTurn => Self::InTurn,
        }
    }

    /// Rings, unless they are refused or do not fit.
    fn with_rings(make: impl Fn() -> vfs::Result<ReadRing>, room: u64) -> Self {
        let fit = usize::try_from(room / ReadRing::BYTES).unwrap_or(RINGS_MAX);
        let searches = thread::available_parallelism().map_or(1, usize::from);
        let made = (0..fit.min(searches).min(RINGS_MAX)).map_while(|_| make().ok());
        let rings: Vec<ReadRing> = made.collect();
        if rings.is_empty() {
            return Self::with_threads(room);
        }
        let count = rings.len();
        Self::Rings(Mutex::new(rings), count)
    }

    fn with_threads(room: u64) -> Self {
        Threads::start(room).map_or(Self::InTurn, Self::Threads)
    }

    /// Memory of what reads.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Rings(_, count) => *count as u64 * ReadRing::BYTES,
            Self::Threads(threads) => threads.bytes(),
            Self::InTurn => 0,
        }
    }

    /// Whether reads of a region go side by side with others.
    pub(crate) fn are_at_once(&self, of: &Frames) -> bool {
        match self {
            Self::Rings(..) => of.is_direct(),
            Self::Threads(_) => true,
            Self::InTurn => false,
        }
    }

    /// Reads runs that the caller has claimed and charged. The extents of each are resident
    /// afterwards, or absent and released; the failure is that of the first that failed.
    pub(crate) fn read(&self, runs: &[Run<'_>]) -> Result<()> {
        match self {
            Self::Rings(idle, _)
                if runs.len() > 1 && runs.iter().all(|(of, _)| self.are_at_once(of)) =>
            {
                let Some(mut ring) = lock(idle).pop() else {
                    return in_turn(runs);
                };
                let outcome = read_with(&mut ring, runs);
                if !ring.is_broken() {
                    lock(idle).push(ring);
                }
                outcome
            }
            Self::Threads(threads) if runs.len() > 1 => threads.read(runs),
            Self::Rings(..) | Self::Threads(_) | Self::InTurn => in_turn(runs),
        }
    }
}

fn read_with(ring: &mut ReadRing, runs: &[Run<'_>]) -> Result<()> {
    let mut reads: Vec<Read<'_>> = runs.iter().map(|(of, run)| of.read_of_claimed(run)).collect();
    ring.read(&mut reads);
    let mut first = Ok(());
    for ((of, run), read) in runs.iter().zip(reads) {
        first = first.and(of.settle_claimed(run.clone(), read.finish()));
    }
    first
}

fn in_turn(runs: &[Run<'_>]) -> Result<()> {
    let mut first = Ok(());
    for (of, run) in runs {
        first = first.and(of.read_claimed(run.clone()));
    }
    first
}

#[cfg(test)]
mod tests {
    use std::io;

    use vectorizer_vfs::VfsError;

    use super::*;

    fn refused() -> vfs::Result<ReadRing> {
        let source = io::Error::from(io::ErrorKind::PermissionDenied);
        Err(VfsError { call: "io_uring_setup", path: "io_uring".into(), source })
    }

    #[test]
    fn threads_take_the_place_of_refused_rings_and_nobody_theirs_in_a_small_pool() {
        let reads = Reads::with_rings(refused, 1 << 20);
        assert!(matches!(reads, Reads::Threads(_)), "{reads:?}");
        assert!(reads.bytes() > 0 && reads.bytes() <= 1 << 20);
        let reads = Reads::with_rings(refused, 1 << 12);
        assert!(matches!(reads, Reads::InTurn), "{reads:?}");
        assert_eq!(reads.bytes(), 0);
    }

    #[test]
    fn what_reads_takes_no_more_than_its_part_of_the_pool() {
        for capacity in [1 << 16, 1 << 20, 1 << 22, 1 << 30] {
            for misses in [Misses::Ring, Misses::Threads, Misses::InTurn] {
                assert!(Reads::new(misses, capacity).bytes() <= capacity / POOL_PART);
            }
        }
    }
}
