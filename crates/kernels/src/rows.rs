//! Rows of a column: its bytes, and where each row lies in them.

use vectorizer_model::{Ordinal, RowLayout};

use crate::prefetch::prefetch;

/// The rows of one column of fixed-size rows.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// The column, from its first row on.
    pub bytes: &'a [u8],
    /// Where each row lies.
    pub layout: RowLayout,
}

impl<'a> Rows<'a> {
    /// Rows of `row_bytes` bytes, back to back.
    pub fn dense(bytes: &'a [u8], row_bytes: usize) -> Self {
        Self { bytes, layout: RowLayout::dense(row_bytes) }
    }

    /// The bytes of one row.
    ///
    /// # Panics
    /// If the row does not lie within the column.
    #[inline]
    pub fn row(&self, ordinal: Ordinal) -> &'a [u8] {
        let start = self.layout.offset(ordinal);
        &self.bytes[start..start + self.layout.row_bytes()]
    }

    /// The bytes of one row, if it lies within the column.
    #[inline]
    pub fn get(&self, ordinal: Ordinal) -> Option<&'a [u8]> {
        let start = self.layout.offset(ordinal);
        self.bytes.get(start..start + self.layout.row_bytes())
    }
}

/// Asks the processor to load every cache line of these rows; never waits.
///
/// Rows outside of the column are passed over. Does nothing on processors without such a hint.
#[inline]
pub fn prefetch_rows(rows: Rows<'_>, ordinals: &[Ordinal]) {
    for &ordinal in ordinals {
        if let Some(row) = rows.get(ordinal) {
            prefetch(row);
        }
    }
}
