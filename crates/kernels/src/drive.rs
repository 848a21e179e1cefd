//! The loops over rows that every instruction set shares.
//!
//! They are inlined into functions that carry target features, so that the row kernel is inlined
//! into the loop; without that every row would cost a call.

use vectorizer_model::Ordinal;

use crate::rows::Rows;

/// Rows that are loaded ahead of the one being scored, at most.
const AHEAD_ROWS_MAX: usize = 16;
/// Bytes that are loaded ahead: enough to keep the processor's line-fill buffers busy.
const AHEAD_BYTES: usize = 8 << 10;

/// Scores rows by ordinal; each row is located and checked once, when its prefetch is issued.
#[expect(clippy::inline_always, reason = "the caller's target features must reach the loop")]
#[inline(always)]
pub(crate) fn gather<T>(
    rows: Rows<'_>,
    ordinals: &[Ordinal],
    out: &mut [T],
    touch: impl Fn(&[u8]),
    score: impl Fn(&[u8]) -> T,
) {
    assert_eq!(ordinals.len(), out.len(), "one distance for each row");
    let ahead = (AHEAD_BYTES / rows.layout.row_bytes().max(1)).clamp(2, AHEAD_ROWS_MAX);
    let mut ring: [&[u8]; AHEAD_ROWS_MAX] = [&[]; AHEAD_ROWS_MAX];
    let (first, later) = ordinals.split_at(ordinals.len().min(ahead));
    for (slot, &ordinal) in ring.iter_mut().zip(first) {
        *slot = rows.row(ordinal);
        touch(slot);
    }
    let mut at = 0;
    let mut later = later.iter();
    for distance in out {
        let row = ring[at];
        if let Some(&ordinal) = later.next() {
            ring[at] = rows.row(ordinal);
            touch(ring[at]);
        }
        at += 1;
        if at == ahead {
            at = 0;
        }
        *distance = score(row);
    }
}

/// Scores the rows from `first` on, as many as `out` holds; the hardware sees the pattern itself.
#[expect(clippy::inline_always, reason = "the caller's target features must reach the loop")]
#[inline(always)]
pub(crate) fn scan<T>(rows: Rows<'_>, first: Ordinal, out: &mut [T], score: impl Fn(&[u8]) -> T) {
    for (ordinal, distance) in (first.0..).zip(out) {
        *distance = score(rows.row(Ordinal(ordinal)));
    }
}

/// Checks that rows have the shape the query expects.
///
/// # Panics
/// If not: the caller mixed up columns.
#[inline]
pub(crate) fn check_shape(dim: usize, component_bytes: usize, rows: Rows<'_>) {
    assert_eq!(rows.layout.row_bytes(), dim * component_bytes, "rows have the query's dimension");
}
