//! Codes find the neighbours that vectors have.

use vectorizer_kernels::{Rows, f32_bytes, kernels, normalise};
use vectorizer_model::{Metric, Ordinal, Scored};
use vectorizer_quantize::{Levels, ScalarQuantizer};

const ROWS: usize = 5_000;
const QUERIES: usize = 50;
const DIM: usize = 64;
const CLUSTERS: usize = 40;

struct Xorshift(u64);

impl Xorshift {
    /// Evenly from 0 to 1.
    fn even(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        f32::from(self.0.to_le_bytes()[3]) / 256.0 + f32::from(self.0.to_le_bytes()[5]) / 65_536.0
    }

    /// About normal: a sum of six even ones, centred, of variance one half.
    fn bell(&mut self) -> f32 {
        (0..6).map(|_| self.even() - 0.5).sum()
    }
}

/// `[ROWS + QUERIES, DIM]` in clusters.
fn clustered(seed: u64, unit: bool) -> Vec<f32> {
    let mut random = Xorshift(seed);
    let centres: Vec<f32> = (0..CLUSTERS * DIM).map(|_| 3.0 * random.bell()).collect();
    let mut values = Vec::with_capacity((ROWS + QUERIES) * DIM);
    for row in 0..ROWS + QUERIES {
        let centre = row * 7 % CLUSTERS * DIM;
        let start = values.len();
        values.extend(centres[centre..centre + DIM].iter().map(|c| c + random.bell()));
        if unit {
            normalise(&mut values[start..]);
        }
    }
    values
}

fn nearest(distances: &[f32], k: usize) -> Vec<Ordinal> {
    let pairs = distances.iter().zip(0..);
    let mut scored: Vec<Scored> =
        pairs.map(|(&distance, row)| Scored { distance, ordinal: Ordinal(row) }).collect();
    scored.sort_unstable();
    scored.iter().take(k).map(|scored| scored.ordinal).collect()
}

fn share(found: &[Ordinal], expected: &[Ordinal]) -> f64 {
    let hits = found.iter().filter(|ordinal| expected.contains(ordinal));
    hits.count() as f64 / expected.len() as f64
}

/// Recall@10 of codes alone, and of the best 100 by codes rescored from the vectors.
fn recall(metric: Metric, levels: Levels) -> (f64, f64) {
    let values = clustered(11, metric == Metric::Cosine);
    let (rows, queries) = values.split_at(ROWS * DIM);
    let quantizer =
        ScalarQuantizer::train(metric, levels, DIM, rows, 0.99).expect("the sample is sound");
    let mut codes = vec![0; ROWS * DIM];
    for (row, codes) in rows.chunks_exact(DIM).zip(codes.chunks_exact_mut(DIM)) {
        quantizer.encode(row, codes);
    }
    let (codes, floats) = (Rows::dense(&codes, DIM), Rows::dense(f32_bytes(rows), DIM * 4));
    let exact = kernels().f32.of(metric);
    let (mut raw, mut rescored) = (0.0, 0.0);
    for query in queries.chunks_exact(DIM) {
        let mut distances = vec![0.0; ROWS];
        exact.scan(query, floats, Ordinal(0), &mut distances);
        let truth = nearest(&distances, 10);
        quantizer.query(query).scan(codes, Ordinal(0), &mut distances);
        let candidates = nearest(&distances, 100);
        raw += share(&candidates[..10], &truth);
        let mut exact_distances = vec![0.0; candidates.len()];
        exact.gather(query, floats, &candidates, &mut exact_distances);
        let order = nearest(&exact_distances, 10);
        let best: Vec<Ordinal> = order.iter().map(|at| candidates[at.index()]).collect();
        rescored += share(&best, &truth);
    }
    (raw / QUERIES as f64, rescored / QUERIES as f64)
}

#[test]
fn rescored_codes_find_the_neighbours() {
    for metric in [Metric::L2, Metric::Dot, Metric::Cosine, Metric::Manhattan] {
        for levels in [Levels::U7, Levels::U8] {
            let (raw, rescored) = recall(metric, levels);
            println!("{metric:?} {levels:?}: recall@10 {raw:.3} by codes, {rescored:.3} rescored");
            assert!(rescored >= 0.95, "{metric:?} {levels:?} {rescored}");
            assert!(raw >= 0.7, "{metric:?} {levels:?} {raw}");
        }
    }
}

/// Pairs of rows whose order is clear by vectors are in that order by codes.
#[test]
fn clear_orders_agree() {
    for metric in [Metric::L2, Metric::Dot, Metric::Manhattan] {
        let values = clustered(12, false);
        let (rows, query) = values.split_at(ROWS * DIM);
        let query = &query[..DIM];
        let quantizer = ScalarQuantizer::train(metric, Levels::U7, DIM, rows, 0.999).unwrap();
        let mut codes = vec![0; ROWS * DIM];
        for (row, codes) in rows.chunks_exact(DIM).zip(codes.chunks_exact_mut(DIM)) {
            quantizer.encode(row, codes);
        }
        let (mut exact, mut coded) = (vec![0.0; ROWS], vec![0.0; ROWS]);
        let floats = Rows::dense(f32_bytes(rows), DIM * 4);
        kernels().f32.of(metric).scan(query, floats, Ordinal(0), &mut exact);
        quantizer.query(query).scan(Rows::dense(&codes, DIM), Ordinal(0), &mut coded);
        let range = exact.iter().copied().fold(f32::MIN, f32::max)
            - exact.iter().copied().fold(f32::MAX, f32::min);
        let margin = range * 0.05;
        for (a, b) in (0..ROWS).zip((0..ROWS).map(|row| row * 13 % ROWS)) {
            if exact[a] + margin < exact[b] {
                assert!(coded[a] < coded[b], "{metric:?} rows {a} and {b}");
            }
        }
    }
}
