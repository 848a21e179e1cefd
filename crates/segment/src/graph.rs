//! One vector name's graph, its links read through page frames.

use std::cell::Cell;
use std::ops::Range;

use vectorizer_hnsw::{Basis, Graph, Header, Links, UpperLayers, decode_block};
use vectorizer_memory::Reservation;
use vectorizer_model::{Ordinal, RowLayout};
use vectorizer_vfs::Directory;

use crate::component::{ComponentHead, ComponentRef, ComponentWriter};
use crate::error::{Result, SegmentError};
use crate::footer::SectionKind;
use crate::store::{OpenComponent, PagedSection, PooledReader, Store};

#[derive(Debug)]
pub(crate) struct GraphColumn {
    section: PagedSection,
    upper: UpperLayers,
    blocks: usize,
    layout: RowLayout,
    rows: usize,
    _charge: Reservation,
}

impl GraphColumn {
    pub(crate) fn open(store: &Store, reference: &ComponentRef) -> Result<Self> {
        let component = OpenComponent::open(store, reference)?;
        let section = component.section(SectionKind::Graph)?;
        let head = section.with_pinned(
            std::iter::once(0..vectorizer_hnsw::header::HEADER_BYTES.min(section.len())),
            Header::parse,
        )??;
        if head.bytes() != section.len() as u64 || head.rows() != component.footer.rows as usize {
            return Err(component.damaged(0, "the graph's size"));
        }
        let charge = store.charge(UpperLayers::bytes_needed(&head))?;
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let upper = place(head.upper_range().start)..place(head.upper_range().end);
        let upper = section.with_pinned(std::iter::once(upper.clone()), |bytes| {
            UpperLayers::parse(&head, bytes.get(upper).unwrap_or_default())
        })??;
        let blocks = place(head.blocks_range().start);
        let (layout, rows) = (head.block_layout(), head.rows());
        Ok(Self { section, upper, blocks, layout, rows, _charge: charge })
    }

    /// See [`PagedSection::warm`].
    pub(crate) fn warm(&self, room: &mut u64) -> Result<()> {
        self.section.warm(room)
    }

    /// The graph as a build starts from it; shape of `places`: `[rows]`.
    ///
    /// # Errors
    /// If there are too many readers.
    pub(crate) fn basis<'a>(&'a self, places: &'a [u32]) -> Result<Basis<'a, PagedLinks<'a>>> {
        Ok(Basis { upper: &self.upper, links: self.links()?, places })
    }

    /// Where a row's links on layer 0 lie in the file.
    pub(crate) fn place(&self, of: Ordinal) -> u64 {
        self.section.place(self.blocks + self.layout.offset(of))
    }

    /// The graph as a search reads it.
    ///
    /// # Errors
    /// If there are too many readers.
    pub(crate) fn links(&self) -> Result<PagedLinks<'_>> {
        Ok(PagedLinks { graph: self, reader: self.section.reader()?, next: None })
    }

    fn block(&self, of: Ordinal) -> Range<usize> {
        let at = self.blocks + self.layout.offset(of);
        at..at + self.layout.row_bytes()
    }
}

/// The links that a walk will read next, as far as it knows: whoever has to wait for a disk reads
/// them in the same wait.
#[derive(Debug, Default)]
pub(crate) struct NextBlock(Cell<Option<Ordinal>>);

impl NextBlock {
    /// Hands out the section and the place of the block, once.
    pub(crate) fn take<'g>(
        &self,
        graph: &'g GraphColumn,
    ) -> Option<(&'g PagedSection, Range<usize>)> {
        Some((&graph.section, graph.block(self.0.take()?)))
    }
}

/// The links of a stored graph.
#[derive(Debug)]
pub struct PagedLinks<'a> {
    graph: &'a GraphColumn,
    reader: PooledReader,
    /// Where prefetched rows are noted.
    next: Option<&'a NextBlock>,
}

impl<'a> PagedLinks<'a> {
    /// The same, telling `next` of what will be read.
    pub(crate) fn telling(self, next: &'a NextBlock) -> Self {
        Self { next: Some(next), ..self }
    }
}

impl Links for PagedLinks<'_> {
    type Error = SegmentError;

    fn rows(&self) -> usize {
        self.graph.rows
    }

    fn entry(&self) -> Option<(Ordinal, u8)> {
        self.graph.upper.entry()
    }

    fn prefetch(&mut self, ordinals: &[Ordinal]) {
        if let Some(next) = self.next {
            next.0.set(ordinals.first().copied());
        }
        let (layout, start) = (self.graph.layout, self.graph.blocks);
        let hinted = self.graph.section.step(&mut self.reader, std::iter::empty(), |bytes| {
            let bytes = bytes.get(start..).unwrap_or_default();
            vectorizer_kernels::prefetch_rows(vectorizer_kernels::Rows { bytes, layout }, ordinals);
        });
        debug_assert!(hinted.is_ok(), "pinning nothing cannot fail");
    }

    fn neighbors(&mut self, level: u8, of: Ordinal, out: &mut Vec<Ordinal>) -> Result<()> {
        if level > 0 {
            self.graph.upper.neighbors(level, of, out);
            return Ok(());
        }
        let range = self.graph.block(of);
        let rows = self.graph.rows;
        self.graph.section.step(&mut self.reader, std::iter::once(range.clone()), |bytes| {
            decode_block(bytes.get(range).unwrap_or_default(), rows, out)
        })??;
        Ok(())
    }
}

/// Writes a graph component.
///
/// # Errors
/// A refusing disk; a file already created is for the caller to remove.
pub fn write_graph(
    directory: &dyn Directory,
    head: ComponentHead,
    file: u64,
    graph: &Graph,
) -> Result<ComponentRef> {
    let mut out = ComponentWriter::create(directory, head, file)?;
    out.begin(SectionKind::Graph)?;
    graph.encode(|bytes: &[u8]| out.write(bytes))?;
    out.finish()
}
