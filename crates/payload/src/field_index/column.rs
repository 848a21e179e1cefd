//! For each row of a field the rank of its value, so that a row is asked without its postings.
//!
//! A forward column is derived from an index whose rows hold one value at most, and is never
//! stored. The rank of a value is its position among the index's values, which are in order: a
//! range of values is a range of ranks.

use std::ops::Range;
use std::sync::Arc;

use super::postings::Postings;

/// A list of ranks has a bit for each value of the field; with more values than this the bits
/// would take more than the condition that asks.
pub(super) const LISTED_VALUES_MAX: usize = 4096;

/// The rank of each row's value, in the fewest bytes that keep the highest number free for rows
/// without one.
#[derive(Debug)]
pub(crate) enum ForwardColumn {
    Bytes(Box<[u8]>),
    Halves(Box<[u16]>),
    Words(Box<[u32]>),
}

impl ForwardColumn {
    /// None if a row holds several values.
    pub(super) fn new(postings: &Postings, rows: u32) -> Option<Self> {
        Some(match rank_bytes(postings.values()) {
            1 => Self::Bytes(fill(postings, rows, u8::MAX)?),
            2 => Self::Halves(fill(postings, rows, u16::MAX)?),
            _ => Self::Words(fill(postings, rows, u32::MAX)?),
        })
    }

    /// Heap bytes of the column of so many values and rows.
    pub(super) fn bytes_needed(values: usize, rows: u32) -> u64 {
        rank_bytes(values) * u64::from(rows)
    }

    /// The rank of a row's value; beyond all ranks if it has none.
    #[inline]
    fn rank(&self, row: u32) -> u32 {
        let at = row as usize;
        let rank = match self {
            Self::Bytes(ranks) => ranks.get(at).map(|&rank| rank.into()),
            Self::Halves(ranks) => ranks.get(at).map(|&rank| rank.into()),
            Self::Words(ranks) => ranks.get(at).copied(),
        };
        rank.unwrap_or(u32::MAX)
    }
}

fn rank_bytes(values: usize) -> u64 {
    match values {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        _ => 4,
    }
}

fn fill<R>(postings: &Postings, rows: u32, none: R) -> Option<Box<[R]>>
where
    R: Copy + Eq + TryFrom<usize>,
{
    let mut ranks = vec![none; rows as usize];
    for value in 0..postings.values() {
        let rank = R::try_from(value).ok()?;
        for row in postings.each_row_of(value) {
            let held = ranks.get_mut(row as usize).filter(|held| **held == none)?;
            *held = rank;
        }
    }
    Some(ranks.into())
}

/// Some ranks of a field.
#[derive(Debug, Clone)]
pub(crate) enum RankSet {
    /// From `low` on, so many.
    Run { low: u32, len: u32 },
    /// Bit `i % 64` of word `i / 64` is rank `i`.
    Listed(Arc<[u64]>),
}

impl RankSet {
    /// The ranks of a run of values.
    pub(super) fn run(values: &Range<usize>) -> Self {
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self::Run { low: number(values.start), len: number(values.len()) }
    }

    /// The ranks of these values (ascending), of so many that there are. None if that takes too
    /// much.
    pub(super) fn listed(values: &[usize], of: usize) -> Option<Self> {
        match *values {
            [] => return Some(Self::run(&(0..0))),
            [first, .., last] if last - first + 1 == values.len() => {
                return Some(Self::run(&(first..last + 1)));
            }
            [only] => return Some(Self::run(&(only..only + 1))),
            _ => {}
        }
        Self::bits(values, of, 0)
    }

    /// The ranks of all values but these.
    pub(super) fn except(values: &[usize], of: usize) -> Option<Self> {
        if values.is_empty() { Some(Self::run(&(0..of))) } else { Self::bits(values, of, u64::MAX) }
    }

    /// Words that are `rest` but for the bits of these values.
    fn bits(values: &[usize], of: usize, rest: u64) -> Option<Self> {
        if of > LISTED_VALUES_MAX {
            return None;
        }
        let mut words = vec![rest; of.div_ceil(64)];
        if let Some(last) = words.last_mut().filter(|_| !of.is_multiple_of(64)) {
            *last &= (1 << (of % 64)) - 1;
        }
        for value in values {
            words[value / 64] ^= 1 << (value % 64);
        }
        Some(Self::Listed(words.into()))
    }

    #[inline]
    fn holds(&self, rank: u32) -> bool {
        match self {
            Self::Run { low, len } => rank.wrapping_sub(*low) < *len,
            Self::Listed(words) => is_listed(words, rank),
        }
    }
}

#[inline]
fn is_listed(words: &[u64], rank: u32) -> bool {
    words.get(rank as usize / 64).is_some_and(|word| word >> (rank % 64) & 1 == 1)
}

/// Whether a row's value is among some.
#[derive(Debug, Clone)]
pub(crate) struct RankTest<'a> {
    pub(crate) column: &'a ForwardColumn,
    pub(crate) ranks: RankSet,
}

impl RankTest<'_> {
    #[inline]
    pub(crate) fn admits(&self, row: u32) -> bool {
        self.ranks.holds(self.column.rank(row))
    }

    /// 64 rows at once: bit `i` is row `64 * at + i`, unset beyond the last.
    pub(crate) fn word(&self, at: usize) -> u64 {
        match (self.column, &self.ranks) {
            // Compared as narrow as they are kept, many at once.
            (ForwardColumn::Bytes(ranks), RankSet::Run { low, len }) => {
                let (Ok(low), Ok(len)) = (u8::try_from(*low), u8::try_from(*len)) else { return 0 };
                word_of(ranks, at, |rank| rank.wrapping_sub(low) < len)
            }
            (ForwardColumn::Halves(ranks), RankSet::Run { low, len }) => {
                let (Ok(low), Ok(len)) = (u16::try_from(*low), u16::try_from(*len)) else {
                    return 0;
                };
                word_of(ranks, at, |rank| rank.wrapping_sub(low) < len)
            }
            (ForwardColumn::Words(ranks), RankSet::Run { low, len }) => {
                word_of(ranks, at, |rank| rank.wrapping_sub(*low) < *len)
            }
            (ForwardColumn::Bytes(ranks), RankSet::Listed(words)) => {
                word_of(ranks, at, |rank| is_listed(words, rank.into()))
            }
            (ForwardColumn::Halves(ranks), RankSet::Listed(words)) => {
                word_of(ranks, at, |rank| is_listed(words, rank.into()))
            }
            (ForwardColumn::Words(ranks), RankSet::Listed(words)) => {
                word_of(ranks, at, |rank| is_listed(words, rank))
            }
        }
    }
}

#[inline]
fn word_of<R: Copy>(ranks: &[R], at: usize, holds: impl Fn(R) -> bool) -> u64 {
    let rest = ranks.get(at * 64..).unwrap_or_default();
    let mut held = [0_u8; 64];
    if let Some(ranks) = rest.first_chunk::<64>() {
        for (held, &rank) in held.iter_mut().zip(ranks) {
            *held = holds(rank).into();
        }
    } else {
        for (held, &rank) in held.iter_mut().zip(rest) {
            *held = holds(rank).into();
        }
    }
    let eights = held.as_chunks::<8>().0.iter().rev();
    eights.fold(0, |word, eight| word << 8 | gather_bits(u64::from_le_bytes(*eight)))
}

/// The lowest bit of each byte. The factor moves that of byte `i` to bit `56 + i`, and no two to
/// one place.
#[inline]
fn gather_bits(bytes: u64) -> u64 {
    bytes.wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_gathered_from_every_byte() {
        for wanted in 0..=u8::MAX {
            let bytes: [u8; 8] = std::array::from_fn(|bit| wanted >> bit & 1);
            assert_eq!(gather_bits(u64::from_le_bytes(bytes)), u64::from(wanted));
        }
    }

    #[test]
    fn every_width_says_what_the_postings_say() {
        // Each value but every seventh has a row; rows at the end have none.
        for values in [0, 1, 255, 256, 300, 65_535, 65_536] {
            let (mut starts, mut listed) = (vec![0], Vec::new());
            for value in 0..values {
                listed.extend((value % 7 != 0).then_some(value));
                starts.push(u32::try_from(listed.len()).expect("few"));
            }
            let rows = values + 70;
            let postings = Postings::from_lists(starts, listed);
            let column = ForwardColumn::new(&postings, rows).expect("one value a row");
            let of = values as usize;
            let except: Vec<usize> = (0..of).step_by(3).collect();
            let run = [0..of, 1..of.clamp(1, 2), of / 2..of];
            let mut sets: Vec<_> = run.iter().map(RankSet::run).collect();
            sets.extend(RankSet::listed(&except, of));
            sets.extend(RankSet::except(&except, of));
            for ranks in sets {
                let test = RankTest { column: &column, ranks: ranks.clone() };
                for row in 0..rows + 64 {
                    let holds = row < values && row % 7 != 0 && ranks.holds(row);
                    assert_eq!(test.admits(row), holds, "{values} values, row {row}");
                    let word = test.word(row as usize / 64);
                    assert_eq!(word >> (row % 64) & 1 == 1, holds, "{values} values, row {row}");
                }
            }
        }
    }

    #[test]
    fn a_row_with_two_values_has_no_column() {
        let postings = Postings::from_lists(vec![0, 2, 3], vec![1, 4, 4]);
        assert!(ForwardColumn::new(&postings, 5).is_none());
    }
}
