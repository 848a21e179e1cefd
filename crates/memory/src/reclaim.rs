//! Asking caches for bytes back.

use std::fmt::Debug;
use std::sync::Weak;

use crate::error::Scope;
use crate::sync::{Mutex, lock, replace_reclaiming};

/// Who can give reclaimable bytes back: the caches together.
pub trait Reclaim: Send + Sync + Debug {
    /// Drops reservations of at least `bytes` in all within `for_scope`, cheapest to refill
    /// first, as far as floors and pins allow. Returns how many bytes were really given back
    /// before it returns; 0 ends the asking.
    ///
    /// It is called by whoever is short, on its thread, while the governor holds no lock. It may
    /// reserve, but then nothing is reclaimed for it, and only emergency bytes are sure.
    fn reclaim(&self, bytes: u64, for_scope: &Scope) -> u64;
}

/// How often in a row reclaiming may leave as much short as before: others took what was freed,
/// or the reclaimer counts bytes that it did not give back.
const FRUITLESS_MAX: u32 = 3;

/// Bytes that are short, and where.
#[derive(Debug)]
pub(crate) struct Short {
    pub(crate) bytes: u64,
    pub(crate) scope: Scope,
}

/// Leaves the reclaimer, also by a panic.
struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        replace_reclaiming(false);
    }
}

/// The reclaimer, if there is one. Held weakly: caches hold the governor.
#[derive(Debug, Default)]
pub(crate) struct Hook(Mutex<Option<Weak<dyn Reclaim>>>);

impl Hook {
    pub(crate) fn set(&self, reclaimer: Weak<dyn Reclaim>) {
        *lock(&self.0) = Some(reclaimer);
    }

    /// Tries until it succeeds, and before each further try has given back what is `short`, if
    /// that is of use. Ends when nothing comes back any more.
    pub(crate) fn retry<E>(
        &self,
        attempt: impl Fn() -> Result<(), E>,
        short: impl Fn(&E) -> Option<Short>,
    ) -> Result<(), E> {
        let (mut before, mut fruitless) = (u64::MAX, 0);
        loop {
            let Err(error) = attempt() else { return Ok(()) };
            let Some(Short { bytes, scope }) = short(&error) else { return Err(error) };
            fruitless = if bytes < before { 0 } else { fruitless + 1 };
            before = bytes;
            if fruitless == FRUITLESS_MAX || self.reclaim(bytes, &scope) == 0 {
                return Err(error);
            }
        }
    }

    /// Has `bytes` given back; none without a reclaimer, or if this thread is within one.
    pub(crate) fn reclaim(&self, bytes: u64, scope: &Scope) -> u64 {
        let held = lock(&self.0).clone();
        let Some(reclaimer) = held.and_then(|weak| weak.upgrade()) else { return 0 };
        if replace_reclaiming(true) {
            return 0;
        }
        let _leave = Leave;
        reclaimer.reclaim(bytes, scope)
    }
}
