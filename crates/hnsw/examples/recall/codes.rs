//! One byte for each component, and squared Euclidean distances between such codes.

use std::convert::Infallible;
use std::sync::atomic::AtomicU32;

use vectorizer_kernels::{Rows, kernels, prefetch_rows};
use vectorizer_model::{Ordinal, RowScorer, Scorer};

/// Rows scored in one call of a kernel.
const BATCH: usize = 64;

/// Codes of all rows.
pub(crate) struct Codes {
    dim: usize,
    min: f32,
    scale: f32,
    bytes: Vec<u8>,
    /// Where the first row lies: on a cache line of its own.
    start: usize,
}

/// A query's code among the rows'.
pub(crate) struct Query<'a> {
    codes: &'a Codes,
    code: Vec<u8>,
}

pub(crate) fn prefetch(bytes: &[u8]) {
    prefetch_rows(Rows::dense(bytes, bytes.len()), &[Ordinal(0)]);
}

#[expect(unsafe_code, reason = "experiment")]
pub(crate) fn prefetch_links(links: &[AtomicU32]) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    for line in links.chunks(16) {
        // SAFETY: a hint.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
}

impl Codes {
    /// Scales components linearly so that all but the most extreme fit.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` clamps")]
    pub(crate) fn new(base: &[f32], dim: usize) -> Self {
        let (min, max) = range(base);
        let scale = 255.0 / (max - min);
        let mut bytes = vec![0; base.len() + 64];
        let start = (64 - bytes.as_ptr().addr() % 64) % 64;
        for (code, value) in bytes[start..].iter_mut().zip(base) {
            *code = ((value - min) * scale).round() as u8;
        }
        Self { dim, min, scale, bytes, start }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` clamps")]
    pub(crate) fn query(&self, query: &[f32]) -> Query<'_> {
        let code = query.iter().map(|value| ((value - self.min) * self.scale).round() as u8);
        Query { codes: self, code: code.collect() }
    }

    fn column(&self) -> Rows<'_> {
        Rows::dense(&self.bytes[self.start..], self.dim)
    }

    fn score(&self, code: &[u8], ordinals: &[Ordinal], out: &mut [f32]) {
        let gather = kernels().l2_u8.gather;
        for (ordinals, out) in ordinals.chunks(BATCH).zip(out.chunks_mut(BATCH)) {
            let mut sums = [0; BATCH];
            gather(code, self.column(), ordinals, &mut sums[..ordinals.len()]);
            for (distance, sum) in out.iter_mut().zip(sums) {
                *distance = sum as f32;
            }
        }
    }
}

fn range(base: &[f32]) -> (f32, f32) {
    if base.iter().take(10_000).all(|value| value.fract() == 0.0) {
        return (0.0, 255.0);
    }
    let mut sorted: Vec<f32> = base.iter().step_by(97).copied().collect();
    sorted.sort_unstable_by(f32::total_cmp);
    let extreme = sorted.len() / 2000;
    (sorted[extreme], sorted[sorted.len() - 1 - extreme])
}

impl Scorer for Query<'_> {
    type Error = Infallible;

    fn prefetch(&mut self, ordinals: &[Ordinal]) {
        if crate::PF.load(std::sync::atomic::Ordering::Relaxed) {
            prefetch_rows(self.codes.column(), ordinals);
        }
    }

    fn score(&mut self, ordinals: &[Ordinal], out: &mut [f32]) -> Result<(), Infallible> {
        self.codes.score(&self.code, ordinals, out);
        Ok(())
    }
}

impl RowScorer for Codes {
    fn rows(&self) -> usize {
        (self.bytes.len() - 64) / self.dim
    }

    fn prefetch(&self, ordinals: &[Ordinal]) {
        prefetch_rows(self.column(), ordinals);
    }

    fn score(&self, row: Ordinal, ordinals: &[Ordinal], out: &mut [f32]) {
        self.score(self.column().row(row), ordinals, out);
    }
}
