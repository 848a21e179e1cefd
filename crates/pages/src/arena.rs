//! Addresses of a region: anonymous memory filled by reads, or a mapped file.
//!
//! Facts relied on:
//! - [`AnonymousRegion`] and [`Mapping`] own their addresses until dropped;
//! - a file that is mapped is not shortened while it is: components never change after their
//!   footer, and removal leaves mapped bytes readable;
//! - only the thread that claimed an extent in `state` fills it, and only the one that took it
//!   for freeing releases it, after every step that saw it resident ended.

#![expect(
    unsafe_code,
    reason = "reads fill, and the kernel takes back, memory that others address"
)]

use std::ops::Range;
use std::slice;

use vectorizer_vfs::{AnonymousRegion, File, Mapping, Read, Result};

use crate::error::PagesError;

/// Anonymous addresses.
#[derive(Debug)]
pub(crate) struct Arena(AnonymousRegion);

impl Arena {
    /// Addresses for `len` bytes, a multiple of a page and not zero; no memory yet.
    pub(crate) fn reserve(len: usize) -> Result<Self> {
        let region = AnonymousRegion::reserve(len)?;
        // A fault must bring in one page, not the 2 MiB around it.
        region.advise_no_hugepage();
        Ok(Self(region))
    }

    /// All of the addresses. Bytes that nobody pinned have no defined content.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the region owns these addresses, readable for as long as it lives; anonymous
        // memory is initialised. Bytes change only while no reader may look at them.
        unsafe { slice::from_raw_parts(self.0.as_ptr(), self.0.len()) }
    }

    /// All of the addresses filled from the file's `offset`, `step` bytes at a time.
    pub(crate) fn loaded(
        self,
        file: &dyn File,
        offset: u64,
        step: usize,
    ) -> std::result::Result<Self, PagesError> {
        for start in (0..self.0.len()).step_by(step) {
            let range = start..(start + step).min(self.0.len());
            let (offset, len) = (offset + start as u64, range.len() as u64);
            // SAFETY: nobody else has these addresses yet.
            let read = unsafe { self.read(file, range, offset) };
            read.finish().map_err(|source| PagesError::Read { offset, len, source })?;
        }
        Ok(self)
    }

    /// The read that fills `range` from the file's `offset`.
    ///
    /// # Safety
    /// The caller alone has claimed the range; nobody reads it while the answer lives.
    pub(crate) unsafe fn read<'a>(
        &'a self,
        file: &'a dyn File,
        range: Range<usize>,
        offset: u64,
    ) -> Read<'a> {
        debug_assert!(range.start <= range.end && range.end <= self.0.len());
        let start = self.0.as_ptr().wrapping_add(range.start);
        // SAFETY: within the region, initialised, and the caller's alone.
        let buffer = unsafe { slice::from_raw_parts_mut(start, range.len()) };
        Read::new(file, buffer, offset)
    }

    /// Gives the memory of `ranges`, whole pages, back to the kernel. Returns how many of the first of
    /// them were given back; the next one was refused.
    ///
    /// # Safety
    /// The caller alone has taken the ranges; nobody reads them.
    pub(crate) unsafe fn release(&self, ranges: &[Range<usize>]) -> (usize, Result<()>) {
        // SAFETY: no reference to content of the ranges is alive, by the caller's word.
        unsafe { self.0.release_all(ranges) }
    }
}

/// Maps the first `end` bytes of a file that stays as it is while mapped.
pub(crate) fn map(file: &std::fs::File, end: u64) -> Result<Mapping> {
    // SAFETY: components never change after their footer was written.
    let mapping = unsafe { Mapping::new(file, end) }?;
    mapping.random();
    Ok(mapping)
}
