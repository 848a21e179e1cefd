//! Generated vectors of three digits: each a function of its key alone, the same as text and as
//! numbers.

use vectorizer_testkit::random::Random;

/// Centres of the clusters.
const CENTRES: usize = 256;
/// Where the noise of a row may begin.
const NOISE_STARTS: usize = 1 << 16;

/// Components in thousandths.
pub(crate) struct Vectors {
    dim: usize,
    centres: Vec<i16>,
    noise: Vec<i16>,
}

impl Vectors {
    pub(crate) fn new(dim: usize) -> Self {
        Self::with_centres(dim, CENTRES)
    }

    pub(crate) fn with_centres(dim: usize, centres: usize) -> Self {
        let mut random = Random::new(1);
        let mut draw = |count: usize, spread: usize| -> Vec<i16> {
            let one = |_| {
                let drawn = random.below(2 * spread + 1);
                i16::try_from(drawn).unwrap_or(0) - i16::try_from(spread).unwrap_or(0)
            };
            (0..count).map(one).collect()
        };
        Self { dim, centres: draw(centres * dim, 1000), noise: draw(NOISE_STARTS + dim, 500) }
    }

    fn thousandths(&self, key: u64) -> impl Iterator<Item = i16> {
        let mut random = Random::new(key);
        let centre = random.below(self.centres.len() / self.dim) * self.dim;
        let noise = random.below(NOISE_STARTS);
        let centre = &self.centres[centre..centre + self.dim];
        centre.iter().zip(&self.noise[noise..]).map(|(centre, noise)| centre + noise)
    }

    pub(crate) fn row(&self, key: u64) -> Vec<f32> {
        self.thousandths(key).map(|value| f32::from(value) / 1000.0).collect()
    }

    /// Appends a row as a JSON list.
    pub(crate) fn append_json(&self, key: u64, to: &mut Vec<u8>) {
        to.push(b'[');
        for (at, value) in self.thousandths(key).enumerate() {
            if at > 0 {
                to.push(b',');
            }
            if value < 0 {
                to.push(b'-');
            }
            let value = value.unsigned_abs();
            let digit = |of: u16| b'0' + u8::try_from(of % 10).unwrap_or(0);
            to.extend([
                digit(value / 1000),
                b'.',
                digit(value / 100),
                digit(value / 10),
                digit(value),
            ]);
        }
        to.push(b']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_numbers_are_the_same() {
        let vectors = Vectors::new(33);
        for key in 0..50 {
            let mut text = Vec::new();
            vectors.append_json(key, &mut text);
            let read: Vec<f32> = serde_json::from_slice(&text).unwrap();
            assert_eq!(read, vectors.row(key));
        }
        assert_ne!(vectors.row(1), vectors.row(2));
    }
}
