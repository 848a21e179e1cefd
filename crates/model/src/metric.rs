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

    /// The internal distance of a score, for thresholds.
    pub fn distance_from_score(self, score: f32) -> f32 {
        match self {
            Self::L2 => score * score.abs(),
            Self::Dot | Self::Cosine => -score,
            Self::Manhattan => score,
        }
    }

    /// Whether a larger score is nearer.
    pub fn larger_score_is_nearer(self) -> bool {
        matches!(self, Self::Dot | Self::Cosine)
    }
}
