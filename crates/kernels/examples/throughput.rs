//! Prints nanoseconds for each distance: every table, gather from random rows and scan.
//!
//! Run: `cargo run --release -p vectorizer-kernels --example throughput`

#![expect(clippy::print_stdout, reason = "a measuring tool reports on its output")]

use std::hint::black_box;
use std::time::Instant;

use vectorizer_kernels::{Kernel, Kernels, Rows, available, f32_bytes};
use vectorizer_model::Ordinal;

/// Rows of the column: more bytes than the processor caches for every dimension measured.
const ROWS: u32 = 200_000;
/// Distances of one measurement.
const DISTANCES: usize = 400_000;
/// Rows of one gather: the links of a graph node.
const BATCH: usize = 32;

struct Xorshift(u64);

impl Xorshift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    #[expect(clippy::cast_possible_truncation, reason = "below ROWS")]
    fn ordinal(&mut self) -> Ordinal {
        Ordinal((self.next() % u64::from(ROWS)) as u32)
    }
}

/// Nanoseconds for each distance, the best of three runs.
fn best(mut run: impl FnMut()) -> f64 {
    let mut nanos = f64::MAX;
    for _ in 0..3 {
        let start = Instant::now();
        run();
        nanos = nanos.min(start.elapsed().as_secs_f64() * 1e9 / DISTANCES as f64);
    }
    nanos
}

fn measure<Q, T: Copy + Default>(
    name: &str,
    kernel: &Kernel<Q, T>,
    query: &[Q],
    rows: Rows<'_>,
    ordinals: &[Ordinal],
) {
    let mut out = vec![T::default(); BATCH];
    let gather = best(|| {
        for ordinals in ordinals.chunks_exact(BATCH) {
            (kernel.gather)(black_box(query), rows, ordinals, &mut out);
            black_box(&out);
        }
    });
    let hot: Vec<Ordinal> = (0..32).map(Ordinal).collect();
    let cached = best(|| {
        for _ in 0..DISTANCES / BATCH {
            (kernel.gather)(black_box(query), rows, &hot, &mut out);
            black_box(&out);
        }
    });
    let mut all = vec![T::default(); DISTANCES / 2];
    let scan = best(|| {
        for _ in 0..2 {
            (kernel.scan)(black_box(query), rows, Ordinal(0), &mut all);
            black_box(&all);
        }
    });
    let pair = best(|| {
        for &ordinal in ordinals {
            black_box((kernel.pair)(black_box(query), rows.row(ordinal)));
        }
    });
    println!(
        "  {name:<10} gather {gather:7.1}  scan {scan:7.1}  cached {cached:7.1}  pair {pair:7.1}"
    );
}

fn measure_table(table: &Kernels, dim: usize, bytes: &[u8], ordinals: &[Ordinal]) {
    println!("{} dim {dim} (ns for each distance)", table.name);
    let query: Vec<u8> = bytes[..dim].iter().map(|code| code & 127).collect();
    let signed: Vec<i8> = query.iter().map(|code| code.cast_signed()).collect();
    let floats: Vec<f32> = query.iter().map(|&code| f32::from(code)).collect();
    let codes = Rows::dense(&bytes[..dim * ROWS as usize], dim);
    measure("l2_u7", &table.l2_u7, &query, codes, ordinals);
    measure("l2_u8", &table.l2_u8, &query, codes, ordinals);
    measure("l1_u8", &table.l1_u8, &query, codes, ordinals);
    measure("dot_u7_i8", &table.dot_u7_i8, &signed, codes, ordinals);
    measure("dot_u8_i8", &table.dot_u8_i8, &signed, codes, ordinals);
    measure("l2_f32_u8", &table.u8.l2, &floats, codes, ordinals);
    let halves = Rows::dense(bytes, dim * 2);
    measure("l2_f16", &table.f16.l2, &floats, halves, ordinals);
    measure("dot_f16", &table.f16.dot, &floats, halves, ordinals);
    let singles = Rows::dense(bytes, dim * 4);
    measure("l2_f32", &table.f32.l2, &floats, singles, ordinals);
    measure("dot_f32", &table.f32.dot, &floats, singles, ordinals);
    measure("l1_f32", &table.f32.l1, &floats, singles, ordinals);
}

fn main() {
    let mut random = Xorshift(42);
    let ordinals: Vec<Ordinal> = (0..DISTANCES).map(|_| random.ordinal()).collect();
    for dim in [128_usize, 384] {
        // Small whole numbers: normal components in every datatype that reads these bytes.
        let pattern = [0.25_f32, 1.5, 2.5, 0.75, 3.0];
        let values: Vec<f32> = pattern.iter().copied().cycle().take(dim * ROWS as usize).collect();
        let bytes = f32_bytes(&values);
        for table in available() {
            measure_table(table, dim, bytes, &ordinals);
        }
    }
}
