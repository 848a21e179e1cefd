//! Metrics and the one ordering law.
//!
//! Inside the engine every metric is a *distance*: an `f32` where smaller is nearer. The *score*
//! that users see is made from it once, by [`Metric::score_from_distance`].

/// How two vectors are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Squared Euclidean distance inside; the score is its root, smaller is nearer.
    L2,
    /// Negated inner product inside; the score is the product, larger is nearer.
    Dot,
    /// Vectors are normalised when stored, then as [`Metric::Dot`].
    Cosine,
    /// Sum of absolute differences, inside and as score; smaller is nearer.
    Manhattan,
}

impl Metric {
    /// The score that users see for an internal distance.
    pub fn score_from_distance(self, distance: f32) -> f32 {
        match self {
            Self::L2 => distance.max(0.0).sqrt(),
            Self::Dot | Self::Cosine => -distance,
            Self::Manhattan => distance,
        }
    }

    /// The least internal distance whose score is not nearer than this one, for thresholds.
    pub fn distance_from_score(self, score: f32) -> f32 {
        match self {
            Self::L2 => least_square(score),
            Self::Dot | Self::Cosine => -score,
            Self::Manhattan => score,
        }
    }

    /// Whether a larger score is nearer.
    pub fn larger_score_is_nearer(self) -> bool {
        matches!(self, Self::Dot | Self::Cosine)
    }
}

/// The least number whose rounded root is not below `root`; negative for a negative root.
fn least_square(root: f32) -> f32 {
    let mut square = root * root.abs();
    while square > 0.0 && square.next_down().sqrt() >= root {
        square = square.next_down();
    }
    while square >= 0.0 && square.sqrt() < root {
        square = square.next_up();
    }
    square
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_below_that_of_a_score_has_a_nearer_one() {
        let roots = [0.0, 1e-45, 1e-30, 1e-19, 0.3, 1.0, 7.1, 1e3, 1.844_674_3e19, 3e38];
        let distances = roots.iter().map(|root: &f32| root * root).chain(roots);
        for distance in distances.filter(|distance| distance.is_finite()) {
            for near in [distance.next_down().max(0.0), distance, distance.next_up()] {
                for threshold in [distance, near].map(|d| Metric::L2.score_from_distance(d)) {
                    for score in [threshold.next_down(), threshold, threshold.next_up()] {
                        let nearer = Metric::L2.score_from_distance(near) < score;
                        let below = near < Metric::L2.distance_from_score(score);
                        assert_eq!(nearer, below, "{near} against a score of {score}");
                    }
                }
            }
        }
        assert!(Metric::L2.distance_from_score(-1.0) < 0.0);
    }
}
