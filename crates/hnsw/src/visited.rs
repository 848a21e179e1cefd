//! Rows a search has met.
//!
//! Small graphs have a byte for each row that holds the number of the search that met it, so that
//! a new search costs nothing. Large graphs have a direct-mapped cache of ordinals instead, whose
//! size follows the search and not the graph. The cache forgets; a forgotten row is scored again
//! and then refused by the pool, which knows its own rows.

use vectorizer_model::Ordinal;

/// Graphs above this many rows use the cache. On 200k rows both cost the same; the cache scores 2
/// to 3 percent more rows.
const STAMPED_ROWS_MAX: usize = 4 << 20;

/// Slots of the cache for each candidate of the pool.
const SLOTS_PER_CANDIDATE: usize = 64;

const EMPTY: u32 = u32::MAX;

#[derive(Debug)]
pub(crate) enum Visited {
    /// `stamps[row] == generation` where the row was met.
    Stamps { stamps: Vec<u8>, generation: u8 },
    /// A power of two of slots; a row was met if it lies in its slot.
    Cache { slots: Vec<u32>, shift: u32 },
}

fn slots_for(ef: usize) -> usize {
    ef.saturating_mul(SLOTS_PER_CANDIDATE).clamp(1 << 10, 1 << 24).next_power_of_two()
}

impl Visited {
    pub(crate) fn bytes_needed(rows: usize, ef: usize) -> u64 {
        if rows <= STAMPED_ROWS_MAX { rows as u64 } else { 4 * slots_for(ef) as u64 }
    }

    /// For nothing yet; [`Visited::begin`] sizes it.
    pub(crate) fn empty() -> Self {
        Self::Stamps { stamps: Vec::new(), generation: 0 }
    }

    /// Forgets all rows, before a search with `ef` candidates over `rows`.
    pub(crate) fn begin(&mut self, rows: usize, ef: usize) {
        if rows > STAMPED_ROWS_MAX {
            self.begin_cache(slots_for(ef));
            return;
        }
        match self {
            Self::Stamps { stamps, generation }
                if stamps.len() >= rows && *generation < u8::MAX =>
            {
                *generation += 1;
            }
            Self::Stamps { stamps, generation } => {
                stamps.fill(0);
                stamps.resize(rows.max(stamps.len()), 0);
                *generation = 1;
            }
            Self::Cache { .. } => *self = Self::Stamps { stamps: vec![0; rows], generation: 1 },
        }
    }

    fn begin_cache(&mut self, wanted: usize) {
        let shift = 32 - wanted.trailing_zeros();
        match self {
            Self::Cache { slots, shift: held } => {
                slots.resize(wanted.max(slots.len()), EMPTY);
                slots[..wanted].fill(EMPTY);
                *held = shift;
            }
            Self::Stamps { .. } => *self = Self::Cache { slots: vec![EMPTY; wanted], shift },
        }
    }

    /// Forgets all rows, within a search.
    pub(crate) fn forget(&mut self) {
        match self {
            Self::Stamps { stamps, generation } => {
                stamps.fill(0);
                *generation = 1;
            }
            Self::Cache { slots, .. } => slots.fill(EMPTY),
        }
    }

    /// Keeps of `rows` those not met before, in order, and remembers them.
    #[inline]
    pub(crate) fn retain_new(&mut self, rows: &mut Vec<Ordinal>) {
        match self {
            Self::Stamps { stamps, generation } => retain_unstamped(stamps, *generation, rows),
            Self::Cache { slots, shift } => retain_uncached(slots, *shift, rows),
        }
    }

    /// Remembers one row; whether it is new.
    pub(crate) fn visit(&mut self, row: Ordinal) -> bool {
        match self {
            Self::Stamps { stamps, generation } => {
                std::mem::replace(&mut stamps[row.index()], *generation) != *generation
            }
            Self::Cache { slots, shift } => {
                std::mem::replace(&mut slots[slot(row, *shift)], row.0) != row.0
            }
        }
    }
}

/// Fibonacci hashing (Knuth, volume 3, 6.4).
#[inline]
fn slot(row: Ordinal, shift: u32) -> usize {
    (row.0.wrapping_mul(0x9e37_79b1) >> shift) as usize
}

#[inline]
fn retain_unstamped(stamps: &mut [u8], generation: u8, rows: &mut Vec<Ordinal>) {
    let mut kept = 0;
    for at in 0..rows.len() {
        let row = rows[at];
        let stamp = &mut stamps[row.index()];
        rows[kept] = row;
        kept += usize::from(*stamp != generation);
        *stamp = generation;
    }
    rows.truncate(kept);
}

#[inline]
fn retain_uncached(slots: &mut [u32], shift: u32, rows: &mut Vec<Ordinal>) {
    let mut kept = 0;
    for at in 0..rows.len() {
        let row = rows[at];
        let held = &mut slots[slot(row, shift)];
        rows[kept] = row;
        kept += usize::from(*held != row.0);
        *held = row.0;
    }
    rows.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(visited: &mut Visited, rows: usize) {
        for _ in 0..300 {
            visited.begin(rows, 16);
            let mut met = vec![Ordinal(3), Ordinal(1), Ordinal(3)];
            visited.retain_new(&mut met);
            assert_eq!(met, [Ordinal(3), Ordinal(1)]);
            assert!(!visited.visit(Ordinal(1)));
            assert!(visited.visit(Ordinal(2)));
        }
    }

    #[test]
    fn rows_are_new_once_in_each_search() {
        let mut visited = Visited::empty();
        for rows in [10, STAMPED_ROWS_MAX + 1, 20, STAMPED_ROWS_MAX + 2, 5] {
            check(&mut visited, rows);
        }
    }
}
