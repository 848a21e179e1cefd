//! Payloads as they were flushed. They never change: patches, which replace them, are a component
//! of their own. So what is derived from them may be kept for as long as it is wanted.

use std::ops::Range;

use vectorizer_model::{Ordinal, Payload};

use crate::error::Result;
use crate::segment::Segment;

impl Segment {
    /// The bytes of the payload that a row was flushed with; none if it was empty.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub fn flushed_bytes(&self, ordinal: Ordinal) -> Result<Vec<u8>> {
        self.payload_column().read_bytes(ordinal)
    }

    /// The payload of which [`Segment::flushed_bytes`] are the bytes.
    ///
    /// # Errors
    /// If they cannot be decoded.
    pub fn decode_flushed(&self, bytes: &[u8], ordinal: Ordinal) -> Result<Payload> {
        self.payload_column().decode(bytes, ordinal)
    }

    /// The payload that a row was flushed with.
    ///
    /// # Errors
    /// If a page cannot be read or decoded.
    pub fn flushed_payload(&self, ordinal: Ordinal) -> Result<Payload> {
        self.payload_column().read(ordinal)
    }

    /// Shows what rows were flushed with, in turn: as many as lie within `bytes_max` bytes, which
    /// are read in one step. Returns the row after the last, and their bytes.
    ///
    /// # Errors
    /// If a page cannot be read or decoded.
    pub fn show_flushed(
        &self,
        rows: Range<u32>,
        bytes_max: usize,
        show: impl FnMut(Ordinal, &Payload),
    ) -> Result<(Ordinal, usize)> {
        let end = rows.end.min(self.rows());
        self.payload_column().show(rows.start..end, bytes_max, show)
    }
}
