//! What the governor's threads share, as the model checks it: every use is a point at which
//! another thread may go on.

pub(crate) use shuttle::sync::atomic::{AtomicU64, Ordering::SeqCst};
pub(crate) use shuttle::sync::{Mutex, MutexGuard, PoisonError};
pub(crate) use shuttle::thread::{Thread, current};

use std::cell::Cell;

shuttle::thread_local! {
    static RECLAIMING: Cell<bool> = Cell::new(false);
}

/// Says whether this thread is within a reclaimer; returns what was said before.
pub(crate) fn replace_reclaiming(reclaiming: bool) -> bool {
    RECLAIMING.with(|said| said.replace(reclaiming))
}

/// Two threads each share a lane.
pub(crate) fn thread_number() -> usize {
    usize::from(shuttle::current::me()) / 2
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
