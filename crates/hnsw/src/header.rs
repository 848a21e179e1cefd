//! The header of a graph's bytes. The table is in `docs/format/graph.md`.

use std::ops::Range;

use vectorizer_model::layout::PAGE_BYTES;
use vectorizer_model::{Ordinal, RowLayout};

use crate::links::NO_LINK;
use crate::params::{M_MAX, ROWS_MAX, block_layout};
use crate::{HnswError, level::LEVEL_MAX};

/// First bytes of every graph.
pub const MAGIC: [u8; 8] = *b"VZRGRAPH";

/// The version that this crate writes and reads.
pub const VERSION: u32 = 1;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 64;

/// The header of a graph: where everything else lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    m: u32,
    rows: u32,
    entry: u32,
    top: u8,
    upper_bytes: u64,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// [`HnswError::Corrupt`] if the bytes are too few, are no graph or of another version, or
    /// contradict themselves.
    pub fn parse(bytes: &[u8]) -> Result<Self, HnswError> {
        let Some(bytes) = bytes.first_chunk::<HEADER_BYTES>() else {
            let (expected, found) = (HEADER_BYTES as u64, bytes.len() as u64);
            return Err(corrupt("header length", 0, expected, found));
        };
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(word)
        };
        let (magic, version_m, rows_entry) = (word(0), word(8), word(16));
        check("magic", 0, u64::from_le_bytes(MAGIC), magic)?;
        check("version", 8, u64::from(VERSION), version_m & 0xffff_ffff)?;
        let header = Self {
            m: (version_m >> 32) as u32,
            rows: (rows_entry & 0xffff_ffff) as u32,
            entry: (rows_entry >> 32) as u32,
            top: (word(24) & 0xff) as u8,
            upper_bytes: word(32),
        };
        header.check()?;
        check("blocks offset", 40, header.blocks_range().start, word(40))?;
        check("total length", 48, header.bytes(), word(48))?;
        check("reserved", 24, 0, word(24) >> 8)?;
        check("reserved", 56, 0, word(56))?;
        Ok(header)
    }

    fn check(&self) -> Result<(), HnswError> {
        if !(2..=M_MAX).contains(&self.m) {
            return Err(corrupt("m", 12, u64::from(M_MAX), u64::from(self.m)));
        }
        if self.rows as usize > ROWS_MAX {
            return Err(corrupt("rows", 16, ROWS_MAX as u64, u64::from(self.rows)));
        }
        let entry_fits = self.entry < self.rows || (self.rows == 0 && self.entry == NO_LINK);
        if !entry_fits {
            return Err(corrupt("entry", 20, u64::from(self.rows), u64::from(self.entry)));
        }
        if self.top > LEVEL_MAX || (self.rows == 0 && self.top > 0) {
            return Err(corrupt("top layer", 24, u64::from(LEVEL_MAX), u64::from(self.top)));
        }
        let layer = 4 + u64::from(self.rows) * 4 * (1 + u64::from(self.m));
        let most = u64::from(self.top) * layer;
        if self.upper_bytes > most || !self.upper_bytes.is_multiple_of(4) {
            return Err(corrupt("upper layers length", 32, most, self.upper_bytes));
        }
        Ok(())
    }

    /// Of a graph of so many rows whose upper layers hold so many numbers.
    pub(crate) fn new(m: u32, rows: u32, (entry, top): (Ordinal, u8), numbers: usize) -> Self {
        Self { m, rows, entry: entry.0, top, upper_bytes: 4 * numbers as u64 }
    }

    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &MAGIC);
        put(8, &VERSION.to_le_bytes());
        put(12, &self.m.to_le_bytes());
        put(16, &self.rows.to_le_bytes());
        put(20, &self.entry.to_le_bytes());
        put(24, &[self.top]);
        put(32, &self.upper_bytes.to_le_bytes());
        put(40, &self.blocks_range().start.to_le_bytes());
        put(48, &self.bytes().to_le_bytes());
        bytes
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows as usize
    }

    /// Links of a node on the upper layers; a block of layer 0 holds twice as many.
    pub fn m(&self) -> u32 {
        self.m
    }

    /// Layers above 0.
    pub fn top(&self) -> u8 {
        self.top
    }

    /// Where searches start. None if the graph is empty.
    pub fn entry(&self) -> Option<Ordinal> {
        (self.entry != NO_LINK).then_some(Ordinal(self.entry))
    }

    /// Bytes of the upper layers.
    pub fn upper_bytes(&self) -> u64 {
        self.upper_bytes
    }

    /// Where the upper layers lie, from the graph's first byte.
    pub fn upper_range(&self) -> Range<u64> {
        let start = HEADER_BYTES as u64;
        start..start + self.upper_bytes
    }

    /// Where layer 0's blocks lie, from the graph's first byte. Begins with a page.
    pub fn blocks_range(&self) -> Range<u64> {
        let start = self.upper_range().end.next_multiple_of(PAGE_BYTES as u64);
        start..start + self.block_layout().bytes(self.rows()) as u64
    }

    /// Where a row's block lies within [`Header::blocks_range`].
    pub fn block_layout(&self) -> RowLayout {
        block_layout(self.m)
    }

    /// Bytes of the whole graph.
    pub fn bytes(&self) -> u64 {
        self.blocks_range().end
    }
}

fn corrupt(what: &'static str, offset: u64, expected: u64, found: u64) -> HnswError {
    HnswError::Corrupt { what, offset, expected, found }
}

fn check(what: &'static str, offset: u64, expected: u64, found: u64) -> Result<(), HnswError> {
    if expected == found {
        return Ok(());
    }
    Err(corrupt(what, offset, expected, found))
}
