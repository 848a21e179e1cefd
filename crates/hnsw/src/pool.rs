//! The candidates of a search: a sorted array of bounded length.
//!
//! One array takes the place of the paper's two heaps: it holds the nearest rows met so far, and
//! each knows whether it was expanded. (The idea is Vamana's candidate list, as `ParlayANN` and
//! Glass keep it.) A candidate is one integer, `distance | ordinal | expanded` from the highest
//! bit, so that candidates compare as [`Scored`] does and a mark moves none.

use vectorizer_model::{Ordinal, Scored};

const EXPANDED: u64 = 1;

/// A distance as an integer that orders as [`f32::total_cmp`] does.
#[inline]
fn ordered(distance: f32) -> u32 {
    let bits = distance.to_bits();
    bits ^ ((bits.cast_signed() >> 31).cast_unsigned() | 0x8000_0000)
}

#[inline]
fn distance(ordered: u32) -> f32 {
    let flip = (!ordered.cast_signed() >> 31).cast_unsigned() | 0x8000_0000;
    f32::from_bits(ordered ^ flip)
}

/// Packs a candidate; ordinals stay below 2^31.
#[inline]
pub(crate) fn pack(distance: f32, ordinal: Ordinal) -> u64 {
    u64::from(ordered(distance)) << 32 | u64::from(ordinal.0) << 1
}

#[inline]
pub(crate) fn unpack(key: u64) -> Scored {
    Scored {
        distance: distance((key >> 32) as u32),
        ordinal: Ordinal((key & 0xffff_ffff) as u32 >> 1),
    }
}

/// The nearest `capacity` rows met, nearest first.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    keys: Vec<u64>,
    capacity: usize,
    /// No candidate before this one waits for expansion.
    next: usize,
}

impl Pool {
    /// Bytes of a pool of `capacity`.
    pub(crate) fn bytes_needed(capacity: usize) -> u64 {
        8 * capacity as u64
    }

    /// Empties the pool and bounds it; allocates if it never was so long.
    pub(crate) fn reset(&mut self, capacity: usize) {
        self.keys.clear();
        self.keys.reserve_exact(capacity);
        self.capacity = capacity;
        self.next = 0;
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn is_full(&self) -> bool {
        self.keys.len() >= self.capacity
    }

    /// A candidate must order before this to be taken.
    #[inline]
    pub(crate) fn bound(&self) -> u64 {
        if self.is_full() { self.keys.last().copied().unwrap_or(0) } else { u64::MAX }
    }

    /// Takes a candidate unless it is too far or already here. Returns its place.
    #[inline]
    pub(crate) fn insert(&mut self, key: u64) -> Option<usize> {
        if key >= self.bound() {
            return None;
        }
        let place = self.keys.partition_point(|held| *held < key);
        if self.keys.get(place).is_some_and(|held| held & !EXPANDED == key) {
            return None;
        }
        if self.keys.len() < self.capacity {
            self.keys.push(0);
        }
        let last = self.keys.len() - 1;
        self.keys.copy_within(place..last, place + 1);
        self.keys[place] = key;
        self.next = self.next.min(place);
        Some(place)
    }

    /// The nearest candidate that waits for expansion, now marked as expanded.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<u64> {
        let key = self.keys.get_mut(self.next)?;
        let taken = *key;
        *key |= EXPANDED;
        self.next += 1;
        while self.keys.get(self.next).is_some_and(|key| key & EXPANDED != 0) {
            self.next += 1;
        }
        Some(taken)
    }

    /// The candidate that [`Pool::pop`] would give.
    #[inline]
    pub(crate) fn peek(&self) -> Option<u64> {
        self.keys.get(self.next).copied()
    }

    /// The candidates that wait for expansion, nearest first.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = u64> {
        let from = self.keys.get(self.next..).unwrap_or_default();
        from.iter().copied().filter(|key| key & EXPANDED == 0)
    }

    /// All candidates, packed, nearest first.
    pub(crate) fn keys(&self) -> impl Iterator<Item = u64> {
        self.keys.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_as_scored_rows_do() {
        let distances = [f32::NEG_INFINITY, -2.5, -0.0, 0.0, 1e-40, 3.0, f32::INFINITY, f32::NAN];
        let rows: Vec<Scored> = distances
            .iter()
            .flat_map(|&distance| {
                [0, 5, 0x7fff_fffe].map(|ordinal| Scored { distance, ordinal: Ordinal(ordinal) })
            })
            .collect();
        for a in &rows {
            assert_eq!(unpack(pack(a.distance, a.ordinal)), *a);
            for b in &rows {
                assert_eq!(pack(a.distance, a.ordinal).cmp(&pack(b.distance, b.ordinal)), a.cmp(b));
            }
        }
    }

    #[test]
    fn the_pool_keeps_the_nearest_and_expands_each_once() {
        let mut pool = Pool::default();
        pool.reset(3);
        for (distance, ordinal) in [(5.0, 5), (1.0, 1), (4.0, 4)] {
            assert!(pool.insert(pack(distance, Ordinal(ordinal))).is_some());
        }
        let expand = |pool: &mut Pool| pool.pop().map(|key| unpack(key).ordinal.0);
        assert_eq!(expand(&mut pool), Some(1));
        assert_eq!(pool.insert(pack(9.0, Ordinal(9))), None);
        assert_eq!(pool.insert(pack(1.0, Ordinal(1))), None, "already here");
        assert_eq!(pool.insert(pack(0.5, Ordinal(0))), Some(0));
        assert_eq!(expand(&mut pool), Some(0));
        assert_eq!(expand(&mut pool), Some(4));
        assert_eq!(expand(&mut pool), None);
        let left: Vec<u32> = pool.keys().map(|key| unpack(key).ordinal.0).collect();
        assert_eq!(left, [0, 1, 4]);
    }
}
