//! An order of rows in which similar vectors lie side by side, so that a search that walks among
//! them meets few pages.
//!
//! Rows are halved by a plane between two groups of them, and each half again, as in principal
//! direction trees (`McNames` 2001, "A fast nearest-neighbor algorithm based on a principal axis
//! search tree"); differs: the direction joins the means of two groups instead of being a principal
//! axis, which costs a few distances in place of a matrix.

use vectorizer_kernels::kernels;

/// Fewer rows are left as they are: they share a page or two.
const LEAF_ROWS: usize = 8;
/// Rows that a direction is taken from.
const SAMPLE_ROWS: usize = 48;
/// Times that the two groups are formed anew around their means.
const ROUNDS: usize = 2;

/// Vectors by row.
pub trait VectorsByRow {
    /// Shows a row's vector, shape `[dim]`; what has none is not shown.
    fn show(&self, row: u32, to: &mut dyn FnMut(&[f32]));
}

impl<F: Fn(u32, &mut dyn FnMut(&[f32]))> VectorsByRow for F {
    fn show(&self, row: u32, to: &mut dyn FnMut(&[f32])) {
        self(row, to);
    }
}

/// Bytes that ordering so many rows takes beside the rows.
pub fn order_bytes_needed(rows: usize, dim: usize) -> u64 {
    (rows * 2 * size_of::<(f32, u32)>() + (SAMPLE_ROWS + 5) * dim * size_of::<f32>()) as u64
}

/// Orders rows so that similar vectors lie side by side. Equal ones stay in the order of their
/// numbers, and so does what lies on a line in that order.
///
/// Cost: one product for each row and halving, so `rows * log2(rows / 8)` of them.
pub fn order_by_similarity(rows: &mut [u32], dim: usize, vectors: &impl VectorsByRow) {
    let mut room = Room::new(dim, rows.len());
    let mut open = vec![(0, rows.len())];
    while let Some((start, end)) = open.pop() {
        if end - start <= LEAF_ROWS {
            continue;
        }
        let middle = start + room.halve(&mut rows[start..end], vectors);
        open.push((middle, end));
        open.push((start, middle));
    }
}

/// Halvings that tell in which of several parts a vector lies.
#[derive(Debug)]
pub struct SimilarityTree {
    dim: usize,
    depth: u32,
    /// Of each halving, the children of `n` at `2n + 1` and `2n + 2`; shape `[2^depth - 1, dim]`.
    directions: Vec<f32>,
    middles: Vec<f32>,
}

impl SimilarityTree {
    /// Bytes of a tree of a sample of so many rows, beside the sample.
    pub fn bytes_needed(rows: usize, dim: usize) -> u64 {
        let halvings = (1_usize << Self::depth(rows)) - 1;
        (halvings * (dim + 1) * size_of::<f32>() + rows * size_of::<u32>()) as u64
            + order_bytes_needed(rows, dim)
    }

    fn depth(rows: usize) -> u32 {
        (rows / LEAF_ROWS).checked_ilog2().unwrap_or(0)
    }

    /// Learns from a sample; shape `[n, dim]`.
    pub fn of(sample: &[f32], dim: usize) -> Self {
        let count = sample.len() / dim.max(1);
        let (depth, mut room) = (Self::depth(count), Room::new(dim, count));
        let halvings = (1_usize << depth) - 1;
        let mut tree = Self {
            dim,
            depth,
            directions: Vec::with_capacity(halvings * dim),
            middles: Vec::with_capacity(halvings),
        };
        let mut rows: Vec<u32> = (0..u32::try_from(count).unwrap_or(u32::MAX)).collect();
        let vectors = |row: u32, to: &mut dyn FnMut(&[f32])| {
            let at = row as usize * dim;
            to(&sample[at..at + dim]);
        };
        let mut level = vec![(0, rows.len())];
        for _ in 0..depth {
            let mut next = Vec::with_capacity(level.len() * 2);
            for (start, end) in level {
                let middle = room.halve(&mut rows[start..end], &vectors);
                tree.directions.extend_from_slice(&room.direction);
                tree.middles.push(room.halves.get(middle).map_or(0.0, |(key, _)| *key));
                next.push((start, start + middle));
                next.push((start + middle, end));
            }
            level = next;
        }
        tree
    }

    /// Which part a vector lies in, of `2^depth`; neighbouring parts are similar.
    pub fn part(&self, vector: &[f32]) -> u32 {
        let mut node = 0;
        for _ in 0..self.depth {
            let direction = &self.directions[node * self.dim..(node + 1) * self.dim];
            let above = kernels().dot(direction, vector) >= self.middles[node];
            node = 2 * node + 1 + usize::from(above);
        }
        u32::try_from(node - self.middles.len()).unwrap_or(0)
    }
}

/// What halving takes, kept from one to the next.
struct Room {
    dim: usize,
    sample: Vec<f32>,
    means: [Vec<f32>; 2],
    sums: [Vec<f32>; 2],
    direction: Vec<f32>,
    /// Rows as they came, with where they lie along the direction.
    keys: Vec<(f32, u32)>,
    /// The same, by halves.
    halves: Vec<(f32, u32)>,
}

impl Room {
    fn new(dim: usize, rows: usize) -> Self {
        Self {
            dim,
            sample: Vec::with_capacity(SAMPLE_ROWS * dim),
            means: [vec![0.0; dim], vec![0.0; dim]],
            sums: [vec![0.0; dim], vec![0.0; dim]],
            direction: vec![0.0; dim],
            keys: Vec::with_capacity(rows),
            halves: Vec::with_capacity(rows),
        }
    }

    /// Puts the rows of one half before those of the other, each as they came; where the other
    /// begins, whose least key is then in the middle of `halves`.
    fn halve(&mut self, rows: &mut [u32], vectors: &impl VectorsByRow) -> usize {
        self.find_direction(rows, vectors);
        self.keys.clear();
        for &row in &*rows {
            let mut key = f32::MIN;
            vectors.show(row, &mut |vector| key = kernels().dot(&self.direction, vector));
            self.keys.push((key, row));
        }
        let middle = rows.len() / 2;
        let by_key = |a: &(f32, u32), b: &(f32, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        self.halves.clear();
        self.halves.extend_from_slice(&self.keys);
        let (_, least, _) = self.halves.select_nth_unstable_by(middle, by_key);
        let is_below = |key: &&(f32, u32)| by_key(key, least).is_lt();
        let below = self.keys.iter().filter(is_below);
        let above = self.keys.iter().filter(|key| !is_below(key));
        for (row, (_, ordered)) in rows.iter_mut().zip(below.chain(above)) {
            *row = *ordered;
        }
        middle
    }

    /// The direction from the mean of one group of sampled rows to that of another.
    fn find_direction(&mut self, rows: &[u32], vectors: &impl VectorsByRow) {
        self.sample.clear();
        let step = rows.len().div_ceil(SAMPLE_ROWS).max(1);
        for &row in rows.iter().step_by(step) {
            vectors.show(row, &mut |vector| self.sample.extend_from_slice(vector));
        }
        let dim = self.dim.max(1);
        let distance = |a: &[f32], b: &[f32]| kernels().l2(a, b);
        let farthest = |from: &[f32]| {
            let rows = self.sample.chunks_exact(dim);
            rows.max_by(|a, b| distance(a, from).total_cmp(&distance(b, from)))
        };
        let Some(first) = self.sample.chunks_exact(dim).next() else {
            self.direction.fill(0.0);
            return;
        };
        let one = farthest(first).unwrap_or(first);
        let other = farthest(one).unwrap_or(first);
        self.means[0].copy_from_slice(one);
        self.means[1].copy_from_slice(other);
        for _ in 0..ROUNDS {
            self.regroup();
        }
        let [from, to] = &self.means;
        let steps = self.direction.iter_mut().zip(from.iter().zip(to));
        steps.for_each(|(direction, (from, to))| *direction = to - from);
        self.keep_sense();
    }

    /// Turns the direction so that the rows that came first tend to stay first.
    fn keep_sense(&mut self) {
        let middle = self.sample.len() / self.dim.max(1) / 2 * self.dim;
        let sum = |rows: &[f32]| -> f32 {
            let rows = rows.chunks_exact(self.dim.max(1));
            rows.map(|row| kernels().dot(&self.direction, row)).sum()
        };
        // As many of the later ones as of the first.
        let (first, later) = (&self.sample[..middle], &self.sample[self.sample.len() - middle..]);
        if sum(first) > sum(later) {
            self.direction.iter_mut().for_each(|value| *value = -*value);
        }
    }

    /// Moves both means to the middle of the sampled rows that are nearer to them.
    fn regroup(&mut self) {
        let Self { dim, sample, means, sums, .. } = self;
        let mut counts = [0.0_f32; 2];
        for sum in sums.iter_mut() {
            sum.fill(0.0);
        }
        for row in sample.chunks_exact((*dim).max(1)) {
            let [one, other] = [0, 1].map(|group| kernels().l2(&means[group], row));
            let group = usize::from(other < one);
            counts[group] += 1.0;
            sums[group].iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        for ((mean, sum), count) in means.iter_mut().zip(&*sums).zip(counts) {
            if count > 0.0 {
                mean.iter_mut().zip(sum).for_each(|(mean, sum)| *mean = sum / count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vectorizer_testkit::random::Random;

    const DIM: usize = 16;
    const CLUSTERS: usize = 32;

    /// Rows of a few clusters in turn, and the cluster of each.
    fn clustered(rows: usize) -> Vec<f32> {
        let mut random = Random::new(7);
        let centres: Vec<f64> = (0..CLUSTERS * DIM).map(|_| random.unit() * 10.0).collect();
        #[expect(clippy::cast_possible_truncation, reason = "vectors are singles")]
        let value =
            |row: usize, at: usize, noise: f64| (centres[row % CLUSTERS * DIM + at] + noise) as f32;
        let mut values = Vec::new();
        for row in 0..rows {
            values.extend((0..DIM).map(|at| value(row, at, random.unit())));
        }
        values
    }

    fn shown(values: &[f32]) -> impl VectorsByRow {
        move |row: u32, to: &mut dyn FnMut(&[f32])| {
            to(&values[row as usize * DIM..(row as usize + 1) * DIM]);
        }
    }

    /// Neighbours in the order that are of one cluster.
    fn kept_together(rows: impl Iterator<Item = usize>) -> usize {
        let clusters: Vec<usize> = rows.map(|row| row % CLUSTERS).collect();
        clusters.windows(2).filter(|two| two[0] == two[1]).count()
    }

    #[test]
    fn similar_rows_come_to_lie_side_by_side() {
        let values = clustered(3200);
        let mut rows: Vec<u32> = (0..3200).collect();
        order_by_similarity(&mut rows, DIM, &shown(&values));
        let together = kept_together(rows.iter().map(|row| *row as usize));
        assert!(together > 3000, "{together} of 3199");
        rows.sort_unstable();
        assert!(rows.into_iter().eq(0..3200), "each row once");
    }

    #[test]
    fn what_has_an_order_keeps_it() {
        for line in [1.0, 0.0, -1.0_f32] {
            let show = |row: u32, to: &mut dyn FnMut(&[f32])| {
                let value = f32::from(u16::try_from(row).unwrap()) * line;
                to(&[value; DIM]);
            };
            let mut rows: Vec<u32> = (0..1000).collect();
            order_by_similarity(&mut rows, DIM, &show);
            assert!(rows.is_sorted(), "{line}");
        }
    }

    #[test]
    fn parts_of_a_tree_hold_similar_rows() {
        let values = clustered(6400);
        let tree = SimilarityTree::of(&values[..3200 * DIM], DIM);
        let mut rows: Vec<(u32, usize)> = values
            .chunks_exact(DIM)
            .enumerate()
            .skip(3200)
            .map(|(row, vector)| (tree.part(vector), row))
            .collect();
        rows.sort_unstable_by_key(|(part, row)| (*part, row % 7));
        let together = kept_together(rows.iter().map(|(_, row)| *row));
        assert!(together > 2400, "{together} of 3199");
        assert!(rows.iter().any(|(part, _)| *part > 128), "{:?}", rows.last());
    }

    #[test]
    fn rows_without_vectors_and_equal_rows_are_kept() {
        for (count, values) in [(0, 0), (1, 1), (5, 0), (100, 0), (100, 100), (100, 40)] {
            let vector = [1.0; DIM];
            let show = |row: u32, to: &mut dyn FnMut(&[f32])| {
                if row < values {
                    to(&vector);
                }
            };
            let mut rows: Vec<u32> = (0..count).collect();
            order_by_similarity(&mut rows, DIM, &show);
            rows.sort_unstable();
            assert!(rows.into_iter().eq(0..count));
        }
        let tree = SimilarityTree::of(&[], DIM);
        assert_eq!(tree.part(&[0.5; DIM]), 0);
        let not_numbers = SimilarityTree::of(&vec![f32::NAN; 64 * DIM], DIM);
        assert!(not_numbers.part(&[0.5; DIM]) < 8);
    }
}
