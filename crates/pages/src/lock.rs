//! Taking locks whose holders may have panicked.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks; a holder that panicked left nothing half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
