//! One vector name's codes, and approximate distances to them.

use std::ops::Range;

use vectorizer_kernels::{Rows, prefetch_rows};
use vectorizer_model::{Ordinal, RowLayout, RowScorer};
use vectorizer_pages::Ahead;
use vectorizer_quantize::{QueryCodes, ScalarQuantizer};

use crate::component::{ComponentRef, file_name};
use crate::error::{Result, SegmentError};
use crate::footer::SectionKind;
use crate::store::{OpenComponent, PagedSection, PooledReader, Store};

#[derive(Debug)]
pub(crate) struct CodeColumn {
    codes: PagedSection,
    /// The checksum of all codes, and the file that holds them.
    crc: u32,
    file: u64,
    quantizer: ScalarQuantizer,
    layout: RowLayout,
    rows: usize,
}

impl CodeColumn {
    pub(crate) fn open(store: &Store, reference: &ComponentRef) -> Result<Self> {
        let component = OpenComponent::open(store, reference)?;
        let parameters = component.read(store, SectionKind::Quantizer)?.unwrap_or_default();
        let quantizer = ScalarQuantizer::from_bytes(&parameters)?;
        let codes = component.section(SectionKind::Codes)?;
        let crc = component.footer.section(SectionKind::Codes).map_or(0, |section| section.crc);
        let layout = RowLayout::paged(quantizer.code_bytes());
        let rows = component.footer.rows as usize;
        let end = rows
            .checked_sub(1)
            .map_or(0, |last| layout.offset(Ordinal::from_index(last)) + layout.row_bytes());
        if codes.len() != end {
            return Err(component.damaged(0, "the number of codes"));
        }
        Ok(Self { codes, crc, file: reference.file, quantizer, layout, rows })
    }

    /// See [`PagedSection::warm`].
    pub(crate) fn warm(&self, room: &mut u64) -> Result<()> {
        self.codes.warm(room)
    }

    /// The first row one of whose codes its quantizer never makes, and its place in the file.
    pub(crate) fn first_wrong(&self) -> Result<Option<(Ordinal, u64)>> {
        let most = self.quantizer.levels().max();
        for ordinal in (0..self.rows).map(Ordinal::from_index) {
            let start = self.layout.offset(ordinal);
            let range = start..start + self.layout.row_bytes();
            let wrong = self.codes.with_pinned(std::iter::once(range.clone()), |bytes| {
                bytes.get(range).is_none_or(|codes| codes.iter().any(|code| *code > most))
            })?;
            if wrong {
                return Ok(Some((ordinal, self.codes.place(start))));
            }
        }
        Ok(None)
    }

    pub(crate) fn quantizer(&self) -> &ScalarQuantizer {
        &self.quantizer
    }

    /// A reader for [`CodeColumn::score`].
    pub(crate) fn reader(&self) -> Result<PooledReader> {
        self.codes.reader()
    }

    /// Approximate distances of rows. Shapes: `ordinals` and `out` are `[n]`. See
    /// [`PagedSection::step_ahead`].
    pub(crate) fn score(
        &self,
        (reader, ahead): (&mut PooledReader, impl FnOnce(&mut Ahead<'_>)),
        query: &QueryCodes,
        ordinals: &[Ordinal],
        out: &mut [f32],
    ) -> Result<()> {
        let (layout, row_bytes) = (self.layout, self.layout.row_bytes());
        let ranges = ordinals.iter().map(move |&ordinal| {
            let start = layout.offset(ordinal);
            start..start + row_bytes
        });
        self.codes.step_ahead(reader, ranges, ahead, |bytes| {
            let rows = Rows { bytes, layout };
            prefetch_rows(rows, ordinals);
            query.score(rows, ordinals, out);
        })
    }

    /// Approximate distances of the rows from `first` on, as many as `out` holds.
    pub(crate) fn score_run(
        &self,
        reader: &mut PooledReader,
        query: &QueryCodes,
        first: Ordinal,
        out: &mut [f32],
    ) -> Result<()> {
        let Some(last) = out.len().checked_sub(1) else { return Ok(()) };
        let layout = self.layout;
        let last = layout.offset(Ordinal::from_index(first.index() + last));
        let range = layout.offset(first)..last + layout.row_bytes();
        self.codes.step(reader, std::iter::once(range), |bytes| {
            query.scan(Rows { bytes, layout }, first, out);
        })
    }

    /// Bytes of a copy of all codes in memory.
    pub(crate) fn bytes(&self) -> u64 {
        self.codes.len() as u64
    }

    /// Bytes of so many rows of codes in memory.
    pub(crate) fn loaded_bytes(&self, rows: usize) -> u64 {
        self.layout.bytes(rows) as u64
    }

    /// Room for so many rows of codes in memory.
    pub(crate) fn room(&self, rows: usize) -> LoadedCodes {
        let bytes = Vec::with_capacity(self.layout.bytes(rows));
        LoadedCodes { bytes, layout: self.layout, rows: 0, quantizer: self.quantizer.clone() }
    }

    /// A row that a later step will score.
    pub(crate) fn want(&self, ahead: &mut Ahead<'_>, row: Ordinal) {
        self.codes.want(ahead, self.row_range(row));
    }

    /// Where a row lies among the codes.
    pub(crate) fn row_range(&self, row: Ordinal) -> Range<usize> {
        let start = self.layout.offset(row);
        start..start + self.layout.row_bytes()
    }

    /// Where a byte of the codes lies in the file.
    pub(crate) fn place(&self, at: usize) -> u64 {
        self.codes.place(at)
    }

    /// A copy of all codes in memory, for building a graph on them; checked, because the graph's own
    /// checksum would bless damage.
    pub(crate) fn load(&self, step: usize) -> Result<LoadedCodes> {
        let mut bytes = Vec::with_capacity(self.codes.len());
        while bytes.len() < self.codes.len() {
            let range = bytes.len()..(bytes.len() + step.max(1)).min(self.codes.len());
            self.codes.with_pinned(std::iter::once(range.clone()), |all| {
                bytes.extend_from_slice(all.get(range).unwrap_or_default());
            })?;
        }
        if crc32c::crc32c(&bytes) != self.crc {
            return Err(SegmentError::Damaged {
                file: file_name(self.file),
                offset: self.codes.place(0),
                what: "a section's checksum",
            });
        }
        let quantizer = self.quantizer.clone();
        Ok(LoadedCodes { bytes, layout: self.layout, rows: self.rows, quantizer })
    }
}

/// Codes in memory: all of a segment, or those that were added.
#[derive(Debug)]
pub struct LoadedCodes {
    bytes: Vec<u8>,
    layout: RowLayout,
    rows: usize,
    quantizer: ScalarQuantizer,
}

impl LoadedCodes {
    /// Keeps the first rows.
    pub(crate) fn truncate(&mut self, rows: usize) {
        self.rows = self.rows.min(rows);
        let last = self.rows.checked_sub(1).map(Ordinal::from_index);
        let end = last.map_or(0, |last| self.layout.offset(last) + self.layout.row_bytes());
        self.bytes.truncate(end);
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, codes: &[u8]) {
        self.bytes.resize(self.layout.offset(Ordinal::from_index(self.rows)), 0);
        self.bytes.extend_from_slice(codes);
        self.rows += 1;
    }

    fn columns(&self) -> Rows<'_> {
        Rows { bytes: &self.bytes, layout: self.layout }
    }
}

impl RowScorer for LoadedCodes {
    fn rows(&self) -> usize {
        self.rows
    }

    fn prefetch(&self, ordinals: &[Ordinal]) {
        prefetch_rows(self.columns(), ordinals);
    }

    fn score(&self, row: Ordinal, ordinals: &[Ordinal], out: &mut [f32]) {
        self.quantizer.score_row(self.columns().row(row), self.columns(), ordinals, out);
    }
}
