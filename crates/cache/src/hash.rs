//! One hash of each key, from which shard, bucket and counters are taken.

use std::hash::{DefaultHasher, Hash, Hasher};

/// The hash of a key under a seed; the same on every machine for keys that hash the same.
pub(crate) fn hash_of<K: Hash + ?Sized>(seed: u64, key: &K) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(seed);
    key.hash(&mut hasher);
    hasher.finish()
}

/// Spreads the bits of a number (finaliser of `SplitMix64`).
pub(crate) const fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
