//! What is charged to the pool, and how much it may be.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use crate::holdings::Holdings;

/// Bytes charged, of which tables, and the capacity.
#[derive(Debug)]
pub(crate) struct Ledger {
    capacity: AtomicU64,
    used: AtomicU64,
    tables: AtomicU64,
    /// What the capacity is reserved by: it lasts as long as anything that is charged here.
    pub(crate) holdings: Holdings,
}

impl Ledger {
    /// A ledger of all reserved bytes in which `tables` bytes are charged for good.
    pub(crate) fn new(holdings: Holdings, tables: u64) -> Self {
        Self {
            capacity: AtomicU64::new(holdings.bytes()),
            used: AtomicU64::new(tables),
            tables: AtomicU64::new(tables),
            holdings,
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

    /// The least capacity that its tables leave of use.
    pub(crate) fn capacity_min(&self) -> u64 {
        let tables = self.tables.load(SeqCst);
        self.holdings.floor().max(tables.saturating_add(self.holdings.floor() / 2))
    }

    /// Takes `bytes` of capacity more, if the governor has them to spare.
    pub(crate) fn grow(&self, bytes: u64) -> bool {
        let Some(grown) = self.holdings.grow(bytes) else { return false };
        self.capacity.fetch_add(grown, SeqCst);
        true
    }

    /// Lowers the capacity by `bytes` at most; by how many.
    pub(crate) fn lower(&self, bytes: u64) -> u64 {
        let mut capacity = self.capacity();
        loop {
            let lowered = bytes.min(capacity.saturating_sub(self.capacity_min()));
            let next = capacity - lowered;
            match self.capacity.compare_exchange(capacity, next, SeqCst, SeqCst) {
                Ok(_) => return lowered,
                Err(seen) => capacity = seen,
            }
        }
    }

    /// Takes back what [`Ledger::lower`] did.
    pub(crate) fn raise(&self, bytes: u64) {
        self.capacity.fetch_add(bytes, SeqCst);
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
