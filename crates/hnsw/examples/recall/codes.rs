//! One byte for each component of all rows, as the segment keeps them.

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use vectorizer_kernels::{Rows, prefetch_rows};
use vectorizer_model::{Metric, Ordinal, RowScorer, Scorer};
use vectorizer_quantize::{Levels, QueryCodes, ScalarQuantizer};

/// Codes of all rows.
pub(crate) struct Codes {
    quantizer: ScalarQuantizer,
    bytes: Vec<u8>,
    /// Where the first row lies: on a cache line of its own.
    start: usize,
}

/// A query's code among the rows'.
pub(crate) struct Query<'a> {
    codes: &'a Codes,
    code: QueryCodes,
}

/// Asks the processor for stored bytes.
pub(crate) fn prefetch(bytes: &[u8]) {
    prefetch_rows(Rows::dense(bytes, bytes.len()), &[Ordinal(0)]);
}

/// Loads links under construction for the sake of the cache.
pub(crate) fn touch(links: &[AtomicU32]) {
    for line in links.chunks(16) {
        black_box(line[0].load(Relaxed));
    }
}

impl Codes {
    pub(crate) fn new(base: &[f32], dim: usize, metric: Metric, levels: Levels) -> Self {
        let quantizer = ScalarQuantizer::train(metric, levels, dim, base, 0.999).expect("floats");
        let mut bytes = vec![0; base.len() + 64];
        let start = (64 - bytes.as_ptr().addr() % 64) % 64;
        let rows = bytes[start..].chunks_exact_mut(dim);
        for (code, row) in rows.zip(base.chunks_exact(dim)) {
            quantizer.encode(row, code);
        }
        Self { quantizer, bytes, start }
    }

    pub(crate) fn query(&self, query: &[f32]) -> Query<'_> {
        Query { codes: self, code: self.quantizer.query(query) }
    }

    fn column(&self) -> Rows<'_> {
        Rows::dense(&self.bytes[self.start..], self.quantizer.code_bytes())
    }
}

impl Scorer for Query<'_> {
    type Error = Infallible;

    fn prefetch(&mut self, ordinals: &[Ordinal]) {
        prefetch_rows(self.codes.column(), ordinals);
    }

    fn score(&mut self, ordinals: &[Ordinal], out: &mut [f32]) -> Result<(), Infallible> {
        self.code.score(self.codes.column(), ordinals, out);
        Ok(())
    }
}

impl RowScorer for Codes {
    fn rows(&self) -> usize {
        (self.bytes.len() - 64) / self.quantizer.code_bytes()
    }

    fn prefetch(&self, ordinals: &[Ordinal]) {
        prefetch_rows(self.column(), ordinals);
    }

    fn score(&self, row: Ordinal, ordinals: &[Ordinal], out: &mut [f32]) {
        let column = self.column();
        self.quantizer.score_row(column.row(row), column, ordinals, out);
    }
}
