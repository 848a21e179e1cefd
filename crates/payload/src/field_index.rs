//! The index of one payload field in one segment: which rows hold which value.
//!
//! Immutable once built; its bytes are one component of the segment (`docs/format/field-index.md`).
//! It holds the values of its kind and remembers, by class, the rows with values of other kinds
//! ("strays"), so that each answer is exact or bounded from both sides, never wrong:
//!
//! | kind | holds | strays that matter |
//! |---|---|---|
//! | keyword | texts | |
//! | integer | integers of 64 signed bits | floats and larger integers, for ranges |
//! | float | every number that a float equals | integers beyond 2^53; exact match cannot tell 3 from 3.0 |
//! | bool | truth values | |

use roaring::RoaringBitmap;
use vectorizer_model::KeyPath;
use vectorizer_model::settings::FieldIndexKind;

mod answer;
mod build;
mod column;
mod format;
mod indexes;
mod postings;
mod values;

pub use answer::Answer;
pub use build::FieldIndexBuilder;
pub(crate) use column::RankTest;
pub use indexes::FieldIndexes;

use postings::{Postings, bitmap_bytes};
use values::{Class, Values};

/// The index of one field in one segment.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldIndex {
    kind: FieldIndexKind,
    key: KeyPath,
    rows: u32,
    values: Values,
    postings: Postings,
    sets: RowSets,
}

/// Rows by what their field holds.
#[derive(Debug, Clone, PartialEq, Default)]
struct RowSets {
    /// An indexed value.
    valued: RoaringBitmap,
    /// Two or more different indexed values.
    multi: RoaringBitmap,
    /// Nothing: absent, null, or an empty list.
    empty: RoaringBitmap,
    /// A value that is not indexed, by [`Class`].
    strays: [RoaringBitmap; Class::ALL.len()],
}

impl RowSets {
    fn all(&self) -> impl Iterator<Item = &RoaringBitmap> {
        [&self.valued, &self.multi, &self.empty].into_iter().chain(&self.strays)
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut RoaringBitmap> {
        [&mut self.valued, &mut self.multi, &mut self.empty].into_iter().chain(&mut self.strays)
    }

    fn stray(&self, class: Class) -> &RoaringBitmap {
        &self.strays[class as usize]
    }
}

impl FieldIndex {
    /// What it holds.
    pub fn kind(&self) -> FieldIndexKind {
        self.kind
    }

    /// The field it is of.
    pub fn key(&self) -> &KeyPath {
        &self.key
    }

    /// The rows it knows: those below this number.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Different values it holds.
    pub fn distinct_values(&self) -> usize {
        self.postings.values()
    }

    /// The rows that hold a value of its kind.
    pub fn valued_rows(&self) -> &RoaringBitmap {
        &self.sets.valued
    }

    /// The rows whose field is absent, null or an empty list.
    pub fn empty_rows(&self) -> &RoaringBitmap {
        &self.sets.empty
    }

    /// Heap bytes it takes, near enough.
    pub fn bytes(&self) -> u64 {
        let sets = self.sets.all().map(bitmap_bytes);
        let fixed = size_of::<Self>() + 48 * self.key.steps().len();
        fixed as u64 + self.values.bytes() + self.postings.bytes() + sets.sum::<u64>()
    }
}
