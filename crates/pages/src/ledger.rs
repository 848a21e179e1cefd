//! What is charged to the pool, and how much it may be.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use vectorizer_memory::Reservation;

/// Bytes charged, of which tables, and the capacity.
#[derive(Debug)]
pub(crate) struct Ledger {
    capacity: AtomicU64,
    used: AtomicU64,
    tables: AtomicU64,
    /// The capacity's own charge: it lasts as long as anything that is charged here.
    pub(crate) reservation: Mutex<Reservation>,
}

impl Ledger {
    /// A ledger of all reserved bytes in which `tables` bytes are charged for good.
    pub(crate) fn new(reservation: Reservation, tables: u64) -> Self {
        Self {
            capacity: AtomicU64::new(reservation.bytes()),
            used: AtomicU64::new(tables),
            tables: AtomicU64::new(tables),
            reservation: Mutex::new(reservation),
        }
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.capacity.load(SeqCst)
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(SeqCst)
    }

    /// Bytes that index bytes can take at most.
    pub(crate) fn room(&self) -> u64 {
        self.capacity().saturating_sub(self.tables.load(SeqCst))
    }

    /// Charges `bytes` if they fit. The capacity is read again after the swap: either the charge
    /// sees that it was lowered meanwhile, or whoever lowered it sees the charge.
    pub(crate) fn try_charge(&self, bytes: u64) -> bool {
        let mut used = self.used();
        loop {
            let capacity = self.capacity();
            let next = used.checked_add(bytes).filter(|next| *next <= capacity);
            let Some(next) = next else {
                return false;
            };
            match self.used.compare_exchange(used, next, SeqCst, SeqCst) {
                Ok(_) if self.capacity() >= capacity => return true,
                Ok(_) => {
                    self.release(bytes);
                    used = self.used();
                }
                Err(seen) => used = seen,
            }
        }
    }

    pub(crate) fn release(&self, bytes: u64) {
        subtract(&self.used, bytes);
    }

    /// Bytes already charged are tables from now on.
    pub(crate) fn add_tables(&self, bytes: u64) {
        self.tables.fetch_add(bytes, SeqCst);
    }

    pub(crate) fn release_tables(&self, bytes: u64) {
        subtract(&self.tables, bytes);
        self.release(bytes);
    }

    pub(crate) fn set_capacity(&self, capacity: u64) {
        self.capacity.store(capacity, SeqCst);
    }
}

/// Takes off; below zero is a bug, loud in debug builds and zero in others.
fn subtract(counter: &AtomicU64, bytes: u64) {
    let mut current = counter.load(SeqCst);
    loop {
        debug_assert!(bytes <= current, "{bytes} bytes released, {current} held");
        let next = current.saturating_sub(bytes);
        match counter.compare_exchange_weak(current, next, SeqCst, SeqCst) {
            Ok(_) => return,
            Err(seen) => current = seen,
        }
    }
}
