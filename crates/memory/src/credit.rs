//! Bytes charged ahead, from which small reservations are cut without touching the books.
//!
//! Every tenant has lanes of slots, one slot for each class. A thread uses the lane of its
//! number; few threads share one, but any may. So nothing is lost when a thread ends or bytes
//! are given back on another one, and whoever needs the bytes can close any slot.

use std::fmt;
use std::sync::OnceLock;

use crate::Class;
use crate::sync::{AtomicU64, SeqCst, thread_number};

/// Bytes that a slot holds at most, and those of the largest reservation that is cut from one.
pub(crate) const CREDIT_BYTES: u64 = 64 << 10;

/// All open slots together take at most this share of the root.
pub(crate) const ROOT_SHARE: u64 = 100;

const LANES: usize = 16;

/// A tenant's slots; none before the first is opened.
#[derive(Default)]
pub(crate) struct Credit(OnceLock<Box<[Lane; LANES]>>);

/// The slots of one lane, apart from those of others in the processor's caches.
#[repr(align(128))]
struct Lane([AtomicU64; Class::COUNT]);

/// One slot: its bytes, whether it is open, and how often something was cut from it.
#[derive(Clone, Copy)]
pub(crate) struct Slot<'a>(&'a AtomicU64);

const BYTES: u64 = OPEN - 1;
const OPEN: u64 = 1 << 17;
const CUT: u64 = OPEN << 1;
const _: () = assert!(CREDIT_BYTES <= BYTES, "a slot can tell its bytes");

/// What was in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) bytes: u64,
    /// Whether it was open.
    pub(crate) open: bool,
    /// How often something was cut from it.
    pub(crate) cuts: u64,
}

impl Credit {
    /// This thread's slot for a class, if there are slots.
    #[inline]
    pub(crate) fn slot(&self, class: Class) -> Option<Slot<'_>> {
        let lane = &self.0.get()?[thread_number() % LANES];
        Some(Slot(&lane.0[class.index()]))
    }

    /// This thread's slot for a class.
    pub(crate) fn slot_or_new(&self, class: Class) -> Slot<'_> {
        let lane = || Lane(std::array::from_fn(|_| AtomicU64::new(0)));
        let lanes = self.0.get_or_init(|| Box::new(std::array::from_fn(|_| lane())));
        Slot(&lanes[thread_number() % LANES].0[class.index()])
    }

    /// All slots.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (Class, Slot<'_>)> {
        let lanes = self.0.get().into_iter().flat_map(|lanes| lanes.iter());
        lanes.flat_map(|lane| Class::ALL.into_iter().zip(lane.0.iter().map(Slot)))
    }
}

impl fmt::Debug for Credit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credit").finish_non_exhaustive()
    }
}

impl Slot<'_> {
    /// Cuts `bytes` off, if there are as many.
    #[inline]
    pub(crate) fn take(self, bytes: u64) -> bool {
        self.change(|seen| (seen & BYTES >= bytes).then(|| seen - bytes + CUT))
    }

    /// Puts `bytes` in, if it is open and they fit.
    #[inline]
    pub(crate) fn give(self, bytes: u64) -> bool {
        self.change(|seen| {
            let fits = seen & OPEN != 0 && (seen & BYTES) + bytes <= CREDIT_BYTES;
            fits.then(|| seen + bytes)
        })
    }

    /// Opens it with `bytes`, if it is not open.
    pub(crate) fn open(self, bytes: u64) -> bool {
        self.change(|seen| (seen & OPEN == 0).then(|| (seen | OPEN) + bytes))
    }

    pub(crate) fn is_open(self) -> bool {
        self.0.load(SeqCst) & OPEN != 0
    }

    /// How often something was cut from it.
    pub(crate) fn cuts(self) -> u64 {
        self.0.load(SeqCst) / CUT
    }

    /// Closes it and takes out all there is.
    pub(crate) fn close(self) -> Closed {
        let seen = self.0.swap(0, SeqCst);
        Closed { bytes: seen & BYTES, open: seen & OPEN != 0, cuts: seen / CUT }
    }

    #[inline]
    fn change(self, next: impl Fn(u64) -> Option<u64>) -> bool {
        let mut seen = self.0.load(SeqCst);
        while let Some(next) = next(seen) {
            match self.0.compare_exchange_weak(seen, next, SeqCst, SeqCst) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
        false
    }
}
