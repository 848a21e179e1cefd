//! A graph's bytes in memory, read in place.

use std::ops::Range;

use vectorizer_model::{Ordinal, RowLayout};

use crate::links::decode_block;
use crate::{Header, HnswError, Links, UpperLayers};

/// Searches the bytes that [`crate::Graph::encode`] wrote.
///
/// `P` is told each block that will be read soon: a cache hint of the caller's, or nothing.
#[derive(Debug, Clone)]
pub struct GraphBytes<'a, P = fn(&[u8])> {
    rows: usize,
    upper: UpperLayers,
    layout: RowLayout,
    blocks: &'a [u8],
    hint: P,
}

impl<'a> GraphBytes<'a> {
    /// Reads header and upper layers; blocks are checked as they are met.
    ///
    /// # Errors
    /// [`HnswError::Corrupt`] if the bytes are no graph.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, HnswError> {
        Self::with_hint(bytes, |_| ())
    }
}

impl<'a, P: Fn(&[u8])> GraphBytes<'a, P> {
    /// As [`GraphBytes::parse`], with a hint that is told each block that will be read soon.
    ///
    /// # Errors
    /// [`HnswError::Corrupt`] if the bytes are no graph.
    pub fn with_hint(bytes: &'a [u8], hint: P) -> Result<Self, HnswError> {
        let header = Header::parse(bytes)?;
        let part = |range: Range<u64>| {
            let start = usize::try_from(range.start).ok()?;
            let end = usize::try_from(range.end).ok()?;
            bytes.get(start..end)
        };
        let parts = part(header.upper_range()).zip(part(header.blocks_range()));
        let Some((upper, blocks)) = parts else {
            return Err(HnswError::Corrupt {
                what: "total length",
                offset: 48,
                expected: header.bytes(),
                found: bytes.len() as u64,
            });
        };
        Ok(Self {
            rows: header.rows(),
            upper: UpperLayers::parse(&header, upper)?,
            layout: header.block_layout(),
            blocks,
            hint,
        })
    }

    fn block(&self, of: Ordinal) -> Option<&'a [u8]> {
        let start = self.layout.offset(of);
        self.blocks.get(start..start + self.layout.row_bytes())
    }
}

impl<P: Fn(&[u8])> Links for GraphBytes<'_, P> {
    type Error = HnswError;

    fn rows(&self) -> usize {
        self.rows
    }

    fn entry(&self) -> Option<(Ordinal, u8)> {
        self.upper.entry()
    }

    #[inline]
    fn prefetch(&mut self, ordinals: &[Ordinal]) {
        for ordinal in ordinals {
            if let Some(block) = self.block(*ordinal) {
                (self.hint)(block);
            }
        }
    }

    #[inline]
    fn neighbors(
        &mut self,
        level: u8,
        of: Ordinal,
        out: &mut Vec<Ordinal>,
    ) -> Result<(), Self::Error> {
        if level > 0 {
            self.upper.neighbors(level, of, out);
            return Ok(());
        }
        match self.block(of) {
            Some(block) => decode_block(block, self.rows, out),
            None => Err(HnswError::Corrupt {
                what: "row",
                offset: 0,
                expected: self.rows as u64,
                found: u64::from(of.0),
            }),
        }
    }
}
