//! Bytes of something shared that work under way may still take.

use std::sync::atomic::{AtomicU64, Ordering};

/// The sum of all claims.
#[derive(Debug, Default)]
pub(crate) struct Claims(AtomicU64);

/// One claim, until dropped.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    of: &'a Claims,
    bytes: u64,
}

impl Claims {
    /// Adds a claim; with it the sum of all.
    pub(crate) fn take(&self, bytes: u64) -> (Claim<'_>, u64) {
        let others = self.0.fetch_add(bytes, Ordering::AcqRel);
        (Claim { of: self, bytes }, others.saturating_add(bytes))
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.of.0.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}
