//! Codes keep what they promise: error bounds, decoded arithmetic, lossless whole numbers, bytes.

use proptest::collection::vec;
use proptest::prelude::*;
use vectorizer_kernels::{Rows, f32_bytes, kernels};
use vectorizer_model::{Metric, Ordinal};
use vectorizer_quantize::bytes::STORED_BYTES;
use vectorizer_quantize::{Levels, QuantizeError, ScalarQuantizer};

const METRICS: [Metric; 4] = [Metric::L2, Metric::Dot, Metric::Cosine, Metric::Manhattan];
const LEVELS: [Levels; 2] = [Levels::U7, Levels::U8];

fn metric() -> impl Strategy<Value = Metric> {
    prop::sample::select(METRICS.to_vec())
}

fn levels() -> impl Strategy<Value = Levels> {
    prop::sample::select(LEVELS.to_vec())
}

/// A matrix `[n, dim]` with its `dim`.
fn matrix() -> impl Strategy<Value = (usize, Vec<f32>)> {
    (1_usize..80, 2_usize..40).prop_flat_map(|(dim, rows)| {
        let values = vec(-10.0_f32..10.0, dim * rows);
        (Just(dim), values)
    })
}

fn encode_all(quantizer: &ScalarQuantizer, rows: &[f32]) -> Vec<u8> {
    let mut codes = vec![0; rows.len()];
    let dim = quantizer.dim();
    for (row, codes) in rows.chunks_exact(dim).zip(codes.chunks_exact_mut(dim)) {
        quantizer.encode(row, codes);
    }
    codes
}

fn decoded(quantizer: &ScalarQuantizer, codes: &[u8]) -> Vec<f32> {
    let mut row = vec![0.0; quantizer.dim()];
    quantizer.decode(codes, &mut row);
    row
}

/// The distance of two vectors in double precision, in the engine's units.
fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let terms = || a.iter().zip(b).map(|(&a, &b)| (f64::from(a), f64::from(b)));
    match metric {
        Metric::L2 => terms().map(|(a, b)| (a - b) * (a - b)).sum(),
        Metric::Cosine => terms().map(|(a, b)| (a - b) * (a - b)).sum::<f64>() / 2.0 - 1.0,
        Metric::Dot => -terms().map(|(a, b)| a * b).sum::<f64>(),
        Metric::Manhattan => terms().map(|(a, b)| (a - b).abs()).sum(),
    }
}

/// How large a sum's terms are, for relative tolerances.
fn magnitude(a: &[f32], b: &[f32]) -> f64 {
    let squares = |v: &[f32]| v.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
    1.0 + squares(a) + squares(b)
}

proptest! {
    #[test]
    fn a_component_comes_back_within_half_a_step(
        (dim, rows) in matrix(),
        metric in metric(),
        levels in levels(),
    ) {
        let quantizer = ScalarQuantizer::train(metric, levels, dim, &rows, 1.0).unwrap();
        let half = quantizer.step() * 0.501 + 1e-5;
        for row in rows.chunks_exact(dim) {
            let mut codes = vec![0; quantizer.code_bytes()];
            quantizer.encode(row, &mut codes);
            prop_assert!(codes.iter().all(|&code| code <= levels.max()));
            for (value, back) in row.iter().zip(decoded(&quantizer, &codes)) {
                prop_assert!((value - back).abs() <= half, "{value} {back} {half}");
            }
            let mut again = vec![0; quantizer.code_bytes()];
            quantizer.encode(&decoded(&quantizer, &codes), &mut again);
            prop_assert_eq!(&codes, &again);
        }
    }

    #[test]
    fn codes_to_codes_equal_decoded_arithmetic(
        (dim, rows) in matrix(),
        metric in metric(),
        levels in levels(),
    ) {
        let quantizer = ScalarQuantizer::train(metric, levels, dim, &rows, 0.99).unwrap();
        let codes = encode_all(&quantizer, &rows);
        let column = Rows::dense(&codes, dim);
        let query_codes = &codes[..dim];
        let query = decoded(&quantizer, query_codes);
        let count = rows.len() / dim;
        let ordinals: Vec<Ordinal> = (0..count).rev().map(Ordinal::from_index).collect();
        let prepared = quantizer.query_from_codes(query_codes);
        let (mut scored, mut scanned) = (vec![0.0; count], vec![0.0; count]);
        prepared.score(column, &ordinals, &mut scored);
        prepared.scan(column, Ordinal(0), &mut scanned);
        let mut direct = vec![0.0; count];
        quantizer.score_row(query_codes, column, &ordinals, &mut direct);
        prop_assert_eq!(&scored, &direct);
        scanned.reverse();
        prop_assert_eq!(&scored, &scanned);
        for (&ordinal, &found) in ordinals.iter().zip(&scored) {
            let row = decoded(&quantizer, column.row(ordinal));
            let expected = distance(metric, &query, &row);
            let tolerance = 1e-5 * magnitude(&query, &row);
            prop_assert!((f64::from(found) - expected).abs() <= tolerance, "{found} {expected}");
        }
    }

    #[test]
    fn query_distances_are_near_the_true_ones(
        (dim, rows) in matrix(),
        metric in prop::sample::select(vec![Metric::L2, Metric::Dot, Metric::Manhattan]),
        levels in levels(),
    ) {
        let quantizer = ScalarQuantizer::train(metric, levels, dim, &rows, 1.0).unwrap();
        let codes = encode_all(&quantizer, &rows);
        let query = &rows[..dim];
        let mut found = vec![0.0; rows.len() / dim];
        quantizer.query(query).scan(Rows::dense(&codes, dim), Ordinal(0), &mut found);
        // Components differ by at most half a step each, and are below 10 in magnitude.
        let step = f64::from(quantizer.step()) + 10.0 / 127.0;
        let bound = dim as f64 * match metric {
            Metric::L2 => step * (40.0 + step),
            Metric::Dot | Metric::Cosine => step * (10.0 + step),
            Metric::Manhattan => step,
        } + 1e-3;
        for (row, &found) in rows.chunks_exact(dim).zip(&found) {
            let expected = distance(metric, query, row);
            prop_assert!((f64::from(found) - expected).abs() <= bound, "{found} {expected}");
        }
    }

    #[test]
    fn stored_bytes_give_the_same_quantizer(
        (dim, rows) in matrix(),
        metric in metric(),
        levels in levels(),
    ) {
        let quantizer = ScalarQuantizer::train(metric, levels, dim, &rows, 0.99).unwrap();
        let bytes = quantizer.to_bytes();
        prop_assert_eq!(ScalarQuantizer::from_bytes(&bytes).unwrap(), quantizer);
    }

    #[test]
    fn foreign_bytes_never_panic(bytes in vec(any::<u8>(), 0..40), version in any::<bool>()) {
        let mut bytes = bytes;
        if version && let Some(header) = bytes.first_chunk_mut() {
            *header = [1, 1, 127, 0];
        }
        if let Ok(quantizer) = ScalarQuantizer::from_bytes(&bytes) {
            prop_assert_eq!(quantizer.to_bytes().to_vec(), bytes);
        }
    }
}

#[test]
fn whole_numbers_are_kept_exactly() {
    let rows: Vec<f32> = (0_u16..128 * 50).map(|i| f32::from(i % 219)).collect();
    for metric in [Metric::L2, Metric::Manhattan] {
        let quantizer = ScalarQuantizer::train(metric, Levels::U8, 128, &rows, 0.99).unwrap();
        let lossless = (quantizer.offset().to_bits(), quantizer.step().to_bits());
        assert_eq!(lossless, (0.0_f32.to_bits(), 1.0_f32.to_bits()));
        let codes = encode_all(&quantizer, &rows);
        let mut found = vec![0.0; 50];
        let query = quantizer.query(&rows[128..256]);
        query.scan(Rows::dense(&codes, 128), Ordinal(0), &mut found);
        let mut expected = vec![0.0; 50];
        let floats = Rows::dense(f32_bytes(&rows), 512);
        let exact = kernels().f32.of(metric);
        exact.scan(&rows[128..256], floats, Ordinal(0), &mut expected);
        assert_eq!(found, expected);
        // Seven bits cannot hold them all, so that the range is learnt instead.
        let learnt = ScalarQuantizer::train(metric, Levels::U7, 128, &rows, 1.0).unwrap();
        assert!(learnt.step() > 1.0);
    }
}

#[test]
fn constant_and_extreme_samples_are_usable() {
    for metric in METRICS {
        for levels in LEVELS {
            for value in [0.0_f32, 1.0, -3.5, 1e-38, 1e30] {
                let rows = [value; 8];
                let quantizer = ScalarQuantizer::train(metric, levels, 4, &rows, 0.99).unwrap();
                let back = decoded(&quantizer, &encode_all(&quantizer, &rows[..4]));
                let tolerance = value.abs() * 1e-5 + quantizer.step() * 0.5;
                assert!(back.iter().all(|b| (b - value).abs() <= tolerance));
            }
            let rows = [f32::MIN, f32::MAX, 0.0, 1.0];
            if let Ok(quantizer) = ScalarQuantizer::train(metric, levels, 4, &rows, 1.0) {
                assert!(ScalarQuantizer::from_bytes(&quantizer.to_bytes()).is_ok());
            }
        }
    }
}

#[test]
fn bad_samples_are_refused() {
    let train = |dim, rows: &[f32], quantile| {
        ScalarQuantizer::train(Metric::L2, Levels::U7, dim, rows, quantile).unwrap_err()
    };
    assert_eq!(train(0, &[1.0], 0.9), QuantizeError::Dimension { dim: 0 });
    let shape = |values| QuantizeError::Shape { values, dim: 2 };
    assert_eq!(train(2, &[], 0.9), shape(0));
    assert_eq!(train(2, &[1.5; 3], 0.9), shape(3));
    assert_eq!(train(1, &[f32::NAN], 0.9), QuantizeError::NotFinite);
    assert_eq!(train(1, &[f32::INFINITY], 0.9), QuantizeError::NotFinite);
    for quantile in [0.5, 1.1, -1.0] {
        assert_eq!(train(1, &[1.5], quantile), QuantizeError::Quantile { quantile });
    }
    assert!(ScalarQuantizer::with_range(Metric::L2, Levels::U7, 3, 1.0, -1.0).is_err());
    assert!(ScalarQuantizer::with_range(Metric::Dot, Levels::U7, 3, 0.0, f32::NAN).is_err());
}

#[test]
fn bad_bytes_are_refused_by_field() {
    let quantizer = ScalarQuantizer::with_range(Metric::Dot, Levels::U7, 3, -1.0, 1.0).unwrap();
    let good = quantizer.to_bytes();
    for (at, value) in [(0, 2), (1, 4), (2, 128), (3, 1), (6, 2), (9, 1), (15, 0xff)] {
        let mut bad = good;
        bad[at] = value;
        let refused = ScalarQuantizer::from_bytes(&bad);
        assert!(matches!(refused, Err(QuantizeError::Stored { .. })), "byte {at}");
    }
    for length in [0, STORED_BYTES - 1] {
        let refused = ScalarQuantizer::from_bytes(&good[..length]);
        assert!(matches!(refused, Err(QuantizeError::Length { .. })));
    }
    let long = [&good[..], &good[..4]].concat();
    let refused = ScalarQuantizer::from_bytes(&long);
    assert!(matches!(refused, Err(QuantizeError::Length { found: 20, .. })));
}
