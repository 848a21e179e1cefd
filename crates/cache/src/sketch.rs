//! How often keys were asked for lately, whether or not they are here: a count-min sketch of
//! four-bit counters that are halved now and then.
//!
//! Source: Einziger, Friedman & Manes 2017 (`TinyLFU`, doi:10.1145/3149371). The four counters of
//! a key lie in one cache line.

use crate::allocator::vec_bytes;

/// Words of 16 counters that lie in one cache line.
const BLOCK: usize = 8;
const COUNT_MAX: u64 = 15;
/// Additions until all counters are halved, for each entry of the cache.
const PERIOD: u64 = 10;
const HALVED: u64 = 0x7777_7777_7777_7777;

/// The counters. One word for each entry of the cache, so four counters.
#[derive(Debug, Default)]
pub(crate) struct Sketch {
    words: Vec<u64>,
    added: u64,
}

impl Sketch {
    /// Counts one use, for a cache of so many entries.
    pub(crate) fn add(&mut self, hash: u64, entries: usize) {
        let lowest = self.count(hash);
        if self.words.is_empty() || lowest == COUNT_MAX {
            return;
        }
        for (word, shift) in self.counters(hash) {
            if (self.words[word] >> shift) & COUNT_MAX == lowest {
                self.words[word] += 1 << shift;
            }
        }
        self.added += 1;
        if self.added >= PERIOD * entries.max(1) as u64 {
            self.halve();
        }
    }

    /// Uses lately, at most 15; may be too many, where keys share counters.
    pub(crate) fn count(&self, hash: u64) -> u64 {
        if self.words.is_empty() {
            return 0;
        }
        let counts =
            self.counters(hash).map(|(word, shift)| (self.words[word] >> shift) & COUNT_MAX);
        counts.into_iter().min().unwrap_or(0)
    }

    /// Word and bit of a key's four counters.
    fn counters(&self, hash: u64) -> [(usize, u32); 4] {
        let blocks = self.words.len() / BLOCK;
        #[expect(clippy::cast_possible_truncation, reason = "only low bits are looked at")]
        let block = (hash as usize & (blocks - 1)) * BLOCK;
        let mut bits = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        std::array::from_fn(|row| {
            let word = block + 2 * row + usize::from(bits & 1 == 1);
            let shift = ((bits >> 1) & 15) as u32 * 4;
            bits >>= 8;
            (word, shift)
        })
    }

    fn halve(&mut self) {
        for word in &mut self.words {
            *word = (*word >> 1) & HALVED;
        }
        self.added /= 2;
    }

    pub(crate) fn heap_bytes(&self) -> u64 {
        vec_bytes::<u64>(self.words.len())
    }

    /// Bytes once there are counters for so many entries.
    pub(crate) fn bytes_for(&self, entries: usize) -> u64 {
        vec_bytes::<u64>(self.words_for(entries))
    }

    fn words_for(&self, entries: usize) -> usize {
        entries.next_power_of_two().max(BLOCK).max(self.words.len())
    }

    /// Grows to counters for so many entries; what was counted stays counted, as each key finds
    /// a copy of its block where it looks now.
    pub(crate) fn grow(&mut self, entries: usize) {
        let words = self.words_for(entries);
        let before = self.words.len();
        if words == before {
            return;
        }
        let mut grown = Vec::with_capacity(words);
        if before == 0 {
            grown.resize(words, 0);
        }
        while grown.len() < words {
            grown.extend_from_slice(&self.words);
        }
        self.words = grown;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::mix;

    #[test]
    fn counts_survive_growth_and_are_halved() {
        let mut sketch = Sketch::default();
        sketch.grow(64);
        for _ in 0..9 {
            sketch.add(mix(1), 1000);
        }
        sketch.grow(1000);
        assert_eq!(sketch.count(mix(1)), 9);
        assert_eq!(sketch.count(mix(2)), 0);
        let mut other = 1000;
        while sketch.count(mix(1)) == 9 {
            sketch.add(mix(other), 1000);
            other += 1;
            assert!(other < 100_000, "never halved");
        }
        assert!((4..=6).contains(&sketch.count(mix(1))), "{}", sketch.count(mix(1)));
    }

    #[test]
    fn heavy_keys_stand_out() {
        let mut sketch = Sketch::default();
        sketch.grow(1024);
        for key in 0..1024 {
            for _ in 0..=(key % 8) {
                sketch.add(mix(key), 1024);
            }
        }
        let off = (0..1024).filter(|key| sketch.count(mix(*key)) != key % 8 + 1).count();
        assert!(off < 50, "{off} of 1024 estimates are off");
    }
}
