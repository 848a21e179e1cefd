//! One byte for each component, and squared Euclidean distances between such codes.

use std::convert::Infallible;

use vectorizer_model::{Ordinal, RowScorer, Scorer};

pub struct Codes {
    dim: usize,
    min: f32,
    scale: f32,
    bytes: Vec<u8>,
    start: usize,
}

#[expect(unsafe_code, reason = "experiment")]
pub fn prefetch(bytes: &[u8]) {
    for line in bytes.chunks(64) {
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.as_ptr().cast());
        }
    }
}

#[expect(unsafe_code, reason = "experiment")]
pub fn prefetch_links(links: &[std::sync::atomic::AtomicU32]) {
    for line in links.chunks(16) {
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.as_ptr().cast());
        }
    }
}

fn distance(a: &[u8], b: &[u8]) -> f32 {
    let mut sum = 0_i32;
    for (a, b) in a.as_chunks::<32>().0.iter().zip(b.as_chunks::<32>().0) {
        let mut part = 0_i32;
        for i in 0..32 {
            let d = i32::from(i16::from(a[i]) - i16::from(b[i]));
            part += d * d;
        }
        sum += part;
    }
    sum as f32
}

impl Codes {
    pub fn new(base: &[f32], dim: usize) -> Self {
        let mut sorted: Vec<f32> = base.iter().step_by(97).copied().collect();
        sorted.sort_unstable_by(f32::total_cmp);
        let (mut min, mut max) = (sorted[sorted.len() / 2000], sorted[sorted.len() - 1 - sorted.len() / 2000]);
        if base.iter().take(10000).all(|v| v.fract() == 0.0) { min = 0.0; max = 255.0; }
        let scale = 255.0 / (max - min);
        let mut bytes = vec![0_u8; base.len() + 64];
        let start = (64 - bytes.as_ptr().addr() % 64) % 64;
        for (b, v) in bytes[start..].iter_mut().zip(base) {
            *b = ((v - min) * scale).round() as u8;
        }
        Self { dim, min, scale, bytes, start }
    }
    pub fn len(&self) -> usize {
        (self.bytes.len() - 64) / self.dim
    }
    fn row(&self, o: Ordinal) -> &[u8] {
        &self.bytes[self.start + o.index() * self.dim..][..self.dim]
    }
    pub fn query(&self, query: &[f32]) -> Query<'_> {
        Query { codes: self, code: query.iter().map(|v| ((v - self.min) * self.scale).round() as u8).collect() }
    }
}

pub struct Query<'a> { codes: &'a Codes, code: Vec<u8> }

fn score(codes: &Codes, code: &[u8], ordinals: &[Ordinal], out: &mut [f32]) {
    for (o, d) in ordinals.iter().zip(out) { *d = distance(code, codes.row(*o)); }
}

impl Scorer for Query<'_> {
    type Error = Infallible;
    fn prefetch(&mut self, ordinals: &[Ordinal]) { for o in ordinals { prefetch(self.codes.row(*o)); } }
    fn score(&mut self, ordinals: &[Ordinal], out: &mut [f32]) -> Result<(), Infallible> {
        score(self.codes, &self.code, ordinals, out);
        Ok(())
    }
}
impl RowScorer for Codes {
    fn rows(&self) -> usize { self.len() }
    fn prefetch(&self, ordinals: &[Ordinal]) { for o in ordinals { prefetch(self.row(*o)); } }
    fn score(&self, row: Ordinal, ordinals: &[Ordinal], out: &mut [f32]) { score(self, self.row(row), ordinals, out); }
}
