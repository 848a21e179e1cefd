//! The bytes of a graph, format v1. The table is in `docs/format/graph.md`.
//!
//! Header, upper layers, zeroes up to a page, then layer 0's blocks placed by
//! [`crate::params::block_layout`]: no block straddles a page, so that one page read gives all links
//! of a row.

use vectorizer_model::layout::PAGE_BYTES;
use vectorizer_model::{Ordinal, RowLayout};

use crate::header::{HEADER_BYTES, Header};
use crate::links::NO_LINK;
use crate::{Graph, UpperLayers};

impl Graph {
    /// The header of this graph's bytes.
    pub fn header(&self) -> Header {
        self.upper.header(self.rows)
    }

    /// Writes the graph's bytes in order, a few pages at a time: [`Header::bytes`] of them.
    ///
    /// # Errors
    /// The first error of `write`.
    pub fn encode<E>(&self, write: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut out = Encoder::begin(&self.upper, self.rows, write)?;
        for links in self.level0.chunks_exact(2 * self.upper.m) {
            out.block(links)?;
        }
        out.finish()
    }
}

impl UpperLayers {
    /// The header of a graph of so many rows with these layers.
    pub(crate) fn header(&self, rows: usize) -> Header {
        let layers = self.layers.iter();
        let numbers = layers.map(|layer| 1 + layer.nodes.len() + layer.links.len()).sum();
        let entry = self.entry().unwrap_or((Ordinal(NO_LINK), 0));
        #[expect(clippy::cast_possible_truncation, reason = "at most ROWS_MAX")]
        let rows = rows as u32;
        Header::new(self.m(), rows, entry, numbers)
    }
}

/// Bytes that an [`Encoder`] holds.
pub(crate) const ENCODER_BYTES: u64 = 16 * PAGE_BYTES as u64;

/// Writes a graph's bytes: all but layer 0 at once, then its blocks, row by row.
pub(crate) struct Encoder<W> {
    write: W,
    layout: RowLayout,
    rows: usize,
    /// The next row.
    row: usize,
    /// Bytes of blocks that were written.
    written: usize,
    chunk: Vec<u8>,
}

impl<E, W: FnMut(&[u8]) -> Result<(), E>> Encoder<W> {
    pub(crate) fn begin(upper: &UpperLayers, rows: usize, mut write: W) -> Result<Self, E> {
        let header = upper.header(rows);
        write(&header.encode())?;
        let mut written = HEADER_BYTES as u64;
        let mut chunk = Vec::with_capacity(16 * PAGE_BYTES);
        for layer in &upper.layers {
            #[expect(clippy::cast_possible_truncation, reason = "at most ROWS_MAX")]
            let count = [layer.nodes.len() as u32];
            for numbers in [&count[..], &layer.nodes, &layer.links] {
                for part in numbers.chunks(4 * PAGE_BYTES) {
                    chunk.clear();
                    chunk.extend(part.iter().flat_map(|number| number.to_le_bytes()));
                    written += chunk.len() as u64;
                    write(&chunk)?;
                }
            }
        }
        chunk.clear();
        let padding = header.blocks_range().start - written;
        chunk.extend((0..padding).map(|_| 0));
        write(&chunk)?;
        chunk.clear();
        Ok(Self { write, layout: header.block_layout(), rows, row: 0, written: 0, chunk })
    }

    /// The next row's block.
    pub(crate) fn block(&mut self, links: &[u32]) -> Result<(), E> {
        let offset = self.layout.offset(Ordinal::from_index(self.row));
        self.row += 1;
        self.chunk.resize(offset - self.written, 0);
        if self.chunk.len() >= 15 * PAGE_BYTES {
            (self.write)(&self.chunk)?;
            self.written += self.chunk.len();
            self.chunk.clear();
        }
        self.chunk.extend(links.iter().flat_map(|link| link.to_le_bytes()));
        Ok(())
    }

    /// Ends the last page; every row has had its block.
    pub(crate) fn finish(mut self) -> Result<(), E> {
        debug_assert_eq!(self.row, self.rows, "a block for each row");
        self.chunk.resize(self.layout.bytes(self.rows) - self.written, 0);
        (self.write)(&self.chunk)
    }
}
