//! Which keys were asked for lately, about: so that what is read once, as by a scroll over
//! everything, pushes nothing out of a cache.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use vectorizer_memory::Reservation;

const WORDS: usize = 2048;
const BITS: u64 = WORDS as u64 * 64;
/// With so many keys marked, two bits each, all are forgotten: until then at most one of 250 keys
/// is taken for one that was marked.
const KEYS_MAX: u32 = 4096;

/// A Bloom filter of keys that forgets all now and then.
#[derive(Debug)]
pub(crate) struct RecentlyAsked {
    words: Box<[AtomicU64]>,
    keys: AtomicU32,
    _charge: Reservation,
}

impl RecentlyAsked {
    /// Bytes that it takes.
    pub(crate) const BYTES: u64 = BITS / 8;

    /// No key was asked for. `charge` holds [`Self::BYTES`].
    pub(crate) fn new(charge: Reservation) -> Self {
        let words = (0..WORDS).map(|_| AtomicU64::new(0)).collect();
        Self { words, keys: AtomicU32::new(0), _charge: charge }
    }

    /// Marks a key by its hash; whether it was marked before.
    pub(crate) fn mark(&self, hash: u64) -> bool {
        let first = self.set(hash % BITS);
        let second = self.set((hash >> 32) % BITS);
        let was_marked = first && second;
        if !was_marked && self.keys.fetch_add(1, Relaxed) + 1 >= KEYS_MAX {
            self.words.iter().for_each(|word| word.store(0, Relaxed));
            self.keys.store(0, Relaxed);
        }
        was_marked
    }

    /// Sets a bit; whether it was set.
    fn set(&self, bit: u64) -> bool {
        let (at, mask) = (usize::try_from(bit / 64).unwrap_or(0), 1 << (bit % 64));
        self.words[at].fetch_or(mask, Relaxed) & mask != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vectorizer_memory::{Class, Governor, Limits, Tenant};
    use vectorizer_testkit::random::Random;

    #[test]
    fn a_key_is_known_the_second_time_and_others_are_not() {
        let governor = Governor::new(Limits::of_root(1 << 20));
        let charge = governor.reserve(Class::Metadata, &Tenant::system(), RecentlyAsked::BYTES);
        let asked = RecentlyAsked::new(charge.expect("room"));
        let mut random = Random::new(3);
        let mut mistaken = 0;
        for _ in 0..100_000 {
            let hash = random.next_u64();
            mistaken += u32::from(asked.mark(hash));
            assert!(asked.mark(hash) || asked.keys.load(Relaxed) <= 1, "unless all were forgotten");
        }
        assert!(mistaken < 400, "{mistaken} of 100000 were taken for known");
    }
}
