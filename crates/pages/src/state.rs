//! One byte per extent: absent, being read, resident and how warm, about to be taken away.
//!
//! ```text
//!            claim            loaded               mark             take          freed
//!   ABSENT --------> LOADING --------> RESIDENT.. ------> EVICTING ------> FREEING ------> ABSENT
//!      ^                |                   ^                 |
//!      +----- failed ---+                   +---- rescue -----+
//! ```
//! Sequentially consistent: a reader publishes its step and then looks at a state; whoever takes
//! away changes the state and then looks at steps. One of the two sees the other.

use std::sync::atomic::{AtomicU8, Ordering::SeqCst};

const ABSENT: u8 = 0;
const LOADING: u8 = 1;
const EVICTING: u8 = 2;
const FREEING: u8 = 3;
/// Resident and cold; every step up is one warmer.
const RESIDENT: u8 = 4;
/// Resident and as warm as it gets.
const HOTTEST: u8 = 7;

/// Rounds of the clock after which an untouched extent of any warmth is marked.
pub(crate) const ROUNDS_TO_COLD: usize = (HOTTEST - RESIDENT) as usize + 2;

/// The states of a region's extents.
#[derive(Debug)]
pub(crate) struct States(Box<[AtomicU8]>);

impl States {
    /// All absent.
    pub(crate) fn new(extents: usize) -> Self {
        Self((0..extents).map(|_| AtomicU8::new(ABSENT)).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the extent is resident, and warms it. Within a step it then stays resident to the
    /// step's end. An extent about to be taken away is rescued.
    #[inline]
    pub(crate) fn touch(&self, at: usize) -> bool {
        let state = &self.0[at];
        let seen = state.load(SeqCst);
        if seen == HOTTEST {
            return true;
        }
        if seen > FREEING {
            // Lost to another change: it was resident within this step, which is enough.
            swap(state, seen, seen + 1);
            return true;
        }
        self.rescue(at)
    }

    /// Whether the extent is resident; it is rescued if it was about to be taken away.
    pub(crate) fn rescue(&self, at: usize) -> bool {
        let state = &self.0[at];
        swap(state, EVICTING, RESIDENT + 1) || state.load(SeqCst) > FREEING
    }

    /// Whether another thread is reading it or giving it back.
    pub(crate) fn in_transit(&self, at: usize) -> bool {
        matches!(self.0[at].load(SeqCst), LOADING | FREEING)
    }

    pub(crate) fn is_absent(&self, at: usize) -> bool {
        self.0[at].load(SeqCst) == ABSENT
    }

    /// Takes an absent extent for reading.
    pub(crate) fn claim(&self, at: usize) -> bool {
        swap(&self.0[at], ABSENT, LOADING)
    }

    /// The claimed extent was read.
    pub(crate) fn loaded(&self, at: usize, warmth: u8) {
        let resident = (RESIDENT + warmth).min(HOTTEST);
        let was = swap(&self.0[at], LOADING, resident);
        debug_assert!(was, "loaded without a claim");
    }

    /// The claimed extent could not be read.
    pub(crate) fn failed(&self, at: usize) {
        let was = swap(&self.0[at], LOADING, ABSENT);
        debug_assert!(was, "failed without a claim");
    }

    /// One visit of the clock: cools a resident extent, or marks a cold one to be taken away.
    pub(crate) fn cool_or_mark(&self, at: usize) -> bool {
        let state = &self.0[at];
        match state.load(SeqCst) {
            RESIDENT => swap(state, RESIDENT, EVICTING),
            warm if warm > RESIDENT => {
                swap(state, warm, warm - 1);
                false
            }
            _ => false,
        }
    }

    /// Whether the clock may have something to do here.
    pub(crate) fn is_resident(&self, at: usize) -> bool {
        self.0[at].load(SeqCst) > FREEING
    }

    /// Takes a marked extent for giving back, unless it was rescued.
    pub(crate) fn take(&self, at: usize) -> bool {
        swap(&self.0[at], EVICTING, FREEING)
    }

    /// The taken extent was given back.
    pub(crate) fn freed(&self, at: usize) {
        let was = swap(&self.0[at], FREEING, ABSENT);
        debug_assert!(was, "freed without being taken");
    }

    /// The taken extent could not be given back.
    pub(crate) fn kept(&self, at: usize) {
        let was = swap(&self.0[at], FREEING, RESIDENT);
        debug_assert!(was, "kept without being taken");
    }

    /// Extents that hold memory, for the end of the region, when nobody else looks.
    pub(crate) fn holding(&self) -> impl Iterator<Item = usize> {
        let states = self.0.iter().enumerate();
        states.filter_map(|(at, state)| (state.load(SeqCst) != ABSENT).then_some(at))
    }
}

fn swap(state: &AtomicU8, from: u8, to: u8) -> bool {
    state.compare_exchange(from, to, SeqCst, SeqCst).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extent_lives_through_its_states() {
        let states = States::new(1);
        assert!(!states.touch(0));
        assert!(states.claim(0) && !states.claim(0) && states.in_transit(0));
        states.loaded(0, 0);
        assert!(states.touch(0));
        assert!(!states.cool_or_mark(0), "warm: cooled");
        assert!(states.cool_or_mark(0), "cold: marked");
        assert!(states.touch(0) && !states.take(0), "rescued");
        assert!(!states.cool_or_mark(0) && states.cool_or_mark(0));
        assert!(states.take(0) && !states.touch(0));
        states.freed(0);
        assert!(states.is_absent(0));
    }

    #[test]
    fn the_warmest_is_cold_after_the_stated_rounds() {
        let states = States::new(1);
        assert!(states.claim(0));
        states.loaded(0, u8::MAX - RESIDENT);
        let round = (1..=20).find(|_| states.cool_or_mark(0));
        assert!(round.is_some_and(|rounds| rounds <= ROUNDS_TO_COLD));
    }
}
