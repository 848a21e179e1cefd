//! What threads share: atomics, locks, and the thread itself. The model check puts its own in
//! place of this module.

pub(crate) use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
pub(crate) use std::sync::{Mutex, MutexGuard};
pub(crate) use std::thread::{Thread, current};

use std::cell::Cell;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;

thread_local! {
    static RECLAIMING: Cell<bool> = const { Cell::new(false) };
    static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// This thread's number, counted from 0 in the order in which threads asked for theirs.
#[inline]
pub(crate) fn thread_number() -> usize {
    let number = NUMBER.get();
    if number == usize::MAX { number_thread() } else { number }
}

#[cold]
fn number_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, SeqCst);
    NUMBER.set(number);
    number
}

/// Says whether this thread is within a reclaimer; returns what was said before.
pub(crate) fn replace_reclaiming(reclaiming: bool) -> bool {
    RECLAIMING.replace(reclaiming)
}

/// Locks; a holder that panicked left nothing half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
