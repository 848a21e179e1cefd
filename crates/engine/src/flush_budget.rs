//! Memory that is set aside for flushes: a flush frees more than it takes, so that it must never
//! wait for others to free some.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vectorizer_memory::{Class, Governor, Reservation, Tenant};
use vectorizer_model::{Budget, BudgetExceeded};
use vectorizer_segment::FlatWriter;

use crate::error::Result;

/// No more than this part of what is free is set aside.
const SHARE: u64 = 4;

/// What one flush at a time may use.
#[derive(Debug)]
pub(crate) struct FlushReserve {
    held: Reservation,
    turn: Mutex<()>,
}

/// The budget of the flush whose turn it is: the reserve first, then the governor's.
#[derive(Debug)]
pub(crate) struct FlushBudget<'a> {
    _turn: MutexGuard<'a, ()>,
    reserve: u64,
    used: u64,
    beyond: Reservation,
}

impl FlushReserve {
    /// Sets aside what flushing a memtable of so many bytes takes: its rows' places and tables,
    /// a sample of its values, and the buffers of the files of one vector; at most a quarter of
    /// what is free.
    ///
    /// # Errors
    /// The budget refuses.
    pub(crate) fn take(governor: &Arc<Governor>, memtable_bytes: u64) -> Result<Self> {
        let wanted = memtable_bytes + memtable_bytes / 2 + FlatWriter::bytes_needed(0, 1);
        let bytes = wanted.min(governor.available() / SHARE);
        let held = governor.reserve(Class::Builds, &Tenant::system(), bytes)?;
        Ok(Self { held, turn: Mutex::default() })
    }

    /// Waits for the flush whose turn it is. `beyond` pays for what the reserve does not cover.
    pub(crate) fn lend(&self, beyond: Reservation) -> FlushBudget<'_> {
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        FlushBudget { _turn: turn, reserve: self.held.bytes(), used: 0, beyond }
    }
}

impl Budget for FlushBudget<'_> {
    fn try_grow(&mut self, bytes: u64) -> std::result::Result<(), BudgetExceeded> {
        let used = self.used.saturating_add(bytes);
        let beyond = used.saturating_sub(self.reserve);
        let more = beyond.saturating_sub(self.beyond.bytes());
        Budget::try_grow(&mut self.beyond, more)?;
        self.used = used;
        Ok(())
    }

    fn shrink(&mut self, bytes: u64) {
        self.used = self.used.saturating_sub(bytes);
        let beyond = self.used.saturating_sub(self.reserve);
        let less = self.beyond.bytes().saturating_sub(beyond);
        Budget::shrink(&mut self.beyond, less);
    }

    fn held(&self) -> u64 {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use vectorizer_memory::Limits;

    use super::*;

    #[test]
    fn the_reserve_is_used_first_and_serves_when_nothing_is_left() {
        let governor = Governor::new(Limits::of_root(64 << 20));
        let reserve = FlushReserve::take(&governor, 1 << 20).expect("room");
        let set_aside = reserve.held.bytes();
        let left = governor.available();
        let all = governor.reserve(Class::Memtables, &Tenant::system(), left).expect("the rest");

        let none = governor.reserve(Class::Builds, &Tenant::system(), 0).expect("nothing");
        let mut budget = reserve.lend(none);
        budget.try_grow(set_aside).expect("what was set aside");
        budget.try_grow(1).expect_err("nothing is left");
        assert_eq!(budget.held(), set_aside);

        drop(all);
        budget.try_grow(100).expect("room by now");
        assert_eq!(governor.reserved(), set_aside + 100);
        budget.shrink(60);
        assert_eq!(governor.reserved(), set_aside + 40);
        budget.shrink(set_aside);
        assert_eq!((budget.held(), governor.reserved()), (40, set_aside));
    }
}
