//! Which rows of one segment are gone, and since when.
//!
//! One bit for each row answers almost every question; only rows that died after the manifest
//! that a reader stands on need their sequence number, because a reader at an earlier position
//! still sees them. Each published manifest brings a new set, so that older readers keep theirs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use vectorizer_memory::Reservation;
use vectorizer_model::{Ordinal, SequenceNumber};

/// Bytes of a death that no manifest covers yet, in a map at its worst load. They are charged to
/// the memtable that is active when the row dies: the flush of that memtable covers the death.
pub(crate) const DEATH_BYTES: u64 = 48;

#[derive(Debug)]
pub(crate) struct Deaths {
    bits: Box<[AtomicU64]>,
    count: AtomicU32,
    /// Deaths that no manifest covers yet.
    recent: RwLock<BTreeMap<Ordinal, SequenceNumber>>,
    /// For the bits.
    _charge: Reservation,
}

impl Deaths {
    /// Bytes of the bits of so many rows.
    pub(crate) fn bytes_needed(rows: u32) -> u64 {
        u64::from(rows).div_ceil(64) * 8
    }

    /// Nothing dead. `charge` holds [`Deaths::bytes_needed`].
    pub(crate) fn new(rows: u32, charge: Reservation) -> Self {
        Self {
            bits: (0..(rows as usize).div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
            count: AtomicU32::new(0),
            recent: RwLock::default(),
            _charge: charge,
        }
    }

    /// Those dead at or before `covered`, which a manifest holds from now on, as a new set that
    /// also carries the later deaths. `charge` holds [`Deaths::bytes_needed`].
    pub(crate) fn covered_by(&self, covered: SequenceNumber, charge: Reservation) -> Self {
        let recent = self.recent.read().unwrap_or_else(PoisonError::into_inner);
        let later = recent.iter().filter(|(_, seq)| **seq > covered).map(|(&o, &s)| (o, s));
        Self {
            bits: self.bits.iter().map(|w| AtomicU64::new(w.load(Ordering::Acquire))).collect(),
            count: AtomicU32::new(self.count.load(Ordering::Acquire)),
            recent: RwLock::new(later.collect()),
            _charge: charge,
        }
    }

    /// Marks a row that a manifest already counts as dead.
    pub(crate) fn kill_covered(&self, ordinal: Ordinal) -> bool {
        let Some(word) = self.bits.get(ordinal.index() / 64) else { return false };
        let bit = 1 << (ordinal.0 % 64);
        let fresh = word.fetch_or(bit, Ordering::AcqRel) & bit == 0;
        if fresh {
            self.count.fetch_add(1, Ordering::AcqRel);
        }
        fresh
    }

    /// Marks a row as superseded at `seq`; false if it was dead already.
    pub(crate) fn kill(&self, ordinal: Ordinal, seq: SequenceNumber) -> bool {
        // The sequence number first: a reader that sees the bit must find it.
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        if self.is_marked(ordinal) {
            return false;
        }
        recent.insert(ordinal, seq);
        self.kill_covered(ordinal)
    }

    fn is_marked(&self, ordinal: Ordinal) -> bool {
        self.bits
            .get(ordinal.index() / 64)
            .is_some_and(|word| word.load(Ordering::Acquire) >> (ordinal.0 % 64) & 1 == 1)
    }

    /// Whether the row is gone for a reader at `seq`.
    #[inline]
    pub(crate) fn is_dead(&self, ordinal: Ordinal, seq: SequenceNumber) -> bool {
        self.is_marked(ordinal) && self.died_by(ordinal, seq)
    }

    #[cold]
    fn died_by(&self, ordinal: Ordinal, seq: SequenceNumber) -> bool {
        let recent = self.recent.read().unwrap_or_else(PoisonError::into_inner);
        recent.get(&ordinal).is_none_or(|died| *died <= seq)
    }

    /// Rows marked, whenever they died.
    pub(crate) fn count(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }

    /// Rows dead at `seq`, ascending.
    pub(crate) fn dead_at(&self, seq: SequenceNumber) -> Vec<Ordinal> {
        let marked = self.bits.iter().enumerate().flat_map(|(at, word)| {
            let word = word.load(Ordering::Acquire);
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 64 + bit)
        });
        marked.map(Ordinal::from_index).filter(|&row| self.is_dead(row, seq)).collect()
    }

    /// How many rows are dead at `seq`.
    pub(crate) fn count_at(&self, seq: SequenceNumber) -> u32 {
        let recent = self.recent.read().unwrap_or_else(PoisonError::into_inner);
        let later = recent.values().filter(|died| **died > seq).count();
        self.count().saturating_sub(u32::try_from(later).unwrap_or(u32::MAX))
    }

    /// When a marked row died, if no manifest covers its death.
    pub(crate) fn recent_death(&self, ordinal: Ordinal) -> Option<SequenceNumber> {
        self.recent.read().unwrap_or_else(PoisonError::into_inner).get(&ordinal).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vectorizer_memory::{Class, Governor, Limits, Tenant};

    fn charge() -> Reservation {
        let governor = Governor::new(Limits::of_root(1 << 20));
        governor.reserve(Class::Collections, &Tenant::system(), 64).expect("room")
    }

    #[test]
    fn a_reader_before_the_death_sees_the_row() {
        let deaths = Deaths::new(100, charge());
        assert!(deaths.kill(Ordinal(70), SequenceNumber(5)));
        assert!(!deaths.kill(Ordinal(70), SequenceNumber(6)));
        assert!(!deaths.is_dead(Ordinal(70), SequenceNumber(4)));
        assert!(deaths.is_dead(Ordinal(70), SequenceNumber(5)));
        assert_eq!(deaths.dead_at(SequenceNumber(4)), []);
        assert_eq!(deaths.count_at(SequenceNumber(4)), 0);
        assert_eq!(deaths.count_at(SequenceNumber(5)), 1);
        assert_eq!(deaths.dead_at(SequenceNumber(5)), [Ordinal(70)]);
    }

    #[test]
    fn covering_forgets_only_what_is_covered() {
        let deaths = Deaths::new(10, charge());
        deaths.kill(Ordinal(1), SequenceNumber(5));
        deaths.kill(Ordinal(2), SequenceNumber(9));
        let covered = deaths.covered_by(SequenceNumber(5), charge());
        assert!(covered.is_dead(Ordinal(1), SequenceNumber(5)));
        assert!(!covered.is_dead(Ordinal(2), SequenceNumber(8)));
        assert_eq!(covered.recent_death(Ordinal(1)), None);
        assert_eq!(covered.count(), 2);
    }
}
