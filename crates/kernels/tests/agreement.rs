//! Every table of kernels this processor can run agrees with the scalar truth.

use proptest::collection::vec;
use proptest::prelude::*;
use vectorizer_kernels::{FloatKernels, Kernel, Kernels, Rows, available, f32_bytes};
use vectorizer_model::{Datatype, Metric, Ordinal, RowLayout};

const LENGTHS_BIG: [usize; 9] = [384, 511, 512, 768, 960, 1000, 1536, 4097, 65_536];

/// A fixed sequence of bytes that looks random.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[5]
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn floats(length: usize, seed: u64) -> Vec<f32> {
    let bytes = noise(length * 2, seed);
    let pairs = bytes.as_chunks::<2>().0.iter();
    pairs.map(|&pair| f32::from(i16::from_le_bytes(pair)) / 8192.0).collect()
}

fn lengths() -> impl Iterator<Item = usize> {
    (0..=300).chain(LENGTHS_BIG)
}

fn signed(codes: &[u8]) -> Vec<i8> {
    codes.iter().map(|code| code.cast_signed()).collect()
}

fn check_codes(query: &[u8], row: &[u8]) {
    let truth = Kernels::scalar();
    let query_signed = signed(query);
    let low = |codes: &[u8]| codes.iter().map(|code| code & 127).collect::<Vec<_>>();
    let (query7, row7) = (low(query), low(row));
    for table in available() {
        let context = (table.name, query.len());
        let l2 = (table.l2_u8.pair)(query, row);
        assert_eq!(l2, (truth.l2_u8.pair)(query, row), "l2_u8 {context:?}");
        let l2 = (table.l2_u7.pair)(&query7, &row7);
        assert_eq!(l2, (truth.l2_u7.pair)(&query7, &row7), "l2_u7 {context:?}");
        let l1 = (table.l1_u8.pair)(query, row);
        assert_eq!(l1, (truth.l1_u8.pair)(query, row), "l1_u8 {context:?}");
        let dot = (table.dot_u8_i8.pair)(&query_signed, row);
        let expected = (truth.dot_u8_i8.pair)(&query_signed, row);
        assert_eq!(dot, expected, "dot_u8_i8 {context:?}");
        let dot = (table.dot_u7_i8.pair)(&query_signed, &row7);
        let expected = (truth.dot_u7_i8.pair)(&query_signed, &row7);
        assert_eq!(dot, expected, "dot_u7_i8 {context:?}");
    }
}

fn as_f16(row: &[f32]) -> Vec<u8> {
    let halves = row.iter();
    halves.flat_map(|&value| half::f16::from_f32(value).to_le_bytes()).collect()
}

/// The rows as each datatype stores them, with the kernels that read them.
fn stored(row: &[f32]) -> [(Datatype, Vec<u8>); 3] {
    let clamp = |value: f32| Datatype::Uint8.round(value * 40.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rounded into the range"
    )]
    let bytes = row.iter().map(|&value| clamp(value) as u8).collect();
    [
        (Datatype::Float32, f32_bytes(row).to_vec()),
        (Datatype::Float16, as_f16(row)),
        (Datatype::Uint8, bytes),
    ]
}

fn check_floats(query: &[f32], row: &[f32]) {
    for (datatype, row) in stored(row) {
        let truth = Kernels::scalar().floats(datatype);
        for table in available() {
            let kernels = table.floats(datatype);
            let context = format!("{} {datatype:?} of {}", table.name, query.len());
            // The sum of magnitudes bounds what another order of additions can change.
            let zeros = vec![0.0; query.len()];
            let weight = |kernel: &Kernel<f32, f32>| (kernel.pair)(query, &row);
            let magnitude =
                weight(&truth.l2) + (truth.l2.pair)(&zeros, &row) + (kernels.l2.pair)(query, &row);
            let pairs = [
                (weight(&truth.l2), weight(&kernels.l2), magnitude),
                (weight(&truth.dot), weight(&kernels.dot), magnitude),
                (weight(&truth.l1), weight(&kernels.l1), weight(&truth.l1)),
            ];
            for (expected, found, magnitude) in pairs {
                let tolerance = 1e-5 * magnitude + 1e-6;
                assert!((expected - found).abs() <= tolerance, "{context}: {expected} {found}");
            }
        }
    }
}

#[test]
fn codes_of_every_length() {
    for length in lengths() {
        check_codes(&noise(length, 3), &noise(length, 4));
    }
}

#[test]
fn extreme_codes_of_every_length() {
    let extremes = [0, 1, 127, 128, 255];
    for length in lengths() {
        for query in extremes {
            for row in extremes {
                check_codes(&vec![query; length], &vec![row; length]);
            }
        }
    }
}

#[test]
fn the_largest_sums_are_exact() {
    let (zeros, full) = (vec![0_u8; 65_536], vec![255_u8; 65_536]);
    let lowest = vec![-128_i8; 65_536];
    for table in available() {
        assert_eq!((table.l2_u8.pair)(&zeros, &full), 255 * 255 * 65_536);
        assert_eq!((table.l1_u8.pair)(&zeros, &full), 255 * 65_536);
        assert_eq!((table.dot_u8_i8.pair)(&lowest, &full), 255 * -128 * 65_536);
        let low: Vec<u8> = vec![127; 65_536];
        assert_eq!((table.dot_u7_i8.pair)(&lowest, &low), 127 * -128 * 65_536);
    }
}

#[test]
fn floats_of_every_length() {
    for length in lengths() {
        check_floats(&floats(length, 5), &floats(length, 6));
    }
}

#[test]
fn scalar_floats_agree_with_double_precision() {
    for length in lengths() {
        let (query, row) = (floats(length, 7), floats(length, 8));
        let terms = query.iter().zip(&row).map(|(&q, &r)| (f64::from(q), f64::from(r)));
        let l2: f64 = terms.clone().map(|(q, r)| (q - r) * (q - r)).sum();
        let dot: f64 = terms.clone().map(|(q, r)| q * r).sum();
        let l1: f64 = terms.map(|(q, r)| (q - r).abs()).sum();
        let truth = Kernels::scalar();
        let near = |a: f32, b: f64| (f64::from(a) - b).abs() <= 1e-5 * (l2 + l1) + 1e-6;
        assert!(near(truth.l2(&query, &row), l2));
        assert!(near(truth.dot(&query, &row), dot));
        assert!(near(truth.l1(&query, &row), l1));
    }
}

/// A column in the layout, with rows of noise; the last row is cut to its own bytes.
fn column(layout: RowLayout, rows: usize, seed: u64) -> Vec<u8> {
    let last = Ordinal::from_index(rows - 1);
    noise(layout.offset(last) + layout.row_bytes(), seed)
}

fn check_loops<Q, T: Copy + Default + PartialEq + std::fmt::Debug>(
    kernel: &Kernel<Q, T>,
    query: &[Q],
    rows: Rows<'_>,
    ordinals: &[Ordinal],
) {
    let expected: Vec<T> =
        ordinals.iter().map(|&ordinal| (kernel.pair)(query, rows.row(ordinal))).collect();
    let mut found = vec![T::default(); ordinals.len()];
    (kernel.gather)(query, rows, ordinals, &mut found);
    assert_eq!(found, expected, "gather");
    for (first, window) in [(0, 7), (3, 20), (29, 1), (30, 0)] {
        let mut found = vec![T::default(); window];
        (kernel.scan)(query, rows, Ordinal(first), &mut found);
        let scanned = (first..).take(window).map(Ordinal);
        let expected: Vec<T> =
            scanned.map(|ordinal| (kernel.pair)(query, rows.row(ordinal))).collect();
        assert_eq!(found, expected, "scan");
    }
}

fn all_of(floats: &FloatKernels) -> [&Kernel<f32, f32>; 3] {
    [&floats.l2, &floats.dot, &floats.l1]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_codes(pairs in vec((any::<u8>(), any::<u8>()), 0..700)) {
        let (query, row): (Vec<u8>, Vec<u8>) = pairs.into_iter().unzip();
        check_codes(&query, &row);
    }

    #[test]
    fn random_floats(pairs in vec((-100.0_f32..100.0, -100.0_f32..100.0), 0..700)) {
        let (query, row): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
        check_floats(&query, &row);
    }

    #[test]
    fn loops_equal_pairs(
        dim in 1_usize..200,
        paged in any::<bool>(),
        ordinals in vec((0_u32..30).prop_map(Ordinal), 0..100),
        seed in any::<u64>(),
    ) {
        let layout = |bytes| if paged { RowLayout::paged(bytes) } else { RowLayout::dense(bytes) };
        let codes = layout(dim);
        let bytes: Vec<u8> = column(codes, 30, seed).iter().map(|code| code & 127).collect();
        let rows = Rows { bytes: &bytes, layout: codes };
        let query: Vec<u8> = noise(dim, seed ^ 1).iter().map(|code| code & 127).collect();
        let query_floats = floats(dim, seed);
        for table in available() {
            for kernel in [&table.l2_u8, &table.l2_u7, &table.l1_u8] {
                check_loops(kernel, &query, rows, &ordinals);
            }
            for kernel in [&table.dot_u8_i8, &table.dot_u7_i8] {
                check_loops(kernel, &signed(&query), rows, &ordinals);
            }
            for kernel in all_of(&table.u8) {
                check_loops(kernel, &query_floats, rows, &ordinals);
            }
        }
    }

    #[test]
    fn float_loops_equal_pairs(
        dim in 1_usize..200,
        paged in any::<bool>(),
        ordinals in vec((0_u32..30).prop_map(Ordinal), 0..100),
        seed in any::<u64>(),
    ) {
        let query = floats(dim, seed);
        for (datatype, bytes) in stored(&floats(dim * 30, seed ^ 2)) {
            let row_bytes = dim * datatype.bytes();
            let layout = if paged { RowLayout::paged(row_bytes) } else { RowLayout::dense(row_bytes) };
            let mut placed = vec![0; layout.bytes(30)];
            for (row, ordinal) in bytes.chunks_exact(row_bytes).zip((0..).map(Ordinal)) {
                let start = layout.offset(ordinal);
                placed[start..start + row_bytes].copy_from_slice(row);
            }
            let rows = Rows { bytes: &placed, layout };
            for table in available() {
                for kernel in all_of(table.floats(datatype)) {
                    check_loops(kernel, &query, rows, &ordinals);
                }
            }
        }
    }
}

#[test]
fn metrics_count_distances() {
    let (query, row) = ([1.0_f32, 2.0], [3.0_f32, -1.0]);
    for table in available() {
        let distance = |metric| table.f32.of(metric).pair(&query, f32_bytes(&row));
        let found = [Metric::L2, Metric::Dot, Metric::Cosine, Metric::Manhattan].map(distance);
        assert_eq!(found.map(f32::to_bits), [13.0_f32, -1.0, -1.0, 5.0].map(f32::to_bits));
        let mut out = [0.0; 2];
        let bytes = [f32_bytes(&row), f32_bytes(&query)].concat();
        let rows = Rows::dense(&bytes, 8);
        table.f32.of(Metric::Dot).gather(&query, rows, &[Ordinal(1), Ordinal(0)], &mut out);
        assert_eq!(out.map(f32::to_bits), [-5.0_f32, -1.0].map(f32::to_bits));
        table.f32.of(Metric::Dot).scan(&query, rows, Ordinal(0), &mut out);
        assert_eq!(out.map(f32::to_bits), [-1.0_f32, -5.0].map(f32::to_bits));
    }
}

#[test]
fn rows_outside_of_the_column_are_refused() {
    let bytes = [0_u8; 64];
    let rows = Rows::dense(&bytes, 16);
    vectorizer_kernels::prefetch_rows(rows, &[Ordinal(0), Ordinal(4), Ordinal(u32::MAX)]);
    assert!(rows.get(Ordinal(3)).is_some() && rows.get(Ordinal(4)).is_none());
    for table in available() {
        let outcome = std::panic::catch_unwind(|| {
            (table.l2_u8.gather)(&[0; 16], rows, &[Ordinal(4)], &mut [0]);
        });
        assert!(outcome.is_err(), "{}", table.name);
        let outcome = std::panic::catch_unwind(|| {
            (table.l2_u8.scan)(&[0; 17], rows, Ordinal(0), &mut [0]);
        });
        assert!(outcome.is_err(), "{}", table.name);
    }
}
