//! The truth about nearness: brute force in double precision.

use std::collections::BTreeSet;

use vectorizer_model::Metric;

use crate::data::Matrix;

/// How near two vectors are held to be equally near, relative to the farther one: what singles
/// cannot tell apart.
const TIE: f64 = 1e-5;

/// A row and its distance from a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// The row.
    pub row: u32,
    /// Smaller is nearer; see [`distance`].
    pub distance: f64,
}

/// The engine's internal distance: squared for L2, negated product for dot and cosine.
///
/// A zero vector is at cosine distance 0 from every vector, as its product is 0.
///
/// # Panics
/// If the vectors differ in length.
pub fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len(), "vectors of one dimension");
    let sum = |term: fn(f64, f64) -> f64| -> f64 {
        a.iter().zip(b).map(|(&a, &b)| term(a.into(), b.into())).sum()
    };
    match metric {
        Metric::L2 => sum(|a, b| (a - b) * (a - b)),
        Metric::Dot => -sum(|a, b| a * b),
        Metric::Manhattan => sum(|a, b| (a - b).abs()),
        Metric::Cosine => {
            let norms = (sum(|a, _| a * a) * sum(|_, b| b * b)).sqrt();
            if norms > 0.0 { -sum(|a, b| a * b) / norms } else { 0.0 }
        }
    }
}

/// The `k` rows nearest to `query`, nearest first; equal distances by row.
pub fn nearest(metric: Metric, rows: &Matrix, query: &[f32], k: usize) -> Vec<Neighbour> {
    nearest_of(metric, rows, query, (k, |_| true))
}

/// The `k` nearest of the rows that `admits` admits, in the order of [`nearest`].
pub fn nearest_of(
    metric: Metric,
    rows: &Matrix,
    query: &[f32],
    (k, admits): (usize, impl Fn(u32) -> bool),
) -> Vec<Neighbour> {
    let scored = (0..).zip(rows.iter()).filter(|(row, _)| admits(*row));
    let mut all: Vec<Neighbour> = scored
        .map(|(row, vector)| Neighbour { row, distance: distance(metric, query, vector) })
        .collect();
    let order =
        |a: &Neighbour, b: &Neighbour| a.distance.total_cmp(&b.distance).then(a.row.cmp(&b.row));
    if k < all.len() {
        all.select_nth_unstable_by(k, order);
        all.truncate(k);
    }
    all.sort_unstable_by(order);
    all
}

/// [`nearest`] for each query. Cost: every row for every query.
pub fn ground_truth(
    metric: Metric,
    rows: &Matrix,
    queries: &Matrix,
    k: usize,
) -> Vec<Vec<Neighbour>> {
    queries.iter().map(|query| nearest(metric, rows, query, k)).collect()
}

/// The given rows with their distances, in the given order: what a search under test found.
///
/// # Panics
/// If there is no such row.
pub fn measure(metric: Metric, rows: &Matrix, query: &[f32], found: &[u32]) -> Vec<Neighbour> {
    let measured = |&row| {
        let distance = distance(metric, query, rows.row(row as usize));
        Neighbour { row, distance }
    };
    found.iter().map(measured).collect()
}

/// The share of the `k` nearest that were found, from 0 to 1.
///
/// Of `found` the first `k` count, each row once. One that is not in `truth` counts if it is as
/// near as the last that is, within what singles can tell apart. With no truth at all it is 1.
pub fn recall(found: &[Neighbour], truth: &[Neighbour], k: usize) -> f64 {
    let truth = &truth[..k.min(truth.len())];
    let Some(last) = truth.last() else {
        return 1.0;
    };
    let bound = last.distance + TIE * last.distance.abs().max(f64::from(f32::EPSILON));
    let true_rows: BTreeSet<u32> = truth.iter().map(|neighbour| neighbour.row).collect();
    let hit =
        |neighbour: &&Neighbour| true_rows.contains(&neighbour.row) || neighbour.distance <= bound;
    let first = found.iter().take(k);
    let hits: BTreeSet<u32> = first.filter(hit).map(|neighbour| neighbour.row).collect();
    hits.len().min(truth.len()) as f64 / truth.len() as f64
}

/// The mean of [`recall`] over many queries.
///
/// # Panics
/// If there are not as many answers as truths.
pub fn mean_recall(found: &[Vec<Neighbour>], truth: &[Vec<Neighbour>], k: usize) -> f64 {
    assert_eq!(found.len(), truth.len(), "an answer for each query");
    let sum: f64 = found.iter().zip(truth).map(|(found, truth)| recall(found, truth, k)).sum();
    sum / found.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::uniform;

    #[test]
    fn distances_are_the_engines() {
        let (a, b) = ([1.0, 2.0], [4.0, -2.0]);
        let close = |metric, expected: f64| {
            assert!((distance(metric, &a, &b) - expected).abs() < 1e-12, "{metric:?}");
        };
        close(Metric::L2, 25.0);
        close(Metric::Dot, 0.0);
        close(Metric::Manhattan, 7.0);
        close(Metric::Cosine, 0.0);
        assert!((distance(Metric::Cosine, &a, &[2.0, 4.0]) + 1.0).abs() < 1e-12);
        assert!(distance(Metric::Cosine, &a, &[0.0, 0.0]).abs() < 1e-12);
    }

    #[test]
    fn nearest_is_the_head_of_the_sorted_whole() {
        let rows = uniform(1, 200, 5);
        let query = uniform(2, 1, 5).values;
        for metric in [Metric::L2, Metric::Dot, Metric::Cosine, Metric::Manhattan] {
            let all = nearest(metric, &rows, &query, usize::MAX);
            assert_eq!(all.len(), 200);
            assert!(all.is_sorted_by(|a, b| a.distance <= b.distance));
            for k in [0, 1, 17, 200] {
                assert_eq!(nearest(metric, &rows, &query, k), all[..k]);
            }
        }
    }

    #[test]
    fn nearest_of_some_leaves_the_others_out() {
        let rows = uniform(1, 200, 5);
        let query = uniform(2, 1, 5).values;
        let mut all = nearest(Metric::L2, &rows, &query, 200);
        all.retain(|neighbour| neighbour.row % 7 == 3);
        assert_eq!(nearest_of(Metric::L2, &rows, &query, (9, |row| row % 7 == 3)), all[..9]);
    }

    #[test]
    fn recall_tolerates_ties_and_no_repeats() {
        let rows = Matrix::new(1, vec![0.0, 1.0, -1.0, 3.0]);
        let query = [0.0];
        let truth = ground_truth(Metric::L2, &rows, &Matrix::new(1, query.to_vec()), 2);
        let of = |found: &[u32]| recall(&measure(Metric::L2, &rows, &query, found), &truth[0], 2);
        let near = |value: f64, expected: f64| assert!((value - expected).abs() < 1e-12);
        near(of(&[0, 1]), 1.0);
        near(of(&[0, 2]), 1.0);
        near(of(&[1, 2]), 1.0);
        near(of(&[0, 0]), 0.5);
        near(of(&[0, 3]), 0.5);
        near(of(&[3, 3, 0, 1]), 0.0);
        near(of(&[]), 0.0);
        near(recall(&[], &[], 10), 1.0);
        near(
            mean_recall(&[Vec::new(), truth[0].clone()], &[truth[0].clone(), truth[0].clone()], 2),
            0.5,
        );
    }
}
