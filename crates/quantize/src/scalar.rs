//! Scalar quantization: a component is an offset plus a code times a step, for all dimensions alike.

use vectorizer_model::Metric;
use vectorizer_model::limits::DIMENSION_MAX;

use crate::error::QuantizeError;
use crate::levels::Levels;
use crate::train;

/// Maps vectors of one dimension to codes, one byte for each component, and back.
///
/// `component ~ offset + step * code`. For [`Metric::Dot`] the offset is `-middle * step`, so that
/// an inner product needs no sums over the row. A component outside of the range gets the nearest
/// code. Equal inputs give equal codes on every machine.
#[derive(Debug, Clone, PartialEq)]
pub struct ScalarQuantizer {
    pub(crate) metric: Metric,
    pub(crate) levels: Levels,
    pub(crate) dim: u32,
    pub(crate) offset: f32,
    pub(crate) step: f32,
}

impl ScalarQuantizer {
    /// Learns the range from a sample of rows.
    ///
    /// Shapes: `rows` is `[n, dim]`, finite; of a large sample evenly spread rows are used, about a
    /// million components. `quantile` (above 0.5, at most 1; 0.99 suits most) is the share of
    /// components the range shall cover; the rarest on either side are clipped.
    ///
    /// Whole numbers from 0 to the largest code that fill the range are kept exactly, for
    /// [`Metric::L2`] and [`Metric::Manhattan`].
    ///
    /// # Errors
    /// [`QuantizeError::Dimension`], [`QuantizeError::Shape`], [`QuantizeError::Quantile`],
    /// [`QuantizeError::NotFinite`].
    pub fn train(
        metric: Metric,
        levels: Levels,
        dim: usize,
        rows: &[f32],
        quantile: f32,
    ) -> Result<Self, QuantizeError> {
        let dim_checked = check_dim(dim)?;
        if rows.is_empty() || !rows.len().is_multiple_of(dim) {
            return Err(QuantizeError::Shape { values: rows.len(), dim });
        }
        if !(quantile > 0.5 && quantile <= 1.0) {
            return Err(QuantizeError::Quantile { quantile });
        }
        let keeps_whole = matches!(metric, Metric::L2 | Metric::Manhattan);
        if keeps_whole && train::fills_levels(rows, levels) {
            return Ok(Self { metric, levels, dim: dim_checked, offset: 0.0, step: 1.0 });
        }
        let sample = train::sample(rows, dim);
        if sample.iter().any(|value| !value.is_finite()) {
            return Err(QuantizeError::NotFinite);
        }
        let (low, high) = train::range(sample, quantile);
        Self::with_range(metric, levels, dim, low, high)
    }

    /// Spreads the levels over a known range, without a sample.
    ///
    /// For [`Metric::Dot`] the range is widened to be symmetric around zero.
    ///
    /// # Errors
    /// [`QuantizeError::Dimension`]; [`QuantizeError::NotFinite`] for a bound
    /// (or one so large that the range is);
    /// [`QuantizeError::Range`] if `low > high`.
    pub fn with_range(
        metric: Metric,
        levels: Levels,
        dim: usize,
        low: f32,
        high: f32,
    ) -> Result<Self, QuantizeError> {
        let dim = check_dim(dim)?;
        if !low.is_finite() || !high.is_finite() {
            return Err(QuantizeError::NotFinite);
        }
        if low > high {
            return Err(QuantizeError::Range { low, high });
        }
        let middle = f32::from(levels.middle());
        let (offset, step) = if metric == Metric::Dot {
            let step = train::step(low.abs().max(high.abs()), 0.0, levels.max() - levels.middle());
            (-middle * step, step)
        } else {
            let step = train::step(high, low, levels.max());
            let constant = low >= high;
            (if constant { low - middle * step } else { low }, step)
        };
        if !offset.is_finite() {
            return Err(QuantizeError::NotFinite);
        }
        Ok(Self { metric, levels, dim, offset, step })
    }

    /// The metric whose distances codes approximate.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// The range of a code.
    pub fn levels(&self) -> Levels {
        self.levels
    }

    /// Components of a vector.
    pub fn dim(&self) -> usize {
        self.dim as usize
    }

    /// The component that code 0 stands for.
    pub fn offset(&self) -> f32 {
        self.offset
    }

    /// The difference of components that differ by one code; positive.
    pub fn step(&self) -> f32 {
        self.step
    }

    /// Bytes of one row of codes: one for each component.
    pub fn code_bytes(&self) -> usize {
        self.dim as usize
    }

    /// Writes the codes of a vector.
    ///
    /// Shapes: `row` is `[dim]`, finite; `out` is `[code_bytes]`. A component within the range
    /// comes back from [`Self::decode`] at most half a step away, but for rounding.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn encode(&self, row: &[f32], out: &mut [u8]) {
        assert_eq!(row.len(), self.dim(), "a row has the dimension");
        assert_eq!(out.len(), self.code_bytes(), "codes have one byte each");
        let (max, inverse) = (self.levels.max(), 1.0 / self.step);
        for (code, &value) in out.iter_mut().zip(row) {
            let level = (value - self.offset) * inverse + 0.5;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a cast to u8 stops at 0 and 255, which is the clipping wanted"
            )]
            let nearest = level as u8;
            *code = nearest.min(max);
        }
    }

    /// Writes the vector that codes stand for.
    ///
    /// Shapes: `codes` is `[code_bytes]`, `out` is `[dim]`.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn decode(&self, codes: &[u8], out: &mut [f32]) {
        assert_eq!(codes.len(), self.code_bytes(), "codes have one byte each");
        assert_eq!(out.len(), self.dim(), "a row has the dimension");
        for (value, &code) in out.iter_mut().zip(codes) {
            *value = self.offset + self.step * f32::from(code);
        }
    }
}

pub(crate) fn check_dim(dim: usize) -> Result<u32, QuantizeError> {
    match u32::try_from(dim) {
        Ok(checked @ 1..=DIMENSION_MAX) => Ok(checked),
        _ => Err(QuantizeError::Dimension { dim }),
    }
}
