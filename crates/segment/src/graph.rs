//! One vector name's graph, its links read through page frames.

use std::cell::Cell;
use std::ops::Range;

use vectorizer_hnsw::{Basis, Graph, Header, Links, UpperLayers, decode_block};
use vectorizer_memory::Reservation;
use vectorizer_model::{Ordinal, RowLayout};
use vectorizer_pages::Ahead;
use vectorizer_vfs::{Directory, SequentialWriter};

use crate::codes::CodeColumn;
use crate::component::{ComponentHead, ComponentRef, ComponentWriter};
use crate::error::{Result, SegmentError};
use crate::footer::SectionKind;
use crate::store::{OpenComponent, PagedSection, PooledReader, Store};

/// Candidates that are looked ahead for.
const CANDIDATES: usize = 4;

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
        Ok(PagedLinks { graph: self, reader: self.section.reader()?, lookahead: None })
    }

    /// Says that a later step will read a row's links; if they are here, `out` is they.
    pub(crate) fn want(&self, ahead: &mut Ahead<'_>, of: Ordinal, out: &mut Vec<Ordinal>) {
        out.clear();
        let range = self.block(of);
        match self.section.peek(ahead, range.clone()) {
            Some(block) => {
                // Damage is told by the step that reads it.
                if decode_block(block, self.rows, out).is_err() {
                    out.clear();
                }
            }
            None => self.section.want(ahead, range),
        }
    }

    fn block(&self, of: Ordinal) -> Range<usize> {
        let at = self.blocks + self.layout.offset(of);
        at..at + self.layout.row_bytes()
    }
}

/// What a walk will read next: whoever has to wait for a disk reads it in the same wait.
///
/// A walk goes from candidate to candidate, each known only when the one before it was scored. But
/// most of those that wait now will have their turn, so their links can be asked for, and the codes of
/// their neighbours where the links are resident. What is found does not depend on it. (`DiskANN`'s
/// beam asks side by side too, and expands what it asked for, in whatever order.)
#[derive(Debug)]
pub(crate) struct Lookahead<'a> {
    graph: &'a GraphColumn,
    codes: &'a CodeColumn,
    waiting: Cell<[Option<Ordinal>; CANDIDATES]>,
}

impl<'a> Lookahead<'a> {
    /// Of a walk of `graph` that scores `codes`.
    pub(crate) fn new(graph: &'a GraphColumn, codes: &'a CodeColumn) -> Self {
        Self { graph, codes, waiting: Cell::default() }
    }

    /// Who waits from now on, the next one first.
    pub(crate) fn note(&self, mut waiting: impl Iterator<Item = Ordinal>) {
        self.waiting.set(std::array::from_fn(|_| waiting.next()));
    }

    /// Asks for what those that wait will read.
    pub(crate) fn want(&self, ahead: &mut Ahead<'_>) {
        let mut neighbors = Vec::new();
        for waiting in self.waiting.get().into_iter().flatten() {
            self.graph.want(ahead, waiting, &mut neighbors);
            for neighbor in &neighbors {
                self.codes.want(ahead, *neighbor);
            }
        }
    }
}

/// The links of a stored graph.
#[derive(Debug)]
pub struct PagedLinks<'a> {
    graph: &'a GraphColumn,
    reader: PooledReader,
    /// Where rows are noted that will be wanted.
    lookahead: Option<&'a Lookahead<'a>>,
}

impl<'a> PagedLinks<'a> {
    /// The same, noting what will be read.
    pub(crate) fn noting(self, lookahead: &'a Lookahead<'a>) -> Self {
        Self { lookahead: Some(lookahead), ..self }
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
        let (layout, start) = (self.graph.layout, self.graph.blocks);
        let hinted = self.graph.section.step(&mut self.reader, std::iter::empty(), |bytes| {
            let bytes = bytes.get(start..).unwrap_or_default();
            vectorizer_kernels::prefetch_rows(vectorizer_kernels::Rows { bytes, layout }, ordinals);
        });
        debug_assert!(hinted.is_ok(), "pinning nothing cannot fail");
    }

    fn expect(&mut self, waiting: impl Iterator<Item = Ordinal>) {
        if let Some(lookahead) = self.lookahead {
            lookahead.note(waiting);
        }
    }

    fn neighbors(&mut self, level: u8, of: Ordinal, out: &mut Vec<Ordinal>) -> Result<()> {
        if level > 0 {
            self.graph.upper.neighbors(level, of, out);
            return Ok(());
        }
        let range = self.graph.block(of);
        let rows = self.graph.rows;
        let ahead = |ahead: &mut Ahead<'_>| {
            if let Some(lookahead) = self.lookahead {
                lookahead.want(ahead);
            }
        };
        let ranges = std::iter::once(range.clone());
        self.graph.section.step_ahead(&mut self.reader, ranges, ahead, |bytes| {
            decode_block(bytes.get(range).unwrap_or_default(), rows, out)
        })??;
        Ok(())
    }
}

/// Memory that [`write_graph`] takes beside the graph.
pub const WRITE_GRAPH_BYTES: u64 = SequentialWriter::bytes_needed() as u64;

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
