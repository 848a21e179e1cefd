//! The pool: opening regions and readers, and its size.

use std::ops::Range;
use std::sync::Arc;

use vectorizer_memory::{Class, Governor, ManagedCache, Tenant};
use vectorizer_model::layout::PAGE_BYTES;
use vectorizer_vfs::File;

use crate::arena::{self, Arena};
use crate::config::{Config, Open, Residency};
use crate::epoch::Epochs;
use crate::error::{PagesError, Result};
use crate::frames::{Frames, Source};
use crate::holdings::Holdings;
use crate::ledger::Ledger;
use crate::managed::ManagedPages;
use crate::reader::Reader;
use crate::reads::Reads;
use crate::region::{Backing, Region};
use crate::stats::Stats;
use crate::store::Store;

/// Bytes of a pinned region that are read at once.
const PINNED_READ_BYTES: usize = 1 << 20;

/// Frames of a fixed number of bytes, shared by all regions opened in it.
#[derive(Debug)]
pub struct Pool {
    governor: Arc<Governor>,
    store: Arc<Store>,
}

impl Pool {
    /// A pool that reserves its capacity at once, under [`Class::Collections`] of the system, and
    /// what it grows by under [`Class::IndexPages`] and [`Class::BorrowedPages`]. The bytes are
    /// released when the pool, its regions and its readers are gone.
    ///
    /// # Errors
    /// [`PagesError::Memory`] if the governor refuses it, [`PagesError::WorkingSetTooLarge`] if
    /// the pool's own tables do not fit.
    ///
    /// # Panics
    /// If `config.extent_bytes` is not a power of two of at least [`PAGE_BYTES`].
    pub fn new(governor: &Arc<Governor>, config: Config) -> Result<Arc<Self>> {
        let extent = config.extent_bytes;
        assert!(extent.is_power_of_two() && extent >= PAGE_BYTES, "extents are whole pages");
        let capacity = config.capacity;
        let needed = Epochs::bytes_needed(config.readers_max);
        if needed > capacity {
            return Err(PagesError::WorkingSetTooLarge { needed, capacity });
        }
        let holdings = Holdings::new(governor, capacity, config.growth)?;
        let reads = Reads::new(config.misses, capacity - needed);
        let needed = needed + reads.bytes();
        let ledger = Arc::new(Ledger::new(holdings, needed));
        let store = Store::new(ledger, config.readers_max, extent.trailing_zeros(), reads);
        Ok(Arc::new(Self { governor: Arc::clone(governor), store: Arc::new(store) }))
    }

    /// Opens a part of a file. Governed regions want it opened for direct reads, mapped and
    /// pinned ones take either. The file does not change while the region is open.
    ///
    /// # Errors
    /// [`PagesError::Misaligned`], [`PagesError::Addresses`], [`PagesError::Read`],
    /// [`PagesError::NotMappable`]; [`PagesError::Memory`] if pinned bytes do not fit;
    /// [`PagesError::WorkingSetTooLarge`] or [`PagesError::Busy`] if the pool has no room for the
    /// tables of a governed region. Nothing stays open.
    pub fn open(&self, file: Arc<dyn File>, open: &Open) -> Result<Region> {
        let range = whole_pages(&*file, open.range.clone())?;
        let len = length(range.end - range.start)?;
        let backing = match open.residency {
            empty if len == 0 => Backing::Empty(empty),
            Residency::Governed => self.govern(file, open, &range)?,
            Residency::Pinned => self.load(&*file, &open.tenant, &range)?,
            Residency::Mapped => map(&*file, &range)?,
        };
        Ok(Region { backing, len })
    }

    /// A way to read the regions of this pool, for one search.
    ///
    /// # Errors
    /// [`PagesError::TooManyReaders`].
    pub fn reader(&self) -> Result<Reader> {
        Reader::new(Arc::clone(&self.store))
    }

    /// Gives at least `bytes` back, as far as the capacity that it was opened with stays; how many.
    /// Extents are taken away while searches go on. In a step nothing is given back.
    pub fn give_back(&self, bytes: u64) -> u64 {
        self.store.give_back(bytes, Class::BorrowedPages)
    }

    /// What a manager of caches asks for bytes: the frames held as a cache, and those borrowed
    /// beyond. The manager holds them weakly.
    pub fn managed(&self) -> [Arc<dyn ManagedCache>; 2] {
        let of = |class| -> Arc<dyn ManagedCache> { ManagedPages::new(&self.store, class) };
        [of(Class::IndexPages), of(Class::BorrowedPages)]
    }

    /// From now on the pool grows as a cache only while all caches together stay below so many
    /// thousandths of their limit: it would else fill what leads to a run of evictions.
    pub fn set_growth_line(&self, permille: u16) {
        self.store.ledger.holdings.set_line(permille);
    }

    /// Bytes that [`Pool::give_back`] could give.
    pub fn reclaimable(&self) -> u64 {
        self.store.ledger.holdings.reclaimable()
    }

    /// Whether so many bytes could be brought in with nothing taken away.
    pub fn has_room(&self, bytes: u64) -> bool {
        let ledger = &self.store.ledger;
        let free = ledger.capacity().saturating_sub(ledger.used());
        bytes <= free || ledger.holdings.can_grow(bytes - free)
    }

    /// What was counted. Open readers add their hits and misses when they are dropped.
    pub fn stats(&self) -> Stats {
        let ledger = &self.store.ledger;
        self.store.counters.read(ledger.capacity(), ledger.used())
    }

    fn govern(&self, file: Arc<dyn File>, open: &Open, range: &Range<u64>) -> Result<Backing> {
        let store = &self.store;
        let len = paged(range)?;
        let tables = Frames::table_bytes(len, store.extent_bits());
        store.charge(tables)?;
        let source = Source { file, offset: range.start, len, kind: open.kind };
        let (id, ledger) = (store.registry.number(), Arc::clone(&store.ledger));
        match Frames::new(id, source, store.extent_bits(), ledger) {
            Ok(frames) => {
                let frames = Arc::new(frames);
                store.registry.insert(&frames);
                Ok(Backing::Governed(frames))
            }
            Err(error) => {
                store.ledger.release(tables);
                Err(error)
            }
        }
    }

    fn load(&self, file: &dyn File, tenant: &Tenant, range: &Range<u64>) -> Result<Backing> {
        let len = paged(range)?;
        let bytes = len as u64 + Frames::page_table_bytes(len);
        let reservation = self.governor.reserve(Class::Pinned, tenant, bytes)?;
        let refused = |source| PagesError::Addresses { len: len as u64, source };
        let arena = Arena::reserve(len).map_err(refused)?;
        let arena = arena.loaded(file, range.start, PINNED_READ_BYTES)?;
        Ok(Backing::Pinned { arena, reservation })
    }
}

fn map(file: &dyn File, range: &Range<u64>) -> Result<Backing> {
    let file = file.os_file().ok_or(PagesError::NotMappable)?;
    let refused = |source| PagesError::Addresses { len: range.end, source };
    let mapping = arena::map(file, range.end).map_err(refused)?;
    let start = length(range.start)?;
    Ok(Backing::Mapped { mapping, start })
}

/// The range, all of the file by default, if its pages lie within the file.
fn whole_pages(file: &dyn File, range: Option<Range<u64>>) -> Result<Range<u64>> {
    let file_len = file.len().map_err(|source| PagesError::Read { offset: 0, len: 0, source })?;
    let range = range.unwrap_or(0..file_len);
    let page = PAGE_BYTES as u64;
    let paged_end = range.end.checked_next_multiple_of(page);
    let within = paged_end.is_some_and(|end| end <= file_len);
    if range.start > range.end || !range.start.is_multiple_of(page) || !within {
        return Err(PagesError::Misaligned { start: range.start, end: range.end, file_len });
    }
    Ok(range)
}

/// Bytes of the range rounded up to whole pages.
fn paged(range: &Range<u64>) -> Result<usize> {
    Ok(length(range.end - range.start)?.next_multiple_of(PAGE_BYTES))
}

fn length(bytes: u64) -> Result<usize> {
    usize::try_from(bytes).map_err(|_too_long| PagesError::WorkingSetTooLarge {
        needed: bytes,
        capacity: usize::MAX as u64,
    })
}
