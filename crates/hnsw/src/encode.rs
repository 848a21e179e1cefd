//! The bytes of a graph, format v1. The table is in `docs/format/graph.md`.
//!
//! Header, upper layers, zeroes up to a page, then layer 0's blocks placed by
//! [`crate::params::block_layout`]: no block straddles a page, so that one page read gives all links
//! of a row.

use vectorizer_model::layout::PAGE_BYTES;
use vectorizer_model::{Ordinal, RowLayout};

use crate::Graph;
use crate::header::{HEADER_BYTES, Header};
use crate::links::NO_LINK;

impl Graph {
    /// The header of this graph's bytes.
    pub fn header(&self) -> Header {
        let layers = self.upper.layers.iter();
        let numbers = layers.map(|layer| 1 + layer.nodes.len() + layer.links.len()).sum();
        let entry = self.upper.entry().unwrap_or((Ordinal(NO_LINK), 0));
        #[expect(clippy::cast_possible_truncation, reason = "at most ROWS_MAX")]
        let rows = self.rows as u32;
        Header::new(self.m(), rows, entry, numbers)
    }

    /// Writes the graph's bytes in order, a few pages at a time: [`Header::bytes`] of them.
    ///
    /// # Errors
    /// The first error of `write`.
    pub fn encode<E>(&self, mut write: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let header = self.header();
        write(&header.encode())?;
        let mut written = HEADER_BYTES as u64;
        let mut chunk = Vec::with_capacity(16 * PAGE_BYTES);
        for layer in &self.upper.layers {
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
        self.encode_blocks(header.block_layout(), &mut chunk, write)
    }

    fn encode_blocks<E>(
        &self,
        layout: RowLayout,
        chunk: &mut Vec<u8>,
        mut write: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let m0 = 2 * self.upper.m;
        let bytes = layout.bytes(self.rows);
        chunk.clear();
        let mut written = 0;
        for (row, links) in self.level0.chunks_exact(m0).enumerate() {
            let offset = layout.offset(Ordinal::from_index(row));
            chunk.resize(offset - written, 0);
            if chunk.len() >= 15 * PAGE_BYTES {
                write(chunk)?;
                written += chunk.len();
                chunk.clear();
            }
            chunk.extend(links.iter().flat_map(|link| link.to_le_bytes()));
        }
        chunk.resize(bytes - written, 0);
        write(chunk)
    }
}
