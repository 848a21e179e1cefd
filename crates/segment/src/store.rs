//! What segments are opened with: a folder, page frames and a budget.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use vectorizer_memory::{Class, Governor, Reservation, Tenant};
use vectorizer_pages::{Ahead, Open, PageKind, Pool, Reader, Region, Residency};
use vectorizer_vfs::{Access, Directory};

use crate::component::{self, ComponentRef};
use crate::error::{Result, SegmentError};
use crate::footer::{ComponentKind, Footer, Section, SectionKind};

/// Bytes that are brought in as one before a search.
const WARM_BYTES: usize = 256 << 10;

/// Where a shard's segments lie and what they may use.
#[derive(Debug, Clone)]
pub struct Store {
    /// The shard's folder.
    pub directory: Arc<dyn Directory>,
    /// Page frames for all that is read.
    pub frames: Arc<Frames>,
    /// How component bytes are held.
    pub residency: Residency,
    /// Accounts for what lives outside of page frames.
    pub governor: Arc<Governor>,
    /// Whose collection it is.
    pub tenant: Tenant,
}

impl Store {
    /// Charges bytes of parsed tables that stay in memory as long as a component is open.
    pub(crate) fn charge(&self, bytes: u64) -> Result<Reservation> {
        Ok(self.governor.reserve(Class::Collections, &self.tenant, bytes)?)
    }
}

/// Page frames, and readers of them that wait for their next search.
#[derive(Debug)]
pub struct Frames {
    pool: Arc<Pool>,
    idle: Mutex<Vec<Reader>>,
}

impl Frames {
    /// Frames of a pool.
    pub fn new(pool: Arc<Pool>) -> Self {
        Self { pool, idle: Mutex::default() }
    }

    fn reader(self: &Arc<Self>) -> Result<PooledReader> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let reader = match idle {
            Some(reader) => reader,
            None => self.pool.reader()?,
        };
        Ok(PooledReader { frames: Arc::clone(self), reader: Some(reader) })
    }
}

/// A reader that goes back to the idle ones.
#[derive(Debug)]
pub(crate) struct PooledReader {
    frames: Arc<Frames>,
    reader: Option<Reader>,
}

impl Drop for PooledReader {
    fn drop(&mut self) {
        let mut idle = self.frames.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.extend(self.reader.take());
    }
}

/// An open component: its footer, and its bytes through page frames.
#[derive(Debug)]
pub(crate) struct OpenComponent {
    pub(crate) reference: ComponentRef,
    pub(crate) footer: Footer,
    region: Arc<Region>,
    frames: Arc<Frames>,
}

impl OpenComponent {
    pub(crate) fn open(store: &Store, reference: &ComponentRef) -> Result<Self> {
        let access = match store.residency {
            Residency::Governed => Access::ReadDirect,
            Residency::Mapped | Residency::Pinned => Access::Read,
        };
        let (file, footer) = component::open(&*store.directory, reference, access)?;
        let kind = match reference.kind {
            ComponentKind::Graph => PageKind::Links,
            ComponentKind::Codes => PageKind::Codes,
            ComponentKind::Vectors => PageKind::Vectors,
            ComponentKind::Rows
            | ComponentKind::Payload
            | ComponentKind::Patch
            | ComponentKind::Tombstones
            | ComponentKind::FieldIndex => PageKind::Other,
        };
        let open = Open::whole(store.residency).kind(kind).tenant(store.tenant.clone());
        let region = Arc::new(store.frames.pool.open(file, &open)?);
        let frames = Arc::clone(&store.frames);
        Ok(Self { reference: reference.clone(), footer, region, frames })
    }

    pub(crate) fn damaged(&self, offset: u64, what: &'static str) -> SegmentError {
        SegmentError::Damaged { file: self.reference.file_name(), offset, what }
    }

    /// A section that must be there.
    pub(crate) fn section(&self, kind: SectionKind) -> Result<PagedSection> {
        let section = self.footer.section(kind).ok_or_else(|| self.damaged(0, "a section"))?;
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        Ok(PagedSection {
            region: Arc::clone(&self.region),
            frames: Arc::clone(&self.frames),
            range: place(section.offset)..place(section.offset + section.len),
        })
    }

    /// A section that need not be there.
    pub(crate) fn optional(&self, kind: SectionKind) -> Result<Option<PagedSection>> {
        self.footer.section(kind).is_some().then(|| self.section(kind)).transpose()
    }

    /// A section's checked bytes, for tables that live in memory; none if it is not there.
    pub(crate) fn read(&self, store: &Store, kind: SectionKind) -> Result<Option<Vec<u8>>> {
        let read = |section: &Section| {
            component::read_section(&*store.directory, &self.reference, section)
        };
        self.footer.section(kind).map(read).transpose()
    }
}

/// A section's bytes, read through page frames.
#[derive(Debug, Clone)]
pub(crate) struct PagedSection {
    region: Arc<Region>,
    frames: Arc<Frames>,
    range: Range<usize>,
}

impl PagedSection {
    /// Where a byte of the section lies in the file.
    pub(crate) fn place(&self, at: usize) -> u64 {
        (self.range.start + at) as u64
    }

    /// Bytes of the section.
    pub(crate) fn len(&self) -> usize {
        self.range.len()
    }

    /// Brings the section in before it is searched, for as long as `room` lasts: what the kernel
    /// may cache, or frames that nobody else has taken.
    pub(crate) fn warm(&self, room: &mut u64) -> Result<()> {
        if self.region.residency() == Residency::Mapped {
            let bytes = self.len() as u64;
            if bytes <= *room {
                *room -= bytes;
                self.region.prefetch(std::iter::once(self.range.clone()));
            }
            return Ok(());
        }
        for start in (0..self.len()).step_by(WARM_BYTES) {
            let range = start..(start + WARM_BYTES).min(self.len());
            if !self.frames.pool.has_room(range.len() as u64) {
                break;
            }
            self.with_pinned(std::iter::once(range), |_| ())?;
        }
        Ok(())
    }

    /// A reader for many steps of one search.
    pub(crate) fn reader(&self) -> Result<PooledReader> {
        self.frames.reader()
    }

    /// One step with a reader of its own; see [`PagedSection::step`].
    pub(crate) fn with_pinned<T>(
        &self,
        ranges: impl Iterator<Item = Range<usize>>,
        with: impl FnOnce(&[u8]) -> T,
    ) -> Result<T> {
        match self.region.stable_bytes() {
            Some(bytes) => Ok(with(bytes.get(self.range.clone()).unwrap_or_default())),
            None => self.step(&mut self.reader()?, ranges, with),
        }
    }

    /// Runs `with` on the section's bytes, of which the given ranges are resident; the others are
    /// unspecified.
    #[inline]
    pub(crate) fn step<T>(
        &self,
        reader: &mut PooledReader,
        ranges: impl Iterator<Item = Range<usize>>,
        with: impl FnOnce(&[u8]) -> T,
    ) -> Result<T> {
        self.step_ahead(reader, ranges, |_| (), with)
    }

    /// As [`PagedSection::step`]; if it has to read, it reads for later steps too.
    #[inline]
    pub(crate) fn step_ahead<T>(
        &self,
        reader: &mut PooledReader,
        ranges: impl Iterator<Item = Range<usize>>,
        ahead: impl FnOnce(&mut Ahead<'_>),
        with: impl FnOnce(&[u8]) -> T,
    ) -> Result<T> {
        if let Some(bytes) = self.region.stable_bytes() {
            return Ok(with(bytes.get(self.range.clone()).unwrap_or_default()));
        }
        let Some(reader) = reader.reader.as_mut() else {
            return self.with_pinned(ranges, with);
        };
        let start = self.range.start;
        let mut guard = reader.enter();
        let ranges = ranges.map(|range| start + range.start..start + range.end);
        guard.pin_ahead(&self.region, ranges, ahead)?;
        let bytes = guard.bytes(&self.region);
        Ok(with(bytes.get(self.range.clone()).unwrap_or_default()))
    }

    /// A range of the section that a later step will read.
    pub(crate) fn want(&self, ahead: &mut Ahead<'_>, range: Range<usize>) {
        ahead.want(&self.region, self.range.start + range.start..self.range.start + range.end);
    }

    /// A range of the section, if it is resident.
    pub(crate) fn peek<'a>(
        &'a self,
        ahead: &'a Ahead<'_>,
        range: Range<usize>,
    ) -> Option<&'a [u8]> {
        ahead.peek(&self.region, self.range.start + range.start..self.range.start + range.end)
    }

    /// Reads one little-endian word of `N` bytes from a table of such words.
    pub(crate) fn word<const N: usize>(&self, number: usize) -> Result<[u8; N]> {
        let at = number * N;
        self.with_pinned(std::iter::once(at..at + N), |bytes| {
            let mut word = [0; N];
            if let Some(found) = bytes.get(at..at + N) {
                word.copy_from_slice(found);
            }
            word
        })
    }
}

#[cfg(test)]
mod tests;
