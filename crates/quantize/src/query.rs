//! Distances from a query to rows of codes, in the units of the metric.
//!
//! With codes `a` of a row and `b` of a query, components being `offset + step * code`:
//! - squared Euclidean: `step^2 * sum (a - b)^2`; for unit vectors `x.y = 1 - l2 / 2`, so that the
//!   cosine distance is `l2 / 2 - 1`;
//! - Manhattan: `step * sum |a - b|`;
//! - inner product: the row is `step * (a - middle)` and the query `scale * b'` with signed `b'`, so
//!   that `x.y = step * scale * (sum a * b' - middle * sum b')`; the last sum belongs to the query.

use std::cell::RefCell;

use vectorizer_kernels::{Kernel, Rows, kernels};
use vectorizer_model::{Metric, Ordinal};

use crate::levels::Levels;
use crate::scalar::ScalarQuantizer;

/// Rows of one kernel call: enough to hide the first loads, few enough for sums on the stack.
const BLOCK_ROWS: usize = 256;

/// A query in codes, ready to be scored against rows of codes of the quantizer that made it.
#[derive(Debug, Clone)]
pub struct QueryCodes {
    codes: Codes,
    units: Units,
}

#[derive(Debug, Clone)]
enum Codes {
    /// Codes as rows have them, and the kernel that compares them.
    Unsigned(Vec<u8>, UnsignedKernel),
    /// Signed codes for inner products.
    Signed(Vec<i8>, SignedKernel),
}

type UnsignedKernel = &'static Kernel<u8, u32>;
type SignedKernel = &'static Kernel<i8, i32>;

/// From sums over codes to distances: `factor * (sum - correction) + constant`.
#[derive(Debug, Clone, Copy)]
struct Units {
    factor: f32,
    constant: f32,
    correction: i32,
}

impl ScalarQuantizer {
    /// Prepares a query for scoring rows of codes.
    ///
    /// Shapes: `query` is `[dim]`, finite; for [`Metric::Cosine`] of length 1.
    ///
    /// # Panics
    /// If the shape does not fit.
    pub fn query(&self, query: &[f32]) -> QueryCodes {
        QueryCodes::from_vector(self, query)
    }

    /// Prepares a stored row of codes as a query.
    ///
    /// Shapes: `codes` is `[code_bytes]`.
    ///
    /// # Panics
    /// If the shape does not fit.
    pub fn query_from_codes(&self, codes: &[u8]) -> QueryCodes {
        QueryCodes::from_codes(self, codes)
    }

    /// Writes the distances from one row of codes to others; for building graphs. Equals
    /// [`Self::query_from_codes`] and [`QueryCodes::score`], without a copy where none is needed.
    ///
    /// Shapes: `codes` is `[code_bytes]`; `ordinals` and `out` are `[n]`.
    ///
    /// # Panics
    /// If shapes do not fit or a row lies outside of the column.
    pub fn score_row(&self, codes: &[u8], rows: Rows<'_>, ordinals: &[Ordinal], out: &mut [f32]) {
        score_row(self, codes, rows, ordinals, out);
    }
}

impl QueryCodes {
    fn from_vector(quantizer: &ScalarQuantizer, query: &[f32]) -> Self {
        assert_eq!(query.len(), quantizer.dim(), "a query has the dimension");
        if quantizer.metric == Metric::Dot {
            let (codes, scale) = signed_codes(query);
            return Self::signed(quantizer, codes, scale);
        }
        let mut codes = vec![0; quantizer.code_bytes()];
        quantizer.encode(query, &mut codes);
        Self::unsigned(quantizer, codes)
    }

    fn from_codes(quantizer: &ScalarQuantizer, codes: &[u8]) -> Self {
        assert_eq!(codes.len(), quantizer.code_bytes(), "codes have one byte each");
        if quantizer.metric == Metric::Dot {
            let signed = centred(quantizer.levels, codes).collect();
            return Self::signed(quantizer, signed, quantizer.step);
        }
        Self::unsigned(quantizer, codes.to_vec())
    }

    fn unsigned(quantizer: &ScalarQuantizer, codes: Vec<u8>) -> Self {
        let (kernel, units) = unsigned_kernel(quantizer);
        Self { codes: Codes::Unsigned(codes, kernel), units }
    }

    fn signed(quantizer: &ScalarQuantizer, codes: Vec<i8>, scale: f32) -> Self {
        let (kernel, units) = signed_kernel(quantizer, &codes, scale);
        Self { codes: Codes::Signed(codes, kernel), units }
    }

    /// Writes the distances of rows in any order.
    ///
    /// Shapes: `rows` are codes of the quantizer that made this query; `ordinals` and `out` are
    /// `[n]`. The distances approximate those of the metric as the engine counts them: squared for
    /// L2, negated products for Dot and Cosine.
    ///
    /// # Panics
    /// If shapes do not fit or a row lies outside of the column.
    pub fn score(&self, rows: Rows<'_>, ordinals: &[Ordinal], out: &mut [f32]) {
        match &self.codes {
            Codes::Unsigned(codes, kernel) => {
                gather((kernel, codes), rows, ordinals, out, self.units);
            }
            Codes::Signed(codes, kernel) => {
                gather((kernel, codes), rows, ordinals, out, self.units);
            }
        }
    }

    /// Writes the distances of the rows from `first` on, as many as `out` holds.
    ///
    /// Shapes and units as in [`Self::score`].
    ///
    /// # Panics
    /// If shapes do not fit or a row lies outside of the column.
    pub fn scan(&self, rows: Rows<'_>, first: Ordinal, out: &mut [f32]) {
        match &self.codes {
            Codes::Unsigned(codes, kernel) => scan((kernel, codes), rows, first, out, self.units),
            Codes::Signed(codes, kernel) => scan((kernel, codes), rows, first, out, self.units),
        }
    }
}

thread_local! {
    /// A row's codes made signed, kept so that a build allocates once for each of its threads: at
    /// most a row's length.
    static CENTRED: RefCell<Vec<i8>> = const { RefCell::new(Vec::new()) };
}

fn score_row(
    quantizer: &ScalarQuantizer,
    codes: &[u8],
    rows: Rows<'_>,
    ordinals: &[Ordinal],
    out: &mut [f32],
) {
    if quantizer.metric == Metric::Dot {
        assert_eq!(codes.len(), quantizer.code_bytes(), "codes have one byte each");
        CENTRED.with_borrow_mut(|signed| {
            signed.clear();
            signed.extend(centred(quantizer.levels, codes));
            let (kernel, units) = signed_kernel(quantizer, signed, quantizer.step);
            gather((kernel, signed), rows, ordinals, out, units);
        });
        return;
    }
    let (kernel, units) = unsigned_kernel(quantizer);
    gather((kernel, codes), rows, ordinals, out, units);
}

fn gather<Q, T: Sum>(
    (kernel, codes): (&Kernel<Q, T>, &[Q]),
    rows: Rows<'_>,
    ordinals: &[Ordinal],
    out: &mut [f32],
    units: Units,
) {
    assert_eq!(ordinals.len(), out.len(), "one distance for each row");
    let mut sums = [T::default(); BLOCK_ROWS];
    let blocks = ordinals.chunks(BLOCK_ROWS).zip(out.chunks_mut(BLOCK_ROWS));
    for (ordinals, out) in blocks {
        let sums = &mut sums[..out.len()];
        (kernel.gather)(codes, rows, ordinals, sums);
        T::convert(sums, units, out);
    }
}

fn scan<Q, T: Sum>(
    (kernel, codes): (&Kernel<Q, T>, &[Q]),
    rows: Rows<'_>,
    first: Ordinal,
    out: &mut [f32],
    units: Units,
) {
    let mut sums = [T::default(); BLOCK_ROWS];
    let starts = (first.index()..).step_by(BLOCK_ROWS).map(Ordinal::from_index);
    for (first, out) in starts.zip(out.chunks_mut(BLOCK_ROWS)) {
        let sums = &mut sums[..out.len()];
        (kernel.scan)(codes, rows, first, sums);
        T::convert(sums, units, out);
    }
}

/// The kernel and units of inner products with these signed codes.
fn signed_kernel(quantizer: &ScalarQuantizer, codes: &[i8], scale: f32) -> (SignedKernel, Units) {
    let kernel = match quantizer.levels {
        Levels::U7 => &kernels().dot_u7_i8,
        Levels::U8 => &kernels().dot_u8_i8,
    };
    let sum: i32 = codes.iter().map(|&code| i32::from(code)).sum();
    let units = Units {
        factor: -quantizer.step * scale,
        constant: 0.0,
        correction: i32::from(quantizer.levels.middle()) * sum,
    };
    (kernel, units)
}

/// The kernel and units of the metrics that compare codes as rows have them.
fn unsigned_kernel(quantizer: &ScalarQuantizer) -> (UnsignedKernel, Units) {
    let table = kernels();
    let l2 = match quantizer.levels {
        Levels::U7 => &table.l2_u7,
        Levels::U8 => &table.l2_u8,
    };
    let step = quantizer.step;
    let (kernel, factor, constant) = match quantizer.metric {
        Metric::Manhattan => (&table.l1_u8, step, 0.0),
        Metric::Cosine => (l2, step * step / 2.0, -1.0),
        Metric::L2 | Metric::Dot => (l2, step * step, 0.0),
    };
    let units = Units { factor, constant, correction: 0 };
    (kernel, units)
}

/// A sum over codes, as kernels count it.
trait Sum: Copy + Default {
    /// Turns sums into distances.
    fn convert(sums: &[Self], units: Units, out: &mut [f32]);
}

impl Sum for u32 {
    fn convert(sums: &[Self], units: Units, out: &mut [f32]) {
        for (distance, &sum) in out.iter_mut().zip(sums) {
            *distance = units.factor * sum as f32 + units.constant;
        }
    }
}

impl Sum for i32 {
    /// Both sums stay below `255 * 128 * DIMENSION_MAX`, and their difference below
    /// `128 * 128 * DIMENSION_MAX`, so that neither wraps.
    fn convert(sums: &[Self], units: Units, out: &mut [f32]) {
        for (distance, &sum) in out.iter_mut().zip(sums) {
            *distance = units.factor * sum.wrapping_sub(units.correction) as f32 + units.constant;
        }
    }
}

/// A query in codes from -127 to 127 with a scale of its own, so that its precision is spent on it.
fn signed_codes(query: &[f32]) -> (Vec<i8>, f32) {
    let largest = query.iter().fold(0.0_f32, |largest, &value| largest.max(value.abs()));
    let scale = (largest / 127.0).max(f32::MIN_POSITIVE);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most 127 in magnitude by the choice of the scale"
    )]
    let codes = query.iter().map(|&value| (value / scale).round() as i8);
    (codes.collect(), scale)
}

/// Codes of a row as signed codes around the middle.
fn centred(levels: Levels, codes: &[u8]) -> impl Iterator<Item = i8> {
    let middle = levels.middle();
    codes.iter().map(move |&code| code.wrapping_sub(middle).cast_signed())
}
