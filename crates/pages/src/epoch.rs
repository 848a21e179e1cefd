//! Who is in a step, and since when.
//!
//! A reader enters with the epoch of that moment. Whoever marked extents ends the epoch and waits
//! until nobody is in a step of it or an earlier one: who entered later saw the marks.

use std::cell::Cell;
use std::hint;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Release, Ordering::SeqCst};
use std::thread;

/// The slot has no owner.
const FREE: u64 = 0;
/// The owner is in no step.
const IDLE: u64 = 1;
/// The first epoch.
const FIRST: u64 = 2;

/// Looks at a slot before the processor is given to others.
const SPINS: usize = 64;

thread_local! {
    /// Steps that this thread is in, of whatever pool.
    static STEPS: Cell<usize> = const { Cell::new(0) };
}

/// A slot on a cache line of its own.
#[derive(Debug)]
#[repr(align(64))]
struct Slot(AtomicU64);

/// The slots of all readers, and the epoch.
#[derive(Debug)]
pub(crate) struct Epochs {
    now: AtomicU64,
    slots: Box<[Slot]>,
    /// No slot at or above this one was ever owned.
    owned_below: AtomicUsize,
}

/// Whether this thread is in a step.
pub(crate) fn in_step() -> bool {
    STEPS.get() > 0
}

impl Epochs {
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            now: AtomicU64::new(FIRST),
            slots: (0..slots).map(|_| Slot(AtomicU64::new(FREE))).collect(),
            owned_below: AtomicUsize::new(0),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Memory of the slots.
    pub(crate) fn bytes_needed(slots: usize) -> u64 {
        (slots * size_of::<Slot>()) as u64
    }

    /// A slot of one's own, if one is free.
    pub(crate) fn claim(&self) -> Option<usize> {
        let free = |slot: &Slot| slot.0.compare_exchange(FREE, IDLE, SeqCst, SeqCst).is_ok();
        let at = self.slots.iter().position(free)?;
        self.owned_below.fetch_max(at + 1, SeqCst);
        Some(at)
    }

    pub(crate) fn give_up(&self, slot: usize) {
        self.slots[slot].0.store(FREE, SeqCst);
    }

    #[inline]
    pub(crate) fn enter(&self, slot: usize) {
        let now = self.now.load(SeqCst);
        self.slots[slot].0.store(now, SeqCst);
        STEPS.set(STEPS.get() + 1);
    }

    #[inline]
    pub(crate) fn leave(&self, slot: usize) {
        // Whoever sees the step ended sees its reads done; nothing after it is ordered by this.
        self.slots[slot].0.store(IDLE, Release);
        STEPS.set(STEPS.get() - 1);
    }

    /// Ends the epoch; who enters from now on sees what was done before.
    pub(crate) fn end(&self) -> u64 {
        self.now.fetch_add(1, SeqCst)
    }

    /// Waits until nobody is in a step of `epoch` or an earlier one. The caller is in none.
    pub(crate) fn wait_past(&self, epoch: u64) {
        debug_assert!(!in_step(), "would wait for itself");
        for slot in self.slots.iter().take(self.owned_below.load(SeqCst)) {
            let mut looks = 0_usize;
            while (FIRST..=epoch).contains(&slot.0.load(SeqCst)) {
                looks += 1;
                if looks < SPINS {
                    hint::spin_loop();
                } else {
                    thread::yield_now();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_earlier_steps_only() {
        let epochs = Epochs::new(2);
        let epochs = &epochs;
        let (one, two) = (epochs.claim().unwrap(), epochs.claim().unwrap());
        assert!(epochs.claim().is_none());
        thread::scope(|scope| {
            scope.spawn(move || epochs.enter(one)).join().unwrap();
            let ended = epochs.end();
            scope.spawn(move || epochs.enter(two)).join().unwrap();
            let waiter = scope.spawn(move || epochs.wait_past(ended));
            thread::sleep(std::time::Duration::from_millis(20));
            assert!(!waiter.is_finished());
            epochs.slots[one].0.store(IDLE, SeqCst);
            waiter.join().unwrap();
        });
        epochs.give_up(one);
        assert_eq!(epochs.claim(), Some(one));
    }
}
