//! The truth: every kernel in plain Rust. Other instruction sets are tested against this file.
//!
//! Shapes: a query is `[dim]`; a row holds the bytes of `[dim]` components, little-endian. If one
//! is longer, the common prefix counts. Integer results are exact up to
//! [`DIMENSION_MAX`] components.

use half::f16;
use vectorizer_model::limits::DIMENSION_MAX;

const _: () =
    assert!(255 * 255 * DIMENSION_MAX as u64 <= u32::MAX as u64, "squared distances of codes fit");
const _: () = assert!(255 * 128 * DIMENSION_MAX as i64 <= i32::MAX as i64, "products of codes fit");

/// Independent sums, so that the compiler can use whatever vector unit the target has.
const LANES: usize = 8;

fn sum<const BYTES: usize>(
    query: &[f32],
    row: &[u8],
    read: impl Fn([u8; BYTES]) -> f32,
    term: impl Fn(f32, f32) -> f32,
) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let components = row.as_chunks::<BYTES>().0;
    for (query, row) in query.chunks(LANES).zip(components.chunks(LANES)) {
        for ((sum, &q), &r) in sums.iter_mut().zip(query).zip(row) {
            *sum += term(q, read(r));
        }
    }
    sums.iter().sum()
}

fn square(q: f32, r: f32) -> f32 {
    (q - r) * (q - r)
}

fn product(q: f32, r: f32) -> f32 {
    q * r
}

fn difference(q: f32, r: f32) -> f32 {
    (q - r).abs()
}

fn half_to_f32(bytes: [u8; 2]) -> f32 {
    f16::from_le_bytes(bytes).to_f32()
}

fn byte_to_f32(byte: [u8; 1]) -> f32 {
    f32::from(byte[0])
}

/// Squared Euclidean distance to a row of `f32`.
pub fn l2_f32(query: &[f32], row: &[u8]) -> f32 {
    sum(query, row, f32::from_le_bytes, square)
}

/// Inner product with a row of `f32`.
pub fn dot_f32(query: &[f32], row: &[u8]) -> f32 {
    sum(query, row, f32::from_le_bytes, product)
}

/// Sum of absolute differences to a row of `f32`.
pub fn l1_f32(query: &[f32], row: &[u8]) -> f32 {
    sum(query, row, f32::from_le_bytes, difference)
}

/// Squared Euclidean distance to a row of `f16`.
pub fn l2_f16(query: &[f32], row: &[u8]) -> f32 {
    sum(query, row, half_to_f32, square)
}

/// Inner product with a row of `f16`.
pub fn dot_f16(query: &[f32], row: &[u8]) -> f32 {
    sum(query, row, half_to_f32, product)
}

/// Sum of absolute differences to a row of `f16`.
pub fn l1_f16(query: &[f32], row: &[u8]) -> f32 {
    sum(query, row, half_to_f32, difference)
}

/// Squared Euclidean distance to a row of bytes that are components 0 to 255.
pub fn l2_f32_u8(query: &[f32], row: &[u8]) -> f32 {
    sum(query, row, byte_to_f32, square)
}

/// Inner product with a row of bytes that are components 0 to 255.
pub fn dot_f32_u8(query: &[f32], row: &[u8]) -> f32 {
    sum(query, row, byte_to_f32, product)
}

/// Sum of absolute differences to a row of bytes that are components 0 to 255.
pub fn l1_f32_u8(query: &[f32], row: &[u8]) -> f32 {
    sum(query, row, byte_to_f32, difference)
}

/// Squared Euclidean distance of codes 0 to 255.
pub fn l2_u8(query: &[u8], row: &[u8]) -> u32 {
    let squares = query.iter().zip(row).map(|(&q, &r)| {
        let difference = u32::from(q.abs_diff(r));
        difference * difference
    });
    squares.sum()
}

/// Squared Euclidean distance of codes 0 to 127, on both sides. Larger codes are a caller's
/// mistake and give some number, which may differ between instruction sets.
pub fn l2_u7(query: &[u8], row: &[u8]) -> u32 {
    l2_u8(query, row)
}

/// Sum of absolute differences of codes 0 to 255.
pub fn l1_u8(query: &[u8], row: &[u8]) -> u32 {
    let differences = query.iter().zip(row);
    differences.map(|(&q, &r)| u32::from(q.abs_diff(r))).sum()
}

/// Inner product of row codes 0 to 255 with query codes -128 to 127.
pub fn dot_u8_i8(query: &[i8], row: &[u8]) -> i32 {
    let products = query.iter().zip(row);
    products.map(|(&q, &r)| i32::from(q) * i32::from(r)).sum()
}

/// Inner product of row codes 0 to 127 with query codes -128 to 127. Larger row codes are a
/// caller's mistake and give some number, which may differ between instruction sets.
pub fn dot_u7_i8(query: &[i8], row: &[u8]) -> i32 {
    dot_u8_i8(query, row)
}
