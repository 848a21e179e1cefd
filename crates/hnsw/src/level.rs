//! Which layers a row lies on.
//!
//! The paper draws `floor(-ln(uniform) / ln(m))`. Here the draw is a pure function of seed and
//! ordinal, in integers, so that every build with the same seed draws the same levels on every
//! machine, however many workers insert.

use vectorizer_model::Ordinal;

/// No row lies above this level.
pub(crate) const LEVEL_MAX: u8 = 31;

/// The highest layer of a row: at least `l` with probability `m^-l`.
pub(crate) fn level(seed: u64, ordinal: Ordinal, m: u32) -> u8 {
    let draw = mix(seed.wrapping_add(mix(u64::from(ordinal.0))));
    let mut threshold = u64::MAX / u64::from(m);
    let mut level = 0;
    while draw < threshold && level < LEVEL_MAX {
        level += 1;
        threshold /= u64::from(m);
    }
    level
}

/// The highest layer of every row.
pub(crate) fn levels(seed: u64, rows: usize, m: u32) -> Vec<u8> {
    (0..rows).map(|row| level(seed, Ordinal::from_index(row), m)).collect()
}

/// The order in which rows are inserted: a shuffle, because ordinals may follow clusters.
pub(crate) fn insertion_order(seed: u64, rows: u32) -> Vec<u32> {
    let mut order: Vec<u32> = (0..rows).collect();
    let mut state = mix(seed ^ 0x6f72_6465_7200_0000);
    for last in (1..order.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let wide = u128::from(mix(state)) * (last as u128 + 1);
        #[expect(clippy::cast_possible_truncation, reason = "at most last")]
        order.swap(last, (wide >> 64) as usize);
    }
    order
}

/// The finalizer of `SplitMix64` (Steele, Lea & Flood 2014).
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_row_in_m_lies_on_the_next_layer() {
        let mut counts = [0_u32; 4];
        for ordinal in 0..160_000 {
            let top = usize::from(level(7, Ordinal(ordinal), 16));
            for count in counts.iter_mut().take(top + 1) {
                *count += 1;
            }
        }
        assert_eq!(counts[0], 160_000);
        assert!((9_500..10_500).contains(&counts[1]), "{counts:?}");
        assert!((500..760).contains(&counts[2]), "{counts:?}");
    }

    #[test]
    fn the_order_is_a_permutation_of_its_seed() {
        let order = insertion_order(3, 1000);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..1000));
        assert_eq!(order, insertion_order(3, 1000));
        assert_ne!(order, insertion_order(4, 1000));
        assert!(insertion_order(0, 0).is_empty());
    }
}
