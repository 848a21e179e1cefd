//! The frames of one governed region: addresses, states, and the file they are filled from.

#![expect(unsafe_code, reason = "filling and releasing needs the claim that states give")]

use std::ops::Range;
use std::sync::Arc;

use vectorizer_model::layout::PAGE_BYTES;
use vectorizer_vfs::{self as vfs, File, Read};

use crate::arena::Arena;
use crate::config::PageKind;
use crate::error::{PagesError, Result};
use crate::ledger::Ledger;
use crate::state::States;

/// Addresses that one page of page table describes; such a page stays while the region is open.
const TABLE_SPAN_BYTES: usize = PAGE_BYTES / size_of::<u64>() * PAGE_BYTES;

/// Tables leave this part of the capacity to index bytes: a pool of tables alone could serve nobody.
const BYTES_PART: u64 = 4;

/// Adjacent extents of a region, to be read as one.
pub(crate) type Run<'a> = (&'a Arc<Frames>, Range<usize>);

/// What frames are made of.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) file: Arc<dyn File>,
    /// Where in the file the region starts.
    pub(crate) offset: u64,
    /// Bytes of the region, rounded up to whole pages.
    pub(crate) len: usize,
    pub(crate) kind: PageKind,
}

/// Extents of a region.
#[derive(Debug)]
pub(crate) struct Frames {
    pub(crate) id: u64,
    pub(crate) states: States,
    arena: Arena,
    source: Source,
    extent_bits: u32,
    ledger: Arc<Ledger>,
    /// Bytes charged for states and page tables.
    tables: u64,
}

impl Frames {
    /// Bytes that describe a region of `len` bytes: its states, and the kernel's page tables at
    /// their largest.
    pub(crate) fn table_bytes(len: usize, extent_bits: u32) -> u64 {
        len.div_ceil(1 << extent_bits) as u64 + Self::page_table_bytes(len)
    }

    /// The kernel's page tables of `len` bytes of addresses, at their largest.
    pub(crate) fn page_table_bytes(len: usize) -> u64 {
        (len.div_ceil(TABLE_SPAN_BYTES) * PAGE_BYTES) as u64
    }

    /// Frames with nothing resident. [`Frames::table_bytes`] are charged to the ledger; they are
    /// released with the frames, or by the caller if this fails.
    pub(crate) fn new(
        id: u64,
        source: Source,
        extent_bits: u32,
        ledger: Arc<Ledger>,
    ) -> Result<Self> {
        let len = source.len;
        let (tables, capacity) = (Self::table_bytes(len, extent_bits), ledger.capacity());
        let left = ledger.room().saturating_sub(tables);
        let short = (capacity / BYTES_PART).saturating_sub(left);
        if short > 0 && !ledger.grow(short) {
            let tables = capacity - ledger.room() + tables;
            return Err(PagesError::TooManyRegions { tables, capacity });
        }
        let arena = Arena::reserve(len)
            .map_err(|source| PagesError::Addresses { len: len as u64, source })?;
        ledger.add_tables(tables);
        Ok(Self {
            id,
            states: States::new(len.div_ceil(1 << extent_bits)),
            arena,
            source,
            extent_bits,
            ledger,
            tables,
        })
    }

    /// Whether the frames are charged to that ledger, and so to that pool.
    #[inline]
    pub(crate) fn belong_to(&self, ledger: &Arc<Ledger>) -> bool {
        Arc::ptr_eq(&self.ledger, ledger)
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.arena.bytes()
    }

    /// The extents that `range`, not empty and within the region, touches.
    #[inline]
    pub(crate) fn extents(&self, range: &Range<usize>) -> Range<usize> {
        range.start >> self.extent_bits..((range.end - 1) >> self.extent_bits) + 1
    }

    /// Bytes of a run of extents; the last one of the region may be short.
    pub(crate) fn run_bytes(&self, run: &Range<usize>) -> u64 {
        self.addresses(run).len() as u64
    }

    fn addresses(&self, run: &Range<usize>) -> Range<usize> {
        let end = (run.end << self.extent_bits).min(self.source.len);
        run.start << self.extent_bits..end
    }

    /// Whether the file is read past the page cache.
    pub(crate) fn is_direct(&self) -> bool {
        self.source.file.is_direct()
    }

    /// Reads a run of extents that the caller has claimed and charged. They are resident
    /// afterwards, or absent and released.
    pub(crate) fn read_claimed(&self, run: Range<usize>) -> Result<()> {
        let outcome = self.read_of_claimed(&run).finish();
        self.settle_claimed(run, outcome)
    }

    /// The read that fills a run of extents that the caller has claimed and charged. Its outcome
    /// goes to [`Frames::settle_claimed`].
    pub(crate) fn read_of_claimed(&self, run: &Range<usize>) -> Read<'_> {
        let addresses = self.addresses(run);
        let offset = self.source.offset + addresses.start as u64;
        // SAFETY: the caller claimed every extent of the run, so nobody else touches them before
        // they are settled.
        unsafe { self.arena.read(&*self.source.file, addresses, offset) }
    }

    /// Ends the reading of a run. Its extents are resident now, or absent and released.
    pub(crate) fn settle_claimed(&self, run: Range<usize>, outcome: vfs::Result<()>) -> Result<()> {
        if let Err(source) = outcome {
            let addresses = self.addresses(&run);
            let offset = self.source.offset + addresses.start as u64;
            let len = addresses.len() as u64;
            self.abandon_claimed(run);
            return Err(PagesError::Read { offset, len, source });
        }
        let warmth = match self.source.kind {
            PageKind::Links | PageKind::Codes => 1,
            PageKind::Vectors | PageKind::Other => 0,
        };
        for at in run {
            self.states.loaded(at, warmth);
        }
        Ok(())
    }

    /// Lets go of a run of extents that the caller has claimed and charged.
    fn abandon_claimed(&self, run: Range<usize>) {
        let addresses = self.addresses(&run);
        let bytes = addresses.len() as u64;
        // SAFETY: the caller claimed every extent of the run, so nobody else touches them.
        let (_, released) = unsafe { self.arena.release(&[addresses]) };
        debug_assert!(released.is_ok(), "{released:?}");
        for at in run {
            self.states.failed(at);
        }
        self.ledger.release(bytes);
    }

    /// Gives back the memory of runs of extents that the caller has taken. Returns how many extents
    /// they were, and their bytes, which stay charged: they are the caller's.
    pub(crate) fn give_back_taken(&self, runs: &[Range<usize>]) -> (u64, u64) {
        let addresses: Vec<_> = runs.iter().map(|run| self.addresses(run)).collect();
        // SAFETY: the caller took every extent of the runs after all steps that saw them ended.
        let (released, _) = unsafe { self.arena.release(&addresses) };
        let (freed, kept) = runs.split_at(released);
        kept.iter().cloned().flatten().for_each(|at| self.states.kept(at));
        freed.iter().cloned().flatten().for_each(|at| self.states.freed(at));
        let extents = freed.iter().map(|run| run.len() as u64).sum();
        (extents, addresses[..released].iter().map(|range| range.len() as u64).sum())
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        let held = self.states.holding();
        let bytes: u64 = held.map(|at| self.run_bytes(&(at..at + 1))).sum();
        self.ledger.release(bytes);
        self.ledger.release_tables(self.tables);
    }
}
