//! Builds a field index, row by row.

use std::collections::BTreeMap;

use vectorizer_model::settings::FieldIndexKind;
use vectorizer_model::{Budget, KeyPath, Ordinal, Payload};

use super::postings::Postings;
use super::values::{Sorted, Values, sort};
use super::{FieldIndex, RowSets};
use crate::PayloadError;
use crate::extract::{any_value_at, is_empty_at};

/// Bytes that are reserved at once, so that a row rarely asks.
const STEP_BYTES: u64 = 64 << 10;
/// Bytes of one held value while building: its entry, grown by doubling, and its part of the result.
const POSTING_BYTES: u64 = 48;
/// Bytes of a new text beside its characters: its node and its part of the result.
const TEXT_BYTES: u64 = 96;
/// Bytes of one row in the sets.
const ROW_BYTES: u64 = 8;

/// Builds a [`FieldIndex`] from payloads given by ascending row.
#[derive(Debug)]
pub struct FieldIndexBuilder {
    kind: FieldIndexKind,
    key: KeyPath,
    rows: u32,
    texts: Texts,
    /// A value's key, or its text's number, and a row that holds it.
    pairs: Vec<(i64, u32)>,
    sets: RowSets,
    needed: u64,
    held: u64,
}

impl FieldIndexBuilder {
    /// An index without rows.
    pub fn new(kind: FieldIndexKind, key: KeyPath) -> Self {
        Self {
            kind,
            key,
            rows: 0,
            texts: Texts::default(),
            pairs: Vec::new(),
            sets: RowSets::default(),
            needed: 0,
            held: 0,
        }
    }

    /// Bytes taken from the budget so far.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// Adds the next row. Rows left out count as rows without the field.
    ///
    /// # Errors
    /// [`PayloadError::Budget`] or [`PayloadError::TooLarge`], with the row not added;
    /// [`PayloadError::RowOrder`] if a row at or after this one was added before.
    pub fn add(
        &mut self,
        ordinal: Ordinal,
        payload: &Payload,
        budget: &mut dyn Budget,
    ) -> Result<(), PayloadError> {
        let row = ordinal.0;
        let Some(next) = row.checked_add(1).filter(|_| row >= self.rows) else {
            return Err(PayloadError::RowOrder { ordinal: row, next: self.rows });
        };
        let found = self.sorted_values(payload);
        self.reserve_for(&found, budget)?;
        self.sets.empty.insert_range(self.rows..row);
        self.rows = next;
        let first = self.pairs.len();
        for value in found {
            match value {
                Sorted::Nothing => {}
                Sorted::Text(text) => self.pairs.push((self.texts.number_of(text), row)),
                Sorted::Key(key) => self.pairs.push((key, row)),
                Sorted::Stray(class) => {
                    self.sets.strays[class as usize].insert(row);
                }
            }
        }
        self.pairs[first..].sort_unstable();
        self.pairs.dedup_from(first);
        match self.pairs.len() - first {
            0 => {}
            1 => {
                self.sets.valued.insert(row);
            }
            _ => {
                self.sets.valued.insert(row);
                self.sets.multi.insert(row);
            }
        }
        if is_empty_at(payload, &self.key) {
            self.sets.empty.insert(row);
        }
        Ok(())
    }

    /// What the row holds; texts already seen as the keys that stand for them.
    fn sorted_values<'a>(&self, payload: &'a Payload) -> Vec<Sorted<'a>> {
        let mut found = Vec::new();
        any_value_at(payload, &self.key, &mut |value| {
            let sorted = sort(self.kind, value);
            let seen = match sorted {
                Sorted::Text(text) => self.texts.numbers.get(text),
                Sorted::Nothing | Sorted::Key(_) | Sorted::Stray(_) => None,
            };
            found.push(seen.map_or(sorted, |&number| Sorted::Key(number.into())));
            false
        });
        found
    }

    /// Reserves what the row's values may take, before any is taken.
    fn reserve_for(
        &mut self,
        found: &[Sorted<'_>],
        budget: &mut dyn Budget,
    ) -> Result<(), PayloadError> {
        let (mut bytes, mut text_bytes) = (ROW_BYTES, 0);
        for value in found {
            match value {
                Sorted::Text(text) => {
                    text_bytes += text.len();
                    bytes += TEXT_BYTES + POSTING_BYTES + 2 * text.len() as u64;
                }
                Sorted::Key(_) => bytes += POSTING_BYTES,
                Sorted::Nothing | Sorted::Stray(_) => {}
            }
        }
        fits("values", self.pairs.len() + found.len())?;
        fits("bytes of text", self.texts.bytes + text_bytes)?;
        let needed = self.needed + bytes;
        if needed > self.held {
            let more = (needed - self.held).next_multiple_of(STEP_BYTES);
            budget.try_grow(more)?;
            self.held += more;
        }
        self.needed = needed;
        Ok(())
    }

    /// The index. The budget then holds [`FieldIndex::bytes`] for it instead of what the builder
    /// took.
    ///
    /// # Errors
    /// [`PayloadError::Budget`] if the index is larger than what was reserved for it; all is given
    /// back then.
    pub fn finish(mut self, budget: &mut dyn Budget) -> Result<FieldIndex, PayloadError> {
        let pairs = std::mem::take(&mut self.pairs);
        let texts = std::mem::take(&mut self.texts);
        let (values, postings) = if self.kind == FieldIndexKind::Keyword {
            by_text(texts, pairs)
        } else {
            by_key(pairs)
        };
        for set in self.sets.all_mut() {
            set.optimize();
            // A clone has no spare capacity.
            *set = set.clone();
        }
        let index = FieldIndex {
            kind: self.kind,
            key: self.key,
            rows: self.rows,
            values,
            postings,
            sets: self.sets,
        };
        let bytes = index.bytes();
        if bytes > self.held {
            if let Err(refused) = budget.try_grow(bytes - self.held) {
                budget.shrink(self.held);
                return Err(refused.into());
            }
        } else {
            budget.shrink(self.held - bytes);
        }
        Ok(index)
    }
}

/// Texts seen, each with the number that stands for it until all are known.
#[derive(Debug, Default)]
struct Texts {
    numbers: BTreeMap<Box<str>, u32>,
    bytes: usize,
}

impl Texts {
    fn number_of(&mut self, text: &str) -> i64 {
        if let Some(&number) = self.numbers.get(text) {
            return number.into();
        }
        let number = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        self.numbers.insert(text.into(), number);
        self.bytes += text.len();
        number.into()
    }
}

/// Whether the format can count this many.
fn fits(what: &'static str, count: usize) -> Result<(), PayloadError> {
    match u32::try_from(count) {
        Ok(_) => Ok(()),
        Err(_too_large) => Err(PayloadError::TooLarge { what, max: u32::MAX.into() }),
    }
}

/// Removes repeats from the sorted end of a list.
trait DedupFrom {
    fn dedup_from(&mut self, first: usize);
}

impl<T: PartialEq + Copy> DedupFrom for Vec<T> {
    fn dedup_from(&mut self, first: usize) {
        let mut kept = first;
        for at in first..self.len() {
            if kept == first || self[kept - 1] != self[at] {
                self[kept] = self[at];
                kept += 1;
            }
        }
        self.truncate(kept);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "lengths are checked as rows come")]
fn by_text(texts: Texts, pairs: Vec<(i64, u32)>) -> (Values, Postings) {
    let mut text = String::with_capacity(texts.bytes);
    let mut text_starts = Vec::with_capacity(texts.numbers.len() + 1);
    let mut rank = vec![0_u32; texts.numbers.len()];
    for (at, (word, number)) in texts.numbers.into_iter().enumerate() {
        rank[number as usize] = at as u32;
        text_starts.push(text.len() as u32);
        text.push_str(&word);
    }
    text_starts.push(text.len() as u32);

    let rank_of = |number: i64| rank[usize::try_from(number).unwrap_or_default()] as usize;
    let mut starts = vec![0_u32; rank.len() + 1];
    for &(number, _) in &pairs {
        starts[rank_of(number) + 1] += 1;
    }
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    let mut ends = starts.clone();
    let mut rows = vec![0_u32; pairs.len()];
    for (number, row) in pairs {
        let end = &mut ends[rank_of(number)];
        rows[*end as usize] = row;
        *end += 1;
    }
    let values = Values::Texts { starts: text_starts, text };
    (values, Postings::from_lists(starts, rows))
}

#[expect(clippy::cast_possible_truncation, reason = "lengths are checked as rows come")]
fn by_key(mut pairs: Vec<(i64, u32)>) -> (Values, Postings) {
    pairs.sort_unstable();
    let distinct = pairs.chunk_by(|a, b| a.0 == b.0).count();
    let mut keys: Vec<i64> = Vec::with_capacity(distinct);
    let mut starts = Vec::with_capacity(distinct + 1);
    for (at, &(key, _)) in pairs.iter().enumerate() {
        if keys.last() != Some(&key) {
            keys.push(key);
            starts.push(at as u32);
        }
    }
    starts.push(pairs.len() as u32);
    let rows = pairs.into_iter().map(|(_, row)| row).collect();
    (Values::Keys(keys), Postings::from_lists(starts, rows))
}
