//! Tables of kernels.

use vectorizer_model::{Datatype, Metric, Ordinal};

use crate::cast::f32_bytes;
use crate::rows::Rows;

/// One distance in its three forms. `Q` is a query component, `T` the sum.
#[derive(Debug)]
pub struct Kernel<Q: 'static, T: 'static> {
    /// Compares a query with one row.
    ///
    /// Shapes: the query is `[dim]`, the row has the bytes of `[dim]` components. If one is longer
    /// the result is unspecified (but no memory outside of them is read).
    pub pair: fn(query: &[Q], row: &[u8]) -> T,
    /// Compares a query with rows in any order, loading rows ahead.
    ///
    /// Shapes: the query is `[dim]`, ordinals and output are `[n]`. Panics if those lengths or the
    /// row size do not fit, or if a row lies outside of the column.
    pub gather: fn(query: &[Q], rows: Rows<'_>, ordinals: &[Ordinal], out: &mut [T]),
    /// Compares a query with the rows from an ordinal on.
    ///
    /// Shapes: the query is `[dim]`, the output is `[n]` for the `n` rows from `first` on. Panics
    /// if the row size does not fit, or if a row lies outside of the column.
    pub scan: fn(query: &[Q], rows: Rows<'_>, first: Ordinal, out: &mut [T]),
}

/// The distances of an `f32` query to rows of one datatype.
#[derive(Debug)]
pub struct FloatKernels {
    /// Squared Euclidean distance.
    pub l2: Kernel<f32, f32>,
    /// Inner product.
    pub dot: Kernel<f32, f32>,
    /// Sum of absolute differences.
    pub l1: Kernel<f32, f32>,
}

impl FloatKernels {
    /// The kernel of a metric, counting as the engine does.
    #[inline]
    pub fn of(&self, metric: Metric) -> MetricKernel<'_> {
        let (kernel, negated) = match metric {
            Metric::L2 => (&self.l2, false),
            Metric::Dot | Metric::Cosine => (&self.dot, true),
            Metric::Manhattan => (&self.l1, false),
        };
        MetricKernel { kernel, negated }
    }
}

/// A kernel whose results are the distances of a metric, as the engine counts them: smaller is
/// nearer, so that products are negated.
#[derive(Debug, Clone, Copy)]
pub struct MetricKernel<'a> {
    kernel: &'a Kernel<f32, f32>,
    negated: bool,
}

impl MetricKernel<'_> {
    /// The distance of one row.
    ///
    /// Shapes: `query` is `[dim]`, `row` the bytes of `[dim]` components.
    #[inline]
    pub fn pair(&self, query: &[f32], row: &[u8]) -> f32 {
        let sum = (self.kernel.pair)(query, row);
        if self.negated { -sum } else { sum }
    }

    /// The distance of two vectors `[dim]`; for the kernels of `f32` rows only.
    #[inline]
    pub fn pair_f32(&self, query: &[f32], row: &[f32]) -> f32 {
        self.pair(query, f32_bytes(row))
    }

    /// The distances of rows in any order.
    ///
    /// Shapes: `query` is `[dim]`, `ordinals` and `out` are `[n]`.
    ///
    /// # Panics
    /// If shapes do not fit or a row lies outside of the column.
    pub fn gather(&self, query: &[f32], rows: Rows<'_>, ordinals: &[Ordinal], out: &mut [f32]) {
        (self.kernel.gather)(query, rows, ordinals, out);
        self.finish(out);
    }

    /// The distances of the rows from `first` on.
    ///
    /// Shapes: `query` is `[dim]`, `out` is `[n]` for `n` rows.
    ///
    /// # Panics
    /// If shapes do not fit or a row lies outside of the column.
    pub fn scan(&self, query: &[f32], rows: Rows<'_>, first: Ordinal, out: &mut [f32]) {
        (self.kernel.scan)(query, rows, first, out);
        self.finish(out);
    }

    fn finish(&self, out: &mut [f32]) {
        if self.negated {
            for distance in out {
                *distance = -*distance;
            }
        }
    }
}

/// Every kernel, for one instruction set.
#[derive(Debug)]
pub struct Kernels {
    /// The instruction set: `scalar`, `avx2` or `avx512`.
    pub name: &'static str,
    /// `f32` query, rows of `f32`.
    pub f32: FloatKernels,
    /// `f32` query, rows of `f16`.
    pub f16: FloatKernels,
    /// `f32` query, rows of bytes that are components 0 to 255.
    pub u8: FloatKernels,
    /// Squared Euclidean distance of codes 0 to 255.
    pub l2_u8: Kernel<u8, u32>,
    /// Squared Euclidean distance of codes 0 to 127; faster.
    pub l2_u7: Kernel<u8, u32>,
    /// Sum of absolute differences of codes 0 to 255.
    pub l1_u8: Kernel<u8, u32>,
    /// Inner product of row codes 0 to 255 with query codes -128 to 127.
    pub dot_u8_i8: Kernel<i8, i32>,
    /// Inner product of row codes 0 to 127 with query codes -128 to 127; faster.
    pub dot_u7_i8: Kernel<i8, i32>,
}

impl Kernels {
    /// The kernels for rows of a datatype.
    pub fn floats(&self, datatype: Datatype) -> &FloatKernels {
        match datatype {
            Datatype::Float32 => &self.f32,
            Datatype::Float16 => &self.f16,
            Datatype::Uint8 => &self.u8,
        }
    }

    /// Squared Euclidean distance of two vectors `[dim]`.
    #[inline]
    pub fn l2(&self, a: &[f32], b: &[f32]) -> f32 {
        (self.f32.l2.pair)(a, f32_bytes(b))
    }

    /// Inner product of two vectors `[dim]`.
    #[inline]
    pub fn dot(&self, a: &[f32], b: &[f32]) -> f32 {
        (self.f32.dot.pair)(a, f32_bytes(b))
    }

    /// Sum of absolute differences of two vectors `[dim]`.
    #[inline]
    pub fn l1(&self, a: &[f32], b: &[f32]) -> f32 {
        (self.f32.l1.pair)(a, f32_bytes(b))
    }
}
