//! Reading regions: one reader per search, one guard per step of it.

use std::iter;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use crate::clock::Extent;
use crate::error::{PagesError, Result};
use crate::region::{Backing, Region};
use crate::stats::count;
use crate::store::{Store, Wanted, refuse_within_step};

/// Tries to get all of a step's bytes while others may take them away again.
const CONTENDED_AFTER: usize = 4;

/// One search's way to read regions of a pool.
#[derive(Debug)]
pub struct Reader {
    store: Arc<Store>,
    slot: usize,
    /// What the step pinned; empty between steps.
    pins: Vec<Extent>,
    /// What later steps will pin, if this one reads.
    wishes: Vec<Extent>,
    hits: u64,
    misses: u64,
}

impl Reader {
    pub(crate) fn new(store: Arc<Store>) -> Result<Self> {
        let slot = store.epochs.claim();
        let slot =
            slot.ok_or_else(|| PagesError::TooManyReaders { readers_max: store.epochs.len() })?;
        Ok(Self { store, slot, pins: Vec::new(), wishes: Vec::new(), hits: 0, misses: 0 })
    }

    /// Begins a step. Keep it short: memory taken away meanwhile is given back only when it
    /// ends. While it lasts, the thread opens no regions and begins no other step.
    pub fn enter(&mut self) -> Guard<'_> {
        self.pins.clear();
        self.store.epochs.enter(self.slot);
        Guard { reader: self, one_thread: PhantomData }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.store.epochs.give_up(self.slot);
        count(&self.store.counters.hits, self.hits);
        count(&self.store.counters.misses, self.misses);
    }
}

/// A step: what it pins stays resident until it is dropped.
#[derive(Debug)]
pub struct Guard<'r> {
    reader: &'r mut Reader,
    /// Steps are counted per thread.
    one_thread: PhantomData<*const ()>,
}

impl Guard<'_> {
    /// Makes all bytes of `ranges` resident. They stay so until the guard is dropped, with all
    /// that it pinned before; absent bytes are read from the file, and the thread waits.
    ///
    /// # Errors
    /// [`PagesError::Read`], [`PagesError::WorkingSetTooLarge`], [`PagesError::Busy`],
    /// [`PagesError::OutOfRange`], [`PagesError::NestedGuard`] or [`PagesError::ForeignRegion`];
    /// nothing is pinned any more.
    #[inline]
    pub fn pin(
        &mut self,
        region: &Region,
        ranges: impl IntoIterator<Item = Range<usize>>,
    ) -> Result<()> {
        self.pin_ahead(region, ranges, |_| ())
    }

    /// [`Guard::pin`] that, if it has to read, first asks what later steps will pin: that is read
    /// too, in the time of the same wait. Nothing is read for its sake alone, nor where reads come
    /// one after another, and it fails nothing; whoever looks at the bytes pins them.
    ///
    /// # Errors
    /// As [`Guard::pin`].
    #[inline]
    pub fn pin_ahead(
        &mut self,
        region: &Region,
        ranges: impl IntoIterator<Item = Range<usize>>,
        ahead: impl FnOnce(&mut Ahead<'_>),
    ) -> Result<()> {
        let Backing::Governed(frames) = &region.backing else {
            return check(region.len, ranges);
        };
        if !frames.belong_to(&self.reader.store.ledger) {
            self.reader.pins.clear();
            return Err(PagesError::ForeignRegion);
        }
        let mut absent = 0_u64;
        let before = self.reader.pins.len();
        for range in ranges {
            if range.end > region.len || range.start > range.end {
                return Err(self.out_of_range(&range, region.len));
            }
            if range.is_empty() {
                continue;
            }
            for at in frames.extents(&range) {
                absent += u64::from(!frames.states.touch(at));
                self.reader.pins.push((frames.id, at));
            }
        }
        let touched = (self.reader.pins.len() - before) as u64;
        self.reader.hits += touched - absent;
        if absent == 0 {
            return Ok(());
        }
        self.reader.misses += absent;
        if self.reader.store.reads_at_once(frames) {
            ahead(&mut Ahead::new(self.reader));
        }
        self.bring_in()
    }

    /// [`Guard::pin`] of a single range.
    ///
    /// # Errors
    /// As [`Guard::pin`].
    #[inline]
    pub fn pin_range(&mut self, region: &Region, range: Range<usize>) -> Result<()> {
        self.pin(region, iter::once(range))
    }

    /// All bytes of a region, of which those may be looked at that this guard has pinned.
    ///
    /// # Contract
    /// - A range has the file's bytes from the [`Guard::pin`] of it that succeeded until the guard
    ///   is dropped or a later `pin` of the same guard fails. Taking its frames away is possible
    ///   only before the step entered its epoch or after it has left it.
    /// - Any later `pin` may leave the step and enter another, in which a pinned frame may have
    ///   been taken away and read again. It has the same bytes at the same address, but nobody may
    ///   look at it meanwhile: the answer borrows the guard, and `pin` wants it alone.
    /// - Every other byte is readable and never faults, but has no content: it may be zero, or of
    ///   the file, or change while it is looked at. Nothing may be decided by it; a cache hint may
    ///   name it. The answer covers it only because kernels add offsets to one base address.
    ///
    /// There is no version to validate after reading, unlike in vmcache: what was pinned is right,
    /// and what was not is never right.
    ///
    /// ```compile_fail,E0502
    /// # use vectorizer_pages::{Guard, Region};
    /// fn look_and_pin(guard: &mut Guard<'_>, region: &Region) {
    ///     let bytes = guard.bytes(region);
    ///     let pinned = guard.pin_range(region, 0..1);
    ///     assert!(pinned.is_ok() && bytes[0] == 0);
    /// }
    /// ```
    #[inline]
    pub fn bytes<'a>(&'a self, region: &'a Region) -> &'a [u8] {
        region.bytes()
    }

    /// Leaves the step, reads what is absent, enters again, and looks again at all pins: others
    /// may have taken some away meanwhile. After a few tries it keeps others from doing so.
    #[cold]
    fn bring_in(&mut self) -> Result<()> {
        let store = Arc::clone(&self.reader.store);
        let slot = self.reader.slot;
        let pins = std::mem::take(&mut self.reader.pins);
        let wishes = std::mem::take(&mut self.reader.wishes);
        store.epochs.leave(slot);
        let outcome = refuse_within_step().and_then(|()| {
            let wanted = Wanted::resolve(pins, &store.registry);
            if !wishes.is_empty() {
                let both = wanted.with(wishes, &store.registry);
                // What fails of the wishes fails nothing, and what fails of the step fails again.
                let _wished = store.bring_in(&both, None);
            }
            enter_with(&store, slot, wanted)
        });
        match outcome {
            Ok(wanted) => {
                self.reader.pins = wanted.into_extents();
                Ok(())
            }
            Err(error) => {
                store.epochs.enter(slot);
                Err(error)
            }
        }
    }

    #[cold]
    fn out_of_range(&mut self, range: &Range<usize>, len: usize) -> PagesError {
        self.reader.pins.clear();
        out_of_range(range, len)
    }
}

impl Drop for Guard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.reader.store.epochs.leave(self.reader.slot);
    }
}

/// What later steps will pin, as whoever has to read now knows it.
#[derive(Debug)]
pub struct Ahead<'r> {
    reader: &'r mut Reader,
    extents_max: usize,
}

impl<'r> Ahead<'r> {
    fn new(reader: &'r mut Reader) -> Self {
        let extents_max = reader.store.wishes_max();
        Self { reader, extents_max }
    }

    /// The bytes of a range, if they are resident.
    pub fn peek<'a>(&'a self, region: &'a Region, range: Range<usize>) -> Option<&'a [u8]> {
        if let Backing::Governed(frames) = &region.backing {
            let here = frames.belong_to(&self.reader.store.ledger) && !range.is_empty();
            let resident = |range| frames.extents(range).all(|at| frames.states.touch(at));
            if !here || range.end > region.len || !resident(&range) {
                return None;
            }
        }
        region.bytes().get(range)
    }

    /// Says that a range will be pinned soon. Beyond a small part of the pool, and outside of its
    /// governed regions, it is ignored.
    pub fn want(&mut self, region: &Region, range: Range<usize>) {
        if let Backing::Governed(frames) = &region.backing
            && frames.belong_to(&self.reader.store.ledger)
            && !range.is_empty()
            && range.end <= region.len
        {
            let absent = frames.extents(&range).filter(|at| !frames.states.is_resident(*at));
            for extent in absent.map(|at| (frames.id, at)) {
                let wishes = &mut self.reader.wishes;
                if wishes.len() < self.extents_max && !wishes.contains(&extent) {
                    wishes.push(extent);
                }
            }
        }
    }
}

/// Enters a step in which all wanted extents are resident. On failure no step is entered.
fn enter_with(store: &Store, slot: usize, wanted: Wanted) -> Result<Wanted> {
    for _ in 0..CONTENDED_AFTER {
        store.bring_in(&wanted, None)?;
        store.epochs.enter(slot);
        if wanted.are_resident() {
            return Ok(wanted);
        }
        store.epochs.leave(slot);
    }
    count(&store.counters.contended, 1);
    let mut clock = store.hold_clock();
    loop {
        store.bring_in(&wanted, Some(&mut clock))?;
        store.epochs.enter(slot);
        if wanted.are_resident() {
            return Ok(wanted);
        }
        // Another's read of a wanted extent failed, or another, who had taken one before the clock was
        // held, has given it back only now; this thread reads it itself.
        store.epochs.leave(slot);
    }
}

/// Bytes that are always there need no pins, but wrong offsets are wrong everywhere.
#[inline]
fn check(len: usize, ranges: impl IntoIterator<Item = Range<usize>>) -> Result<()> {
    for range in ranges {
        if range.end > len || range.start > range.end {
            return Err(out_of_range(&range, len));
        }
    }
    Ok(())
}

#[cold]
fn out_of_range(range: &Range<usize>, len: usize) -> PagesError {
    PagesError::OutOfRange { start: range.start, end: range.end, len }
}
