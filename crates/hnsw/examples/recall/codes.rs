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

/// Codes of some rows, numbered as they were loaded.
pub(crate) struct Loaded {
    quantizer: ScalarQuantizer,
    bytes: Vec<u8>,
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

    pub(crate) fn bytes_of(&self, rows: usize) -> u64 {
        (rows * self.quantizer.code_bytes()) as u64
    }

    pub(crate) fn room(&self, rows: usize) -> Loaded {
        let bytes = Vec::with_capacity(rows * self.quantizer.code_bytes());
        Loaded { quantizer: self.quantizer.clone(), bytes }
    }

    pub(crate) fn load(&self, into: &mut Loaded, kept: usize, rows: &[u32]) {
        into.bytes.truncate(kept * self.quantizer.code_bytes());
        for row in rows {
            into.bytes.extend_from_slice(self.column().row(Ordinal(*row)));
        }
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

impl RowScorer for Loaded {
    fn rows(&self) -> usize {
        self.bytes.len() / self.quantizer.code_bytes()
    }

    fn prefetch(&self, ordinals: &[Ordinal]) {
        prefetch_rows(Rows::dense(&self.bytes, self.quantizer.code_bytes()), ordinals);
    }

    fn score(&self, row: Ordinal, ordinals: &[Ordinal], out: &mut [f32]) {
        let column = Rows::dense(&self.bytes, self.quantizer.code_bytes());
        self.quantizer.score_row(column.row(row), column, ordinals, out);
    }
}
