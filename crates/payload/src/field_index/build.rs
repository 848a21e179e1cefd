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
/// What a sample says may be so many parts more.
const SPREAD: u64 = 16;
/// Bytes of one row in the sets.
const ROW_BYTES: u64 = 8;

/// Bytes of a new text.
fn text_bytes(len: u64) -> u64 {
    TEXT_BYTES + 2 * len
}

impl FieldIndex {
    /// Bytes that were taken from a budget while it was built, about: all, but for repeats in one row.
    pub fn build_bytes(&self) -> u64 {
        let texts = match &self.values {
            Values::Texts { text, .. } => {
                self.values.len() as u64 * TEXT_BYTES + 2 * text.len() as u64
            }
            Values::Keys(_) => 0,
        };
        let postings = self.postings.count() * POSTING_BYTES;
        u64::from(self.rows) * ROW_BYTES + postings + texts + STEP_BYTES
    }
}

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
    /// The most that one row reserved.
    widest: u64,
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
            widest: 0,
        }
    }

    /// Bytes taken from the budget so far.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// About what is taken from the budget for `rows` rows of which the ones added are a sample of
    /// `sampled`. A text that one row of the sample holds stands for others that none of it does
    /// (Good 1953, "The population frequencies of species").
    pub fn bytes_for(&self, rows: u32, sampled: u32) -> u64 {
        let mut holders = vec![0_u32; self.texts.numbers.len()];
        if !holders.is_empty() {
            for (number, _) in &self.pairs {
                let number = usize::try_from(*number).unwrap_or(usize::MAX);
                if let Some(count) = holders.get_mut(number) {
                    *count += 1;
                }
            }
        }
        let (mut seen, mut once) = (0, 0);
        for (text, number) in &self.texts.numbers {
            let bytes = text_bytes(text.len() as u64);
            seen += bytes;
            once += if holders.get(*number as usize) == Some(&1) { bytes } else { 0 };
        }
        let (rows, sampled) = (u64::from(rows), u64::from(sampled.max(1)));
        let share = |bytes: u64, rows: u64| {
            let share = u128::from(bytes) * u128::from(rows) / u128::from(sampled);
            u64::try_from(share).unwrap_or(u64::MAX)
        };
        let pairs = share(self.pairs.len() as u64 * POSTING_BYTES, rows);
        let unseen = share(once, rows.saturating_sub(sampled));
        let about = (rows * ROW_BYTES).saturating_add(pairs).saturating_add(seen + unseen);
        let spread = if sampled < rows { about / SPREAD } else { 0 };
        about.saturating_add(spread).saturating_add(self.widest + STEP_BYTES)
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
        self.reserve_for(payload, budget)?;
        self.sets.empty.insert_range(self.rows..row);
        self.rows = next;
        let first = self.pairs.len();
        let Self { kind, key, texts, pairs, sets, .. } = self;
        any_value_at(payload, key, &mut |value| {
            match sort(*kind, value) {
                Sorted::Nothing => {}
                Sorted::Text(text) => pairs.push((texts.number_of(text), row)),
                Sorted::Key(key) => pairs.push((key, row)),
                Sorted::Stray(class) => {
                    sets.strays[class as usize].insert(row);
                }
            }
            false
        });
        let pushed = self.pairs.len();
        self.pairs[first..].sort_unstable();
        self.pairs.dedup_from(first);
        self.needed -= (pushed - self.pairs.len()) as u64 * POSTING_BYTES;
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

    /// Reserves what the row's values may take, before any is taken.
    fn reserve_for(
        &mut self,
        payload: &Payload,
        budget: &mut dyn Budget,
    ) -> Result<(), PayloadError> {
        let (mut bytes, mut values, mut new_bytes) = (ROW_BYTES, 0, 0);
        any_value_at(payload, &self.key, &mut |value| {
            match sort(self.kind, value) {
                Sorted::Nothing | Sorted::Stray(_) => return false,
                Sorted::Text(text) if !self.texts.numbers.contains_key(text) => {
                    new_bytes += text.len();
                    bytes += text_bytes(text.len() as u64);
                }
                Sorted::Text(_) | Sorted::Key(_) => {}
            }
            values += 1;
            bytes += POSTING_BYTES;
            false
        });
        fits("values", self.pairs.len() + values)?;
        fits("bytes of text", self.texts.bytes + new_bytes)?;
        self.widest = self.widest.max(bytes);
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
