//! Codes of a full chunk, so that scanning it reads a quarter of the bytes.
//!
//! Each chunk has a range of its own, as wide as its values: nothing is clamped, whatever was
//! written before. Candidates are scored again from the values themselves.

use vectorizer_kernels::Rows;
use vectorizer_model::settings::VectorSettings;
use vectorizer_model::{Ordinal, RowLayout};
use vectorizer_quantize::{Levels, QueryCodes, ScalarQuantizer};

/// Codes stand for values if their step is at most this part of the values' standard deviation;
/// an outlier that widens the range beyond that would make all others alike.
const STEP_MAX: f64 = 0.125;

/// The codes of one column of a chunk.
#[derive(Debug)]
pub(crate) struct ChunkCodes {
    quantizer: ScalarQuantizer,
    /// Shape `[rows, dim]`.
    codes: Vec<u8>,
}

impl ChunkCodes {
    /// Encodes values of shape `[rows, dim]`; none if codes would not tell them apart.
    pub(super) fn of(settings: &VectorSettings, values: &[f32]) -> Option<Self> {
        let dim = settings.dim as usize;
        let (low, high) = values
            .iter()
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
        let quantizer =
            ScalarQuantizer::with_range(settings.metric, Levels::U8, dim, low, high).ok()?;
        if f64::from(quantizer.step()) > STEP_MAX * deviation(values) {
            return None;
        }
        let mut codes = vec![0; values.len()];
        for (row, out) in values.chunks_exact(dim).zip(codes.chunks_exact_mut(dim)) {
            quantizer.encode(row, out);
        }
        Some(Self { quantizer, codes })
    }

    /// A query as these codes are compared with; shape `[dim]`.
    pub(crate) fn query(&self, query: &[f32]) -> QueryCodes {
        self.quantizer.query(query)
    }

    /// Approximate distances of the rows from `first` on, as many as `out` holds.
    pub(crate) fn scan(&self, query: &QueryCodes, first: usize, out: &mut [f32]) {
        let layout = RowLayout::dense(self.quantizer.code_bytes());
        query.scan(Rows { bytes: &self.codes, layout }, Ordinal::from_index(first), out);
    }
}

fn deviation(values: &[f32]) -> f64 {
    let count = values.len().max(1) as f64;
    let sums = values.iter().fold((0.0, 0.0), |(sum, squares), &value| {
        let value = f64::from(value);
        (sum + value, squares + value * value)
    });
    let mean = sums.0 / count;
    (sums.1 / count - mean * mean).max(0.0).sqrt()
}

#[cfg(test)]
mod tests {
    use vectorizer_model::Metric;

    use super::*;

    const DIM: usize = 24;

    fn settings(metric: Metric) -> VectorSettings {
        let dim = u32::try_from(DIM).expect("small");
        VectorSettings::new(dim, metric)
    }

    fn values() -> Vec<f32> {
        let mut state = 7_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..300 * DIM).map(|_| next()).collect()
    }

    #[test]
    fn distances_are_near_the_true_ones() {
        let values = values();
        for metric in [Metric::L2, Metric::Dot, Metric::Manhattan] {
            let codes = ChunkCodes::of(&settings(metric), &values).expect("values to tell apart");
            let query = &values[5 * DIM..6 * DIM];
            let mut found = vec![0.0; 290];
            codes.scan(&codes.query(query), 10, &mut found);
            let exact = vectorizer_kernels::kernels().f32.of(metric);
            for (row, found) in values[10 * DIM..].chunks_exact(DIM).zip(found) {
                let expected = exact.pair_f32(query, row);
                assert!((found - expected).abs() < 0.2, "{metric:?}: {found}, exactly {expected}");
            }
        }
    }

    #[test]
    fn an_outlier_leaves_the_values_as_they_are() {
        let mut values = values();
        values[77] = 1e6;
        assert!(ChunkCodes::of(&settings(Metric::L2), &values).is_none());
        values[77] = f32::MAX;
        assert!(ChunkCodes::of(&settings(Metric::L2), &values).is_none());
        assert!(ChunkCodes::of(&settings(Metric::L2), &[0.5; 4 * DIM]).is_none());
    }
}
