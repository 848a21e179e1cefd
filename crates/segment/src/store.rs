//! What segments are opened with: a folder, page frames and a budget.

use std::ops::Range;
use std::sync::Arc;

use vectorizer_memory::{Class, Governor, Reservation, Tenant};
use vectorizer_pages::{Pool, Region, Residency};
use vectorizer_vfs::{Access, Directory};

use crate::component::{self, ComponentRef};
use crate::error::{Result, SegmentError};
use crate::footer::{Footer, Section, SectionKind};

/// Where a shard's segments lie and what they may use.
#[derive(Debug, Clone)]
pub struct Store {
    /// The shard's folder.
    pub directory: Arc<dyn Directory>,
    /// Page frames for all that is read.
    pub pool: Arc<Pool>,
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
        Ok(self.governor.reserve(Class::Metadata, &self.tenant, bytes)?)
    }
}

/// An open component: its footer, and its bytes through page frames.
#[derive(Debug)]
pub(crate) struct OpenComponent {
    pub(crate) reference: ComponentRef,
    pub(crate) footer: Footer,
    region: Arc<Region>,
    pool: Arc<Pool>,
}

impl OpenComponent {
    pub(crate) fn open(store: &Store, reference: &ComponentRef) -> Result<Self> {
        let access = match store.residency {
            Residency::Mapped => Access::Read,
            Residency::Governed | Residency::Pinned => Access::ReadDirect,
        };
        let (file, footer) = component::open(&*store.directory, reference, access)?;
        let region = Arc::new(store.pool.open(file, store.residency)?);
        Ok(Self { reference: reference.clone(), footer, region, pool: Arc::clone(&store.pool) })
    }

    pub(crate) fn damaged(&self, offset: u64, what: &'static str) -> SegmentError {
        SegmentError::Damaged { file: self.reference.file_name(), offset, what }
    }

    /// A section that must be there.
    pub(crate) fn section(&self, kind: SectionKind) -> Result<PagedSection> {
        let section = self.footer.section(kind).ok_or_else(|| self.damaged(0, "a section"))?;
        Ok(PagedSection {
            region: Arc::clone(&self.region),
            pool: Arc::clone(&self.pool),
            section: *section,
        })
    }

    /// A section's checked bytes, for tables that live in memory; none if it is not there.
    pub(crate) fn read(&self, store: &Store, kind: SectionKind) -> Result<Option<Vec<u8>>> {
        self.footer
            .section(kind)
            .map(|section| component::read_section(&*store.directory, &self.reference, section))
            .transpose()
    }
}

/// A section's bytes, read through page frames.
#[derive(Debug, Clone)]
pub(crate) struct PagedSection {
    region: Arc<Region>,
    pool: Arc<Pool>,
    section: Section,
}

impl PagedSection {
    /// Bytes of the section.
    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.section.len).unwrap_or(usize::MAX)
    }

    /// Runs `with` on the section's bytes, of which the given ranges are resident; the others are
    /// unspecified.
    pub(crate) fn with_pinned<T>(
        &self,
        ranges: impl Iterator<Item = Range<usize>> + Clone,
        with: impl FnOnce(&[u8]) -> T,
    ) -> Result<T> {
        let start = self.section.offset;
        let absolute = ranges.map(|r| start + r.start as u64..start + r.end as u64);
        let end = start + self.section.len;
        let (from, to) = (usize::try_from(start), usize::try_from(end));
        Ok(self.pool.with_pinned(&self.region, absolute, |bytes| {
            with(bytes.get(from.unwrap_or(0)..to.unwrap_or(0)).unwrap_or_default())
        })?)
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
