//! The seam through which pure crates ask for memory.

/// A holder of bytes that can grow and shrink.
///
/// Pure and index crates grow through this trait; the caller passes a reservation of the memory
/// governor, or [`Unbounded`] in tests.
pub trait Budget {
    /// Takes `bytes` more, all or nothing.
    ///
    /// # Errors
    /// [`BudgetExceeded`]; the bytes held so far stay held. A retry helps once others gave back.
    fn try_grow(&mut self, bytes: u64) -> Result<(), BudgetExceeded>;

    /// Gives `bytes` back; at most what is held.
    fn shrink(&mut self, bytes: u64);

    /// Bytes held now.
    fn held(&self) -> u64;
}

/// A request for memory that the budget refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{requested} bytes requested, {available} bytes available")]
pub struct BudgetExceeded {
    /// Bytes asked for.
    pub requested: u64,
    /// Bytes that could have been granted.
    pub available: u64,
}

/// A budget that never refuses; for tests and tools that own the whole machine.
#[derive(Debug, Default, Clone, Copy)]
pub struct Unbounded {
    held: u64,
}

impl Budget for Unbounded {
    fn try_grow(&mut self, bytes: u64) -> Result<(), BudgetExceeded> {
        self.held = self.held.saturating_add(bytes);
        Ok(())
    }

    fn shrink(&mut self, bytes: u64) {
        self.held = self.held.saturating_sub(bytes);
    }

    fn held(&self) -> u64 {
        self.held
    }
}
