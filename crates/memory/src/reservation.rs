//! Granted bytes and their holder.

use std::sync::Arc;

use vectorizer_model::{Budget, BudgetExceeded};

use crate::ask::Ask;
use crate::books::Books;
use crate::error::{MemoryError, Result};
use crate::{Class, Tenant};

/// Bytes granted to one class and tenant. Dropping it is the only release.
#[must_use = "dropping a reservation releases its bytes"]
#[derive(Debug)]
pub struct Reservation {
    books: Arc<Books>,
    class: Class,
    tenant: Tenant,
    bytes: u64,
}

impl Reservation {
    /// Holds what was charged to the books already.
    pub(crate) fn of_charged(books: &Arc<Books>, ask: Ask<'_>) -> Self {
        let Ask { class, tenant, bytes } = ask;
        Self { books: Arc::clone(books), class, tenant: tenant.clone(), bytes }
    }

    fn ask(&self, bytes: u64) -> Ask<'_> {
        Ask { class: self.class, tenant: &self.tenant, bytes }
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What they are held for.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Whose they are.
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// Takes `bytes` more, all or nothing. Unless the class is reclaimable itself, caches give
    /// back first; the caller holds no lock that a cache takes.
    ///
    /// # Errors
    /// [`MemoryError::AllocationTooLarge`] or [`MemoryError::InsufficientMemory`]; the bytes held
    /// so far stay held.
    pub fn try_grow(&mut self, bytes: u64) -> Result<()> {
        self.books.reclaim_and_admit(self.ask(bytes))?;
        // Cannot overflow: the root's counter holds at least the sum.
        self.bytes += bytes;
        Ok(())
    }

    /// Gives `bytes` back. More than is held is a bug of the caller: loud in debug builds, all
    /// that is held in others.
    pub fn shrink(&mut self, bytes: u64) {
        let bytes = self.at_most_held(bytes);
        self.bytes -= bytes;
        self.books.give_back(self.ask(bytes));
    }

    /// Takes `bytes` out into a reservation of their own; nothing is charged or released. More
    /// than is held is a bug of the caller: loud in debug builds, all that is held in others.
    pub fn split(&mut self, bytes: u64) -> Self {
        let bytes = self.at_most_held(bytes);
        self.bytes -= bytes;
        Self::of_charged(&self.books, self.ask(bytes))
    }

    /// Takes over all bytes of `other`, transferring them if class or tenant differ; `other` is
    /// left with none.
    ///
    /// # Errors
    /// The refusal of the transfer, or [`MemoryError::ForeignReservation`]; neither changed.
    pub fn merge(&mut self, other: &mut Self) -> Result<()> {
        if !Arc::ptr_eq(&self.books, &other.books) {
            return Err(MemoryError::ForeignReservation);
        }
        other.transfer(self.class, &self.tenant)?;
        self.bytes += std::mem::take(&mut other.bytes);
        Ok(())
    }

    /// Moves the bytes to another class or tenant. They stay charged to the root throughout, so
    /// nobody can take them in between.
    ///
    /// # Errors
    /// [`MemoryError::AllocationTooLarge`] or [`MemoryError::InsufficientMemory`] of the class or
    /// the tenant; nothing changed.
    pub fn transfer(&mut self, class: Class, tenant: &Tenant) -> Result<()> {
        let to = Ask { class, tenant, bytes: self.bytes };
        self.books.try_transfer(self.ask(self.bytes), to)?;
        self.class = class;
        self.tenant = tenant.clone();
        Ok(())
    }

    fn at_most_held(&self, bytes: u64) -> u64 {
        debug_assert!(
            bytes <= self.bytes,
            "{bytes} bytes taken from a reservation of {}",
            self.bytes
        );
        bytes.min(self.bytes)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.books.give_back(self.ask(self.bytes));
    }
}

impl Budget for Reservation {
    fn try_grow(&mut self, bytes: u64) -> std::result::Result<(), BudgetExceeded> {
        Self::try_grow(self, bytes).map_err(|refusal| refusal.exceeded(bytes))
    }

    fn shrink(&mut self, bytes: u64) {
        Self::shrink(self, bytes);
    }

    fn held(&self) -> u64 {
        self.bytes
    }
}
