//! Generated vectors: Gaussian clusters, each row a function of its number alone, so that any
//! batch can be made when it is written and no run needs all rows in memory.

use vectorizer_testkit::data::{Matrix, gaussian};
use vectorizer_testkit::random::Random;

/// Rows of one cluster, on average.
const CLUSTER_ROWS: usize = 500;
/// Deviation of a component from its centre's; centres have deviation 1.
const SPREAD: f32 = 0.4;
/// Where the noise of a row may begin in the table of normal numbers. Drawing them anew would cost
/// more than storing them.
const NOISE_STARTS: usize = 1 << 18;

pub(crate) struct Clusters {
    centres: Matrix,
    noise: Vec<f32>,
}

impl Clusters {
    pub(crate) fn new(rows: usize, dim: usize) -> Self {
        let centres = gaussian(1, rows / CLUSTER_ROWS + 1, dim);
        let noise = gaussian(2, NOISE_STARTS + dim, 1).values;
        Self { centres, noise: noise.into_iter().map(|value| value * SPREAD).collect() }
    }

    /// Appends the components of a row.
    pub(crate) fn append(&self, row: u64, values: &mut Vec<f32>) {
        let mut random = Random::new(row);
        let centre = self.centres.row(random.below(self.centres.rows()));
        let noise = &self.noise[random.below(NOISE_STARTS)..];
        values.extend(centre.iter().zip(noise).map(|(mean, noise)| mean + noise));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_depends_on_its_number_alone_and_lies_near_one_centre() {
        let dim = 64;
        let clusters = Clusters::new(5_000, dim);
        let row = |number| {
            let mut values = Vec::new();
            clusters.append(number, &mut values);
            values
        };
        assert_eq!(row(7), row(7));
        assert_ne!(row(7), row(8));
        let squared = |a: &[f32], b: &[f32]| -> f32 {
            a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>() / dim as f32
        };
        for number in 0..200 {
            let row = row(number);
            let mut away: Vec<f32> = clusters.centres.iter().map(|c| squared(&row, c)).collect();
            away.sort_by(f32::total_cmp);
            assert!((0.05..0.4).contains(&away[0]) && away[1] > 0.8, "{away:?}");
        }
    }
}
