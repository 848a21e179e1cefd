//! What a predicate says of the rows of one segment, as far as they were asked: of the payloads
//! that they were flushed with, which never change.

use vectorizer_cache::{Footprint, allocated_bytes};

/// With at most one row in so many to be listed, they are; otherwise each has a bit.
const LISTED_PART: u32 = 32;

/// What is known of a segment's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdicts {
    /// Of some.
    Partial(Asked),
    /// Of few: which are admitted and which are left out, both ascending.
    Few {
        admitted: Box<[u32]>,
        left_out: Box<[u32]>,
        /// Rows of the segment.
        rows: u32,
    },
    /// Of all: few are admitted, and these are they, ascending.
    Listed(Box<[u32]>),
    /// Of all: bit `i % 64` of word `i / 64` is whether row `i` is admitted, as so many are.
    Bits(Box<[u64]>, u32),
}

/// Rows that were asked, a bit for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    known: Box<[u64]>,
    admitted: Box<[u64]>,
    rows: u32,
    count: u32,
}

impl Verdicts {
    /// Whether a row is admitted; none if that is not known.
    pub(crate) fn of(&self, row: u32) -> Option<bool> {
        let is_among = |rows: &[u32]| rows.binary_search(&row).is_ok();
        match self {
            Self::Partial(asked) => asked.of(row),
            Self::Few { admitted, .. } if is_among(admitted) => Some(true),
            Self::Few { left_out, .. } => is_among(left_out).then_some(false),
            Self::Listed(rows) => Some(is_among(rows)),
            Self::Bits(words, _) => Some(is_set(words, row)),
        }
    }

    /// The first row at or after `from` that is not known to be left out.
    pub(crate) fn next_open(&self, from: u32) -> Option<u32> {
        match self {
            Self::Partial(asked) => asked.next_open(from),
            Self::Few { left_out, rows, .. } => {
                let (_, left_out) = left_out.split_at(left_out.partition_point(|row| *row < from));
                let closed = (from..).zip(left_out).take_while(|(row, out)| row == *out).count();
                let open = u32::try_from(closed).ok().and_then(|closed| from.checked_add(closed));
                open.filter(|row| row < rows)
            }
            Self::Listed(rows) => rows.get(rows.partition_point(|row| *row < from)).copied(),
            Self::Bits(words, _) => next_row(from, words.len(), |at| words[at]),
        }
    }

    /// Rows that were asked, if not all were.
    pub(crate) fn count(&self) -> Option<u32> {
        match self {
            Self::Partial(asked) => Some(asked.count),
            Self::Few { admitted, left_out, .. } => {
                u32::try_from(admitted.len() + left_out.len()).ok()
            }
            Self::Listed(_) | Self::Bits(..) => None,
        }
    }

    /// Rows that are admitted, if all were asked.
    pub(crate) fn admitted(&self) -> Option<u64> {
        match self {
            Self::Partial(_) | Self::Few { .. } => None,
            Self::Listed(rows) => Some(rows.len() as u64),
            Self::Bits(_, admitted) => Some(u64::from(*admitted)),
        }
    }
}

impl Footprint for Verdicts {
    fn heap_bytes(&self) -> u64 {
        let listed = |rows: &[u32]| allocated_bytes(size_of_val(rows) as u64);
        match self {
            Self::Partial(asked) => asked.known.heap_bytes() + asked.admitted.heap_bytes(),
            Self::Few { admitted, left_out, .. } => listed(admitted) + listed(left_out),
            Self::Listed(rows) => listed(rows),
            Self::Bits(words, _) => words.heap_bytes(),
        }
    }
}

impl Asked {
    /// Nothing is known of any of so many rows.
    pub(crate) fn none_of(rows: u32) -> Self {
        let words = || vec![0; (rows as usize).div_ceil(64)].into_boxed_slice();
        Self { known: words(), admitted: words(), rows, count: 0 }
    }

    /// Bytes that it takes for so many rows.
    pub(crate) fn bytes_needed(rows: u32) -> u64 {
        2 * u64::from(rows).div_ceil(64) * 8
    }

    pub(crate) fn of(&self, row: u32) -> Option<bool> {
        is_set(&self.known, row).then(|| is_set(&self.admitted, row))
    }

    /// Notes whether a row is admitted.
    pub(crate) fn note(&mut self, row: u32, admitted: bool) {
        let (at, bit) = (row as usize / 64, 1 << (row % 64));
        if self.known[at] & bit == 0 {
            self.known[at] |= bit;
            self.count += 1;
            self.admitted[at] |= if admitted { bit } else { 0 };
        }
    }

    /// Notes what is known of some rows of the same segment.
    pub(crate) fn add(&mut self, more: &Verdicts) {
        match more {
            Verdicts::Partial(more) => {
                let join = |to: &mut [u64], more: &[u64]| {
                    to.iter_mut().zip(more).for_each(|(word, more)| *word |= more);
                };
                join(&mut self.known, &more.known);
                join(&mut self.admitted, &more.admitted);
                self.count = self.known.iter().map(|word| word.count_ones()).sum();
            }
            Verdicts::Few { admitted, left_out, .. } => {
                admitted.iter().for_each(|row| self.note(*row, true));
                left_out.iter().for_each(|row| self.note(*row, false));
            }
            Verdicts::Listed(_) | Verdicts::Bits(..) => {
                (0..self.rows).for_each(|row| self.note(row, more.of(row) == Some(true)));
            }
        }
    }

    /// Rows that were asked.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.count == self.rows
    }

    /// The first row at or after `from` that is not known to be left out.
    pub(crate) fn next_open(&self, from: u32) -> Option<u32> {
        let open = next_row(from, self.known.len(), |at| self.admitted[at] | !self.known[at]);
        open.filter(|row| *row < self.rows)
    }

    /// The first row at or after `from` that was not asked.
    pub(crate) fn next_unasked(&self, from: u32) -> Option<u32> {
        let unasked = next_row(from, self.known.len(), |at| !self.known[at]);
        unasked.filter(|row| *row < self.rows)
    }

    /// The same in the form that takes least.
    pub(crate) fn into_verdicts(self) -> Verdicts {
        let most = self.rows / LISTED_PART;
        if !self.is_complete() && self.count > most {
            return Verdicts::Partial(self);
        }
        let admitted: u32 = self.admitted.iter().map(|word| word.count_ones()).sum();
        if self.is_complete() && admitted > most {
            return Verdicts::Bits(self.admitted, admitted);
        }
        let listed = listed(&self.admitted, admitted, |at| self.admitted[at]);
        if self.is_complete() {
            return Verdicts::Listed(listed);
        }
        let left_out = |at: usize| self.known[at] & !self.admitted[at];
        let left_out = self::listed(&self.known, self.count - admitted, left_out);
        Verdicts::Few { admitted: listed, left_out, rows: self.rows }
    }
}

/// The rows, so many, whose bits are set.
fn listed(words: &[u64], count: u32, word: impl Fn(usize) -> u64) -> Box<[u32]> {
    let mut rows = Vec::with_capacity(count as usize);
    let mut next = 0;
    while let Some(row) = next_row(next, words.len(), &word) {
        rows.push(row);
        next = row + 1;
    }
    rows.into_boxed_slice()
}

fn is_set(words: &[u64], row: u32) -> bool {
    words.get(row as usize / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
}

/// The first row at or after `from` whose bit is set in words of 64 rows.
fn next_row(from: u32, words: usize, word: impl Fn(usize) -> u64) -> Option<u32> {
    let first = from as usize / 64;
    let mut mask = u64::MAX << (from % 64);
    for at in first..words {
        let set = word(at) & mask;
        if set != 0 {
            return u32::try_from(at * 64).ok().map(|row| row + set.trailing_zeros());
        }
        mask = u64::MAX;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use vectorizer_testkit::random::Random;

    /// Whatever was asked in whatever order, the answers are those that were given.
    #[test]
    fn what_was_noted_is_what_is_known() {
        for (seed, (rows, part)) in (0_u64..).zip([(1, 1), (63, 2), (64, 3), (65, 40), (3000, 97)])
        {
            let mut random = Random::new(seed);
            let truth: Vec<bool> = (0..rows).map(|_| random.below(part) == 0).collect();
            let mut order: Vec<u32> = (0..u32::try_from(rows).unwrap()).collect();
            for at in 1..rows {
                order.swap(at, random.below(at + 1));
            }
            let mut asked = Asked::none_of(u32::try_from(rows).unwrap());
            let mut known = vec![None; rows];
            for (number, &row) in order.iter().enumerate() {
                asked.note(row, truth[row as usize]);
                known[row as usize] = Some(truth[row as usize]);
                if number % 50 == 0 || number + 1 == rows {
                    let verdicts = asked.clone().into_verdicts();
                    agree(&verdicts, &known, seed);
                    let some = u32::try_from(number + 1).unwrap();
                    assert_eq!(asked.count(), some);
                    assert_eq!(verdicts.count(), Some(some).filter(|_| number + 1 < rows));
                }
            }
            let admitted = truth.iter().filter(|is| **is).count() as u64;
            assert_eq!(asked.into_verdicts().admitted(), Some(admitted), "seed {seed}");
        }
    }

    fn agree(verdicts: &Verdicts, known: &[Option<bool>], seed: u64) {
        for (row, verdict) in (0_u32..).zip(known) {
            assert_eq!(verdicts.of(row), *verdict, "seed {seed}, row {row}");
            let open = known[row as usize..].iter().position(|of| *of != Some(false));
            let open = open.map(|after| row + u32::try_from(after).unwrap());
            assert_eq!(verdicts.next_open(row), open, "seed {seed}, row {row}");
            let mut asked = Asked::none_of(u32::try_from(known.len()).unwrap());
            if row % 97 == 0 {
                asked.add(verdicts);
                let unasked = known[row as usize..].iter().position(Option::is_none);
                let unasked = unasked.map(|after| row + u32::try_from(after).unwrap());
                assert_eq!(asked.next_unasked(row), unasked, "seed {seed}, row {row}");
            }
        }
    }

    #[test]
    fn few_admitted_rows_take_few_bytes() {
        let of = |admitted: u32| {
            let mut asked = Asked::none_of(64_000);
            (0..64_000).for_each(|row| asked.note(row, row < admitted));
            let taken = size_of_val(&*asked.known) + size_of_val(&*asked.admitted);
            assert_eq!(taken as u64, Asked::bytes_needed(64_000), "as was said beforehand");
            asked.into_verdicts().heap_bytes()
        };
        assert_eq!(of(0), 0);
        assert!(of(10) < 64);
        assert_eq!(of(64_000), allocated_bytes(8_000));
        assert_eq!(of(2_001), allocated_bytes(8_000));
        let mut asked = Asked::none_of(64_000);
        (0..64_000).step_by(640).for_each(|row| asked.note(row, row == 640));
        assert_eq!(asked.into_verdicts().heap_bytes(), 32 + allocated_bytes(99 * 4));
    }

    /// What two found out at once is known to both, whatever forms it is kept in.
    #[test]
    fn what_two_found_out_is_known_together() {
        const ROWS: u32 = 4_000;
        let is_in = |row: u32| row.is_multiple_of(7);
        for parts in [[0..10, 5..40], [0..10, 0..3_000], [0..3_000, 2_000..3_900], [0..3_000, 0..0]]
        {
            let [first, second] = parts.clone().map(|rows| {
                let mut asked = Asked::none_of(ROWS);
                rows.for_each(|row| asked.note(row, is_in(row)));
                asked
            });
            let mut both = first.clone();
            both.add(&second.clone().into_verdicts());
            let mut other = second;
            other.add(&first.into_verdicts());
            assert_eq!(both, other, "{parts:?}");
            for row in 0..ROWS {
                let known = parts.iter().any(|part| part.contains(&row));
                assert_eq!(both.of(row), known.then(|| is_in(row)), "{parts:?}, row {row}");
            }
            assert_eq!(both.count(), parts[0].end.max(parts[1].end));
        }
    }
}
