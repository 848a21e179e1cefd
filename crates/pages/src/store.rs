//! Bringing extents in and making room for them.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use vectorizer_memory::Class;
use vectorizer_model::bytes::MIB;

use crate::clock::{Clock, Extent, Taken};
use crate::epoch::{self, Epochs};
use crate::error::{PagesError, Result};
use crate::frames::{Frames, Run};
use crate::ledger::Ledger;
use crate::lock::lock;
use crate::reads::Reads;
use crate::registry::Registry;
use crate::stats::{Counters, count};

/// Extents taken away at once, so that one wait for steps to end serves many.
const BATCH_EXTENTS: u64 = 64;
/// No more is taken away at once than this, so that nobody waits long for an extent that is.
const BATCH_BYTES_MAX: u64 = 16 * MIB;
/// At most this part of the pool is marked ahead of the next shortage, and taken away at once where
/// less is short. A larger shortage has all of its batch marked.
const LIMBO_PART: u64 = 16;
/// At most this part of the pool is read for the later steps of one search.
const WISHES_PART: u64 = 64;
/// How long to wait for others' reads before looking again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Between two tries for room while all of it is being read into.
const BUSY_PAUSE: Duration = Duration::from_micros(100);
/// Tries before giving up: five seconds.
const BUSY_TRIES: usize = 50_000;

/// What all regions and readers of a pool share.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) epochs: Epochs,
    pub(crate) registry: Registry,
    pub(crate) counters: Counters,
    reads: Reads,
    /// Held by who gathers room bit by bit, before the clock: two who did so could each hold what
    /// the other lacks.
    gathering: Mutex<()>,
    clock: Mutex<Clock>,
    /// Bytes taken to shrink to the capacity and still charged; it rises under the clock.
    shrinking: AtomicU64,
    /// Signals that extents left transit.
    settled: Condvar,
    transit: Mutex<()>,
    extent_bits: u32,
}

/// The clock, while nobody else gathers room.
#[derive(Debug)]
pub(crate) struct HeldClock<'a> {
    clock: MutexGuard<'a, Clock>,
    /// Let go of after the clock.
    _gathering: MutexGuard<'a, ()>,
}

impl Deref for HeldClock<'_> {
    type Target = Clock;

    fn deref(&self) -> &Clock {
        &self.clock
    }
}

impl DerefMut for HeldClock<'_> {
    fn deref_mut(&mut self) -> &mut Clock {
        &mut self.clock
    }
}

/// Extents that one step needs, and their frames.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// Sorted, each once.
    extents: Vec<(Arc<Frames>, usize)>,
    /// The same by number, not to be taken away meanwhile.
    spared: Vec<Extent>,
}

impl Wanted {
    /// Looks up what is still open.
    pub(crate) fn resolve(mut spared: Vec<Extent>, registry: &Registry) -> Self {
        spared.sort_unstable();
        spared.dedup();
        let mut extents: Vec<(Arc<Frames>, usize)> = Vec::with_capacity(spared.len());
        for &(id, at) in &spared {
            let frames = match extents.last() {
                Some((last, _)) if last.id == id => Some(Arc::clone(last)),
                _ => registry.get(id),
            };
            extents.extend(frames.map(|frames| (frames, at)));
        }
        Self { extents, spared }
    }

    /// These, and others.
    pub(crate) fn with(&self, mut others: Vec<Extent>, registry: &Registry) -> Self {
        others.extend(&self.spared);
        Self::resolve(others, registry)
    }

    fn bytes(&self) -> u64 {
        let bytes = |(frames, at): &(Arc<Frames>, usize)| frames.run_bytes(&(*at..at + 1));
        self.extents.iter().map(bytes).sum()
    }

    /// Whether all are resident. Within a step they then stay so.
    pub(crate) fn are_resident(&self) -> bool {
        self.extents.iter().all(|(frames, at)| frames.states.rescue(*at))
    }

    pub(crate) fn into_extents(self) -> Vec<Extent> {
        self.spared
    }
}

impl Store {
    pub(crate) fn new(
        ledger: Arc<Ledger>,
        readers_max: usize,
        extent_bits: u32,
        reads: Reads,
    ) -> Self {
        Self {
            ledger,
            epochs: Epochs::new(readers_max),
            registry: Registry::default(),
            counters: Counters::default(),
            reads,
            gathering: Mutex::default(),
            clock: Mutex::default(),
            shrinking: AtomicU64::new(0),
            settled: Condvar::new(),
            transit: Mutex::default(),
            extent_bits,
        }
    }

    pub(crate) fn extent_bits(&self) -> u32 {
        self.extent_bits
    }

    /// Most extents that a step may read for later ones.
    pub(crate) fn wishes_max(&self) -> usize {
        usize::try_from((self.ledger.room() / WISHES_PART) >> self.extent_bits)
            .unwrap_or(usize::MAX)
    }

    /// Whether reads of a region go side by side with those of the same step.
    pub(crate) fn reads_at_once(&self, of: &Frames) -> bool {
        self.reads.are_at_once(of)
    }

    /// Keeps others from marking extents while the returned guard lives.
    pub(crate) fn hold_clock(&self) -> HeldClock<'_> {
        HeldClock { _gathering: lock(&self.gathering), clock: lock(&self.clock) }
    }

    /// Charges `bytes`, taking extents away as needed. The caller is in no step and holds
    /// nothing that others wait for.
    pub(crate) fn charge(&self, bytes: u64) -> Result<()> {
        if self.charge_or_grow(bytes) {
            return Ok(());
        }
        refuse_within_step()?;
        self.make_room(None, bytes, &[])
    }

    /// Charges `bytes` without taking anything away.
    fn charge_or_grow(&self, bytes: u64) -> bool {
        self.ledger.try_charge(bytes) || (self.ledger.grow(bytes) && self.ledger.try_charge(bytes))
    }

    /// Gives at least `bytes` back to the governor, as far as the floor allows, those of one class
    /// first; how many.
    pub(crate) fn give_back(&self, bytes: u64, first: Class) -> u64 {
        let lowered = self.ledger.lower(bytes);
        if lowered == 0 {
            return 0;
        }
        if self.shrink_to_capacity().is_err() {
            self.ledger.raise(lowered);
            return 0;
        }
        self.ledger.holdings.shrink(lowered, first);
        lowered
    }

    /// Takes extents away until no more than the capacity is charged.
    pub(crate) fn shrink_to_capacity(&self) -> Result<()> {
        refuse_within_step()?;
        let mut tries = 0;
        loop {
            if self.ledger.used() <= self.ledger.capacity() {
                return Ok(());
            }
            let (found, taken) = self.choose_excess();
            let bytes = taken.bytes();
            let freed = self.give_back_taken(found, taken, &mut tries);
            // In this order, or who looks in between would take as much again.
            self.ledger.release(*freed.as_ref().unwrap_or(&0));
            self.shrinking.fetch_sub(bytes, SeqCst);
            freed?;
        }
    }

    /// [`Store::choose`] of what is beyond the capacity and not being given back by another who
    /// shrinks; none if that is all of it.
    fn choose_excess(&self) -> (bool, Taken) {
        let mut clock = lock(&self.clock);
        // Read before what is charged: what is released in between is then no excess.
        let shrinking = self.shrinking.load(SeqCst);
        let over = self.ledger.used().saturating_sub(self.ledger.capacity());
        let over = over.saturating_sub(shrinking);
        if over == 0 {
            return (false, Taken::default());
        }
        let (found, taken) = self.choose(&mut clock, self.batch_of(over), &[]);
        self.shrinking.fetch_add(taken.bytes(), SeqCst);
        (found, taken)
    }

    /// Makes all wanted extents resident at some moment, not necessarily the same one. `clock` is
    /// given by who holds it already.
    pub(crate) fn bring_in(&self, wanted: &Wanted, clock: Option<&mut Clock>) -> Result<()> {
        let needed = wanted.bytes();
        let short = needed.saturating_sub(self.ledger.room());
        if short > 0 && !self.ledger.grow(short) {
            let capacity = self.ledger.room();
            return Err(PagesError::WorkingSetTooLarge { needed, capacity });
        }
        let absent = |(frames, at): &&(Arc<Frames>, usize)| {
            !frames.states.rescue(*at) && frames.states.is_absent(*at)
        };
        let missing: Vec<_> = wanted.extents.iter().filter(absent).collect();
        if !missing.is_empty() {
            let bytes = |(frames, at): &&(Arc<Frames>, usize)| frames.run_bytes(&(*at..at + 1));
            let bytes = missing.iter().map(bytes).sum();
            if !self.charge_or_grow(bytes) {
                self.make_room(clock, bytes, &wanted.spared)?;
            }
            let read = self.read_charged(&missing);
            self.announce();
            read?;
        }
        for (frames, at) in &wanted.extents {
            self.wait_settled(frames, *at);
        }
        Ok(())
    }

    /// Claims and reads charged extents; releases what others claimed first and what failed.
    fn read_charged(&self, missing: &[&(Arc<Frames>, usize)]) -> Result<()> {
        let mut runs: Vec<Run<'_>> = Vec::new();
        for (frames, at) in missing {
            if !frames.states.claim(*at) {
                self.ledger.release(frames.run_bytes(&(*at..at + 1)));
                continue;
            }
            match runs.last_mut() {
                Some((of, run)) if of.id == frames.id && run.end == *at => run.end += 1,
                _ => runs.push((frames, *at..at + 1)),
            }
        }
        count(&self.counters.reads, runs.len() as u64);
        let bytes = runs.iter().map(|(frames, run)| frames.run_bytes(run)).sum();
        count(&self.counters.bytes_read, bytes);
        self.reads.read(&runs)
    }

    /// Charges `bytes`, from free capacity or from what others lose; what was taken away goes
    /// to this caller and nobody in between.
    fn make_room(
        &self,
        mut clock: Option<&mut Clock>,
        bytes: u64,
        spared: &[Extent],
    ) -> Result<()> {
        let _gathering = clock.is_none().then(|| lock(&self.gathering));
        let (mut got, mut tries) = (0, 0);
        loop {
            if got >= bytes {
                self.ledger.release(got - bytes);
                return Ok(());
            }
            let capacity = self.ledger.room();
            if bytes > capacity {
                self.ledger.release(got);
                let needed = bytes;
                return Err(PagesError::WorkingSetTooLarge { needed, capacity });
            }
            if self.ledger.try_charge(bytes - got) {
                return Ok(());
            }
            match self.take_away(clock.as_deref_mut(), bytes - got, spared, &mut tries) {
                Ok(freed) => got += freed,
                Err(error) => {
                    self.ledger.release(got);
                    return Err(error);
                }
            }
        }
    }

    /// Takes a batch away and returns its bytes, still charged; none if all was rescued or is
    /// being read into. Only what it chooses by needs the clock: others go on while the memory is
    /// given back.
    fn take_away(
        &self,
        clock: Option<&mut Clock>,
        bytes: u64,
        spared: &[Extent],
        tries: &mut usize,
    ) -> Result<u64> {
        let bytes = self.batch_of(bytes);
        let (found, taken) = match clock {
            Some(clock) => self.choose(clock, bytes, spared),
            None => self.choose(&mut lock(&self.clock), bytes, spared),
        };
        self.give_back_taken(found, taken, tries)
    }

    /// Gives back what was chosen and returns its bytes, still charged. Waits a little if there was
    /// nothing to be found.
    fn give_back_taken(&self, found: bool, taken: Taken, tries: &mut usize) -> Result<u64> {
        let (extents, freed) = taken.give_back();
        self.announce();
        count(&self.counters.evictions, extents);
        if freed == 0 {
            *tries += 1;
            if *tries > BUSY_TRIES {
                let capacity = self.ledger.capacity();
                return Err(PagesError::Busy { capacity });
            }
        }
        if !found {
            thread::sleep(BUSY_PAUSE);
        }
        Ok(freed)
    }

    /// Takes what is to be given back, and says whether there was anything in limbo.
    fn choose(&self, clock: &mut Clock, bytes: u64, spared: &[Extent]) -> (bool, Taken) {
        let mark =
            |clock: &mut Clock, bytes| clock.mark(bytes, spared, &self.registry, &self.epochs) > 0;
        let found = !clock.limbo_is_empty() || mark(clock, bytes);
        let taken = clock.take(bytes, &self.epochs);
        if clock.limbo_is_empty() {
            // The next batch outlives its steps while this one is given back and read into.
            mark(clock, bytes.min(self.limbo_bytes()));
        }
        (found, taken)
    }

    /// What is taken away at once where so much is short.
    fn batch_of(&self, short: u64) -> u64 {
        let least = (BATCH_EXTENTS << self.extent_bits).min(self.limbo_bytes());
        short.min(BATCH_BYTES_MAX).max(least)
    }

    fn limbo_bytes(&self) -> u64 {
        (self.ledger.room() / LIMBO_PART).max(1)
    }

    /// Wakes whoever waits for extents in transit.
    fn announce(&self) {
        drop(lock(&self.transit));
        self.settled.notify_all();
    }

    fn wait_settled(&self, frames: &Frames, at: usize) {
        if !frames.states.in_transit(at) {
            return;
        }
        let mut transit = lock(&self.transit);
        while frames.states.in_transit(at) {
            let waited = self.settled.wait_timeout(transit, LOOK_AGAIN);
            transit = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A thread in a step would wait for its own step to end.
pub(crate) fn refuse_within_step() -> Result<()> {
    if epoch::in_step() {
        return Err(PagesError::NestedGuard);
    }
    Ok(())
}
