//! Where a fixed-size row lies in a component: the one rule that writers, readers and gather
//! kernels share.
//!
//! Components are aligned to pages of [`PAGE_BYTES`]. A *paged* layout lets no row straddle a page
//! (rows larger than a page start on one); a *dense* layout wastes nothing.

use crate::Ordinal;

/// Bytes of a page of a stored component.
pub const PAGE_BYTES: usize = 4096;

/// Places rows of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowLayout {
    row_bytes: usize,
    rows_per_group: u32,
    group_bytes: usize,
}

impl RowLayout {
    /// Rows back to back.
    pub fn dense(row_bytes: usize) -> Self {
        Self { row_bytes, rows_per_group: 1, group_bytes: row_bytes }
    }

    /// As many rows to a page as fit; a larger row takes whole pages of its own.
    pub fn paged(row_bytes: usize) -> Self {
        if row_bytes == 0 || PAGE_BYTES.is_multiple_of(row_bytes) {
            return Self::dense(row_bytes);
        }
        if row_bytes > PAGE_BYTES {
            return Self {
                row_bytes,
                rows_per_group: 1,
                group_bytes: row_bytes.next_multiple_of(PAGE_BYTES),
            };
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most PAGE_BYTES rows")]
        let rows_per_group = (PAGE_BYTES / row_bytes) as u32;
        Self { row_bytes, rows_per_group, group_bytes: PAGE_BYTES }
    }

    /// Bytes of one row.
    #[inline]
    pub fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// Byte offset of a row.
    #[inline]
    pub fn offset(&self, ordinal: Ordinal) -> usize {
        if self.rows_per_group == 1 {
            return ordinal.index() * self.group_bytes;
        }
        let (group, within) = (ordinal.0 / self.rows_per_group, ordinal.0 % self.rows_per_group);
        group as usize * self.group_bytes + within as usize * self.row_bytes
    }

    /// Bytes that `rows` rows take, padding included.
    pub fn bytes(&self, rows: usize) -> usize {
        rows.div_ceil(self.rows_per_group as usize) * self.group_bytes
    }

    /// Whether rows lie back to back.
    #[inline]
    pub fn is_dense(&self) -> bool {
        self.group_bytes == self.row_bytes * self.rows_per_group as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_of_a_paged_layout_straddles_a_page() {
        for row_bytes in 1..10_000 {
            let layout = RowLayout::paged(row_bytes);
            let mut end = 0;
            for row in 0..100 {
                let start = layout.offset(Ordinal(row));
                assert!(start >= end, "rows of {row_bytes} bytes overlap");
                end = start + row_bytes;
                let pages = start / PAGE_BYTES..=(end - 1) / PAGE_BYTES;
                assert!(row_bytes > PAGE_BYTES || pages.start() == pages.end());
            }
            assert!(end <= layout.bytes(100));
        }
    }
}
