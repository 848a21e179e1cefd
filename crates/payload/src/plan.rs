//! From a filter and the indexes of one segment to its rows.
//!
//! Each condition is answered by its index exactly, or bounded from below and above; the bounds go
//! through "and", "or" and "not". Whatever the indexes leave open is a smaller filter, to be asked
//! of the payloads of few rows.
//!
//! Where a condition admits many rows and each row holds one value of the field at most, the
//! answer is a test of that value, and no row is written down.

use std::sync::Arc;

use roaring::RoaringBitmap;
use vectorizer_model::filter::{Predicate, Scalar};
use vectorizer_model::settings::FieldIndexKind;
use vectorizer_model::{Cardinality, Condition, Filter, KeyPath, Ordinal, PointId};

use crate::field_index::RankTest;
use crate::rows::is_sparse;
use crate::{Answer, FieldIndexes, Rows};

mod bounds;

use bounds::Bounds;

/// Finds points in a segment.
pub trait IdLookup {
    /// Why the table of ids could not be read.
    type Error;

    /// The row of a point, if the segment has it. Whether the row is still alive does not matter.
    ///
    /// # Errors
    /// If the table could not be read; nothing changed.
    fn row_of(&self, id: PointId) -> Result<Option<Ordinal>, Self::Error>;
}

impl<E, F: Fn(PointId) -> Result<Option<Ordinal>, E>> IdLookup for F {
    type Error = E;

    fn row_of(&self, id: PointId) -> Result<Option<Ordinal>, E> {
        self(id)
    }
}

/// What is known of one segment without reading payloads.
pub struct Leaf<'a, 'i, E> {
    /// Rows of the segment, dead ones included.
    pub rows: u32,
    /// Its indexes.
    pub indexes: &'a FieldIndexes,
    /// Rows whose payload changed after the indexes were built, if any: no index is believed there.
    pub changed: Option<Arc<RoaringBitmap>>,
    /// Its points.
    pub ids: &'i dyn IdLookup<Error = E>,
}

impl<E> std::fmt::Debug for Leaf<'_, '_, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leaf")
            .field("rows", &self.rows)
            .field("changed", &self.changed.as_ref().map(|changed| changed.len()))
            .finish_non_exhaustive()
    }
}

/// The rows of one segment that a filter admits, dead ones included.
#[derive(Debug, Clone)]
pub enum Selected<'a> {
    /// These rows.
    Exact(Rows<'a>),
    /// All of `certain`, and those of the other `candidates` whose payload satisfies `residual`.
    Partly {
        /// Rows that need no look at their payload; part of `candidates`.
        certain: Rows<'a>,
        /// Rows that may be admitted; no other can.
        candidates: Rows<'a>,
        /// What is left to ask of a candidate that is not certain.
        residual: Filter,
    },
}

impl Selected<'_> {
    /// How many rows: counted where the rows are known. For the others the caller asks a sample,
    /// see [`crate::sample`].
    pub fn cardinality(&self, rows: u32) -> Option<Cardinality> {
        match self {
            Self::Exact(admitted) => admitted.count(rows).map(Cardinality::Exact),
            Self::Partly { .. } => None,
        }
    }

    /// What is left to ask of payloads.
    pub fn residual(&self) -> Option<&Filter> {
        match self {
            Self::Exact(_) => None,
            Self::Partly { residual, .. } => Some(residual),
        }
    }
}

/// The rows of a segment that a filter admits.
///
/// # Errors
/// Only those of [`IdLookup::row_of`], which is asked for ids alone.
pub fn select<'a, E>(filter: &Filter, leaf: &Leaf<'a, '_, E>) -> Result<Selected<'a>, E> {
    let (bounds, residual) = leaf.judge(filter)?;
    let Bounds { certain, possible } = bounds;
    Ok(match possible {
        None => Selected::Exact(leaf.shortest(certain)),
        Some(candidates) => {
            Selected::Partly { certain, candidates: leaf.shortest(candidates), residual }
        }
    })
}

impl<'a, E> Leaf<'a, '_, E> {
    /// The rows that satisfy a filter, and the filter that decides about rows between the bounds.
    fn judge(&self, filter: &Filter) -> Result<(Bounds<'a>, Filter), E> {
        let mut bounds = Bounds::exact(Rows::All);
        let mut residual = Filter::default();
        for condition in &filter.must {
            let (found, left) = self.judge_condition(condition)?;
            residual.must.extend(left);
            bounds = bounds.and(found, self.rows);
            if bounds.is_none() {
                return Ok((bounds, Filter::default()));
            }
        }
        let mut excluded = Bounds::exact(Rows::none());
        for condition in &filter.must_not {
            let (found, left) = self.judge_condition(condition)?;
            if left.is_some() {
                residual.must_not.push(condition.clone());
            }
            excluded = excluded.or(found);
        }
        bounds = bounds.and(excluded.complement(self.rows), self.rows);
        if bounds.is_none() {
            return Ok((bounds, Filter::default()));
        }
        if !filter.should.is_empty() {
            let mut any = Bounds::exact(Rows::none());
            for condition in &filter.should {
                any = any.or(self.judge_condition(condition)?.0);
            }
            if !any.is_exact() {
                residual.should.clone_from(&filter.should);
            }
            bounds = bounds.and(any, self.rows);
        }
        Ok((bounds, residual))
    }

    /// The rows that satisfy a condition, and the condition that decides about rows between the
    /// bounds if there are such.
    fn judge_condition(&self, condition: &Condition) -> Result<(Bounds<'a>, Option<Condition>), E> {
        let bounds = match condition {
            Condition::Field { key, predicate } => self.ask_index(key, predicate),
            Condition::IsEmpty(key) => match self.indexes.get(key) {
                None => Bounds::unknown(),
                Some(index) => {
                    self.believed(Answer::Exact(index.empty_rows().clone()), index.rows())
                }
            },
            Condition::HasId(ids) => Bounds::exact(Rows::Bitmap(self.rows_of(ids)?)),
            Condition::Filter(inner) => {
                let (bounds, residual) = self.judge(inner)?;
                let left = (!bounds.is_exact()).then_some(Condition::Filter(residual));
                return Ok((bounds, left));
            }
        };
        let left = (!bounds.is_exact()).then(|| condition.clone());
        Ok((bounds, left))
    }

    fn ask_index(&self, key: &KeyPath, predicate: &Predicate) -> Bounds<'a> {
        let Some(index) = self.indexes.get(key) else { return Bounds::unknown() };
        match self.ask_column(key, predicate) {
            Some(found) => self.unless_changed(found),
            None => self.believed(index.select(predicate), index.rows()),
        }
    }

    /// A test of the value that each row holds; none if there is no column of those, or the rows
    /// are few enough to be written down.
    fn ask_column(&self, key: &KeyPath, predicate: &Predicate) -> Option<Bounds<'a>> {
        let index = self.indexes.get(key).filter(|index| index.rows() == self.rows)?;
        let ranked = index.ranked(predicate)?;
        if is_sparse(ranked.count, self.rows) {
            return None;
        }
        let test = RankTest { column: self.indexes.column(key)?, ranks: ranked.ranks };
        let certain = Rows::ranked(test, ranked.count).or(Rows::Bitmap(ranked.certain));
        let strays = Some(ranked.maybe).filter(|strays| !strays.is_empty());
        let possible = strays.map(|strays| certain.clone().or(Rows::Bitmap(strays)));
        Some(Bounds { certain, possible })
    }

    /// What is known of rows whose payload did not change since.
    fn unless_changed(&self, found: Bounds<'a>) -> Bounds<'a> {
        let Some(changed) = self.changed.as_ref().filter(|changed| !changed.is_empty()) else {
            return found;
        };
        let changed = Rows::shared(Arc::clone(changed));
        let possible = found.possible.unwrap_or_else(|| found.certain.clone());
        Bounds {
            possible: Some(possible.or(changed.clone())),
            certain: found.certain.and(changed.complement(self.rows), self.rows),
        }
    }

    /// An index's answer, opened for the rows that it does not know.
    fn believed(&self, answer: Answer, known_rows: u32) -> Bounds<'a> {
        let (mut certain, mut possible) = match answer {
            Answer::Exact(rows) => (rows, None),
            Answer::Between { certain, possible } => (certain, Some(possible)),
        };
        let mut unknown = self.changed.as_deref().cloned().unwrap_or_default();
        if known_rows < self.rows {
            unknown.insert_range(known_rows..self.rows);
        }
        if !unknown.is_empty() {
            possible = Some(possible.unwrap_or_else(|| certain.clone()) | &unknown);
            certain -= unknown;
        }
        for rows in possible.iter_mut().chain([&mut certain]) {
            if rows.max().is_some_and(|row| row >= self.rows) {
                rows.remove_range(self.rows..);
            }
        }
        Bounds::new(Rows::Bitmap(certain), possible.map(Rows::Bitmap))
    }

    /// A set that holds every row need not be written down.
    fn shortest(&self, set: Rows<'a>) -> Rows<'a> {
        if set.count(self.rows) == Some(self.rows.into()) { Rows::All } else { set }
    }

    fn rows_of(&self, ids: &[PointId]) -> Result<RoaringBitmap, E> {
        let mut rows = RoaringBitmap::new();
        for &id in ids {
            if let Some(row) = self.ids.row_of(id)?.filter(|row| row.0 < self.rows) {
                rows.insert(row.0);
            }
        }
        Ok(rows)
    }
}

/// An index that would answer a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedIndex<'a> {
    /// Of which field.
    pub key: &'a KeyPath,
    /// Of which kind; absent if any kind would do.
    pub kind: Option<FieldIndexKind>,
}

/// The indexes that would answer what is left of a filter, without repeats, in the filter's order.
pub fn wanted_indexes<'a>(residual: &'a Filter, indexes: &FieldIndexes) -> Vec<WantedIndex<'a>> {
    let mut wanted = Vec::new();
    collect_wanted(residual, indexes, &mut wanted);
    wanted
}

fn collect_wanted<'a>(
    filter: &'a Filter,
    indexes: &FieldIndexes,
    wanted: &mut Vec<WantedIndex<'a>>,
) {
    let conditions = filter.must.iter().chain(&filter.should);
    for condition in conditions.chain(&filter.must_not) {
        let want = match condition {
            Condition::Filter(inner) => {
                collect_wanted(inner, indexes, wanted);
                continue;
            }
            Condition::HasId(_) => continue,
            Condition::IsEmpty(key) => WantedIndex { key, kind: None },
            Condition::Field { key, predicate } => WantedIndex { key, kind: kind_for(predicate) },
        };
        let have = indexes.get(want.key);
        let answered = have.is_some_and(|index| want.kind.is_none_or(|kind| kind == index.kind()));
        if !answered && !wanted.contains(&want) {
            wanted.push(want);
        }
    }
}

/// The kind of index that answers a predicate.
fn kind_for(predicate: &Predicate) -> Option<FieldIndexKind> {
    let scalar = match predicate {
        Predicate::Match(scalar) => Some(scalar),
        Predicate::Any(scalars) | Predicate::Except(scalars) => scalars.first(),
        Predicate::Range(_) => return Some(FieldIndexKind::Float),
    };
    scalar.map(|scalar| match scalar {
        Scalar::Bool(_) => FieldIndexKind::Bool,
        Scalar::Int(_) => FieldIndexKind::Integer,
        Scalar::Keyword(_) => FieldIndexKind::Keyword,
    })
}
