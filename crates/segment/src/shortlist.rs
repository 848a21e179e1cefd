//! What the segments searched so far hold for one query, so that of those searched later no more
//! is rescored than could be among the nearest of all.

/// Distances by codes of the nearest candidates so far.
#[derive(Debug)]
pub struct Shortlist {
    len: usize,
    /// Nearest first, at most `len`.
    distances: Vec<f32>,
}

impl Shortlist {
    /// For a query that rescores so many candidates.
    pub fn new(len: usize) -> Self {
        Self { len, distances: Vec::with_capacity(2 * len) }
    }

    /// Bytes of a list of so many candidates.
    pub fn bytes_needed(len: usize) -> u64 {
        2 * (len * size_of::<f32>()) as u64
    }

    /// Candidates farther than this are not among the nearest.
    pub fn within(&self) -> f32 {
        let last = self.len.checked_sub(1).and_then(|last| self.distances.get(last));
        last.copied().unwrap_or(f32::INFINITY)
    }

    /// Takes further candidates in.
    pub fn add(&mut self, distances: impl Iterator<Item = f32>) {
        self.distances.extend(distances.take(self.len));
        self.distances.sort_unstable_by(f32::total_cmp);
        self.distances.truncate(self.len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_of_all_are_kept() {
        let mut list = Shortlist::new(3);
        list.add([5.0, 7.0].into_iter());
        assert!(list.within().is_infinite());
        list.add([1.0, 6.0, 9.0].into_iter());
        assert_eq!(list.within().to_bits(), 6.0_f32.to_bits());
        assert_eq!(list.distances, [1.0, 5.0, 6.0]);
    }
}
