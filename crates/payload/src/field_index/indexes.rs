//! The field indexes of one segment, and the forward columns derived from them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use vectorizer_model::{Budget, KeyPath};

use super::FieldIndex;
use super::column::ForwardColumn;

/// The field indexes of one segment, one for each field at most. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct FieldIndexes {
    by_key: BTreeMap<KeyPath, Arc<HeldIndex>>,
}

impl FieldIndexes {
    /// No index.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an index, in place of one of the same field. The budget holds [`FieldIndex::bytes`],
    /// and grows when a filter first asks for the index's forward column.
    pub fn insert(&mut self, index: FieldIndex, budget: Box<dyn Budget + Send>) {
        let held = HeldIndex { index, column: OnceLock::new(), budget: Mutex::new(budget) };
        self.by_key.insert(held.index.key.clone(), Arc::new(held));
    }

    /// Removes the index of a field.
    pub fn remove(&mut self, key: &KeyPath) {
        self.by_key.remove(key);
    }

    /// The index of a field.
    pub fn get(&self, key: &KeyPath) -> Option<&FieldIndex> {
        self.by_key.get(key).map(|held| &held.index)
    }

    /// All of them, by field.
    pub fn iter(&self) -> impl Iterator<Item = &FieldIndex> {
        self.by_key.values().map(|held| &held.index)
    }

    /// The forward column of a field's index, made if this is the first use. None if there is no
    /// index, its rows hold several values, the budget refuses, or it is being made just now:
    /// whoever asks can do without.
    pub(crate) fn column(&self, key: &KeyPath) -> Option<&ForwardColumn> {
        let held = self.by_key.get(key)?;
        if held.column.get().is_none() {
            held.make_column()?;
        }
        held.column.get()?.as_ref()
    }
}

/// An index, and what holds its bytes.
struct HeldIndex {
    index: FieldIndex,
    /// None inside if the rows hold several values.
    column: OnceLock<Option<ForwardColumn>>,
    budget: Mutex<Box<dyn Budget + Send>>,
}

impl HeldIndex {
    fn make_column(&self) -> Option<()> {
        let mut budget = self.budget.try_lock().ok()?;
        if self.column.get().is_some() {
            return Some(());
        }
        let bytes = ForwardColumn::bytes_needed(self.index.distinct_values(), self.index.rows);
        budget.try_grow(bytes).ok()?;
        let column = ForwardColumn::new(&self.index.postings, self.index.rows);
        if column.is_none() {
            budget.shrink(bytes);
        }
        self.column.set(column).ok()
    }
}

impl fmt::Debug for HeldIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldIndex")
            .field("index", &self.index)
            .field("column", &self.column)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FieldIndexBuilder;
    use vectorizer_model::budget::Unbounded;
    use vectorizer_model::settings::FieldIndexKind;
    use vectorizer_model::{Ordinal, Payload, Value};

    #[test]
    fn an_index_that_hides_a_second_value_holds_nothing_for_a_column() {
        let list = Value::Array(vec![Value::Int(1), Value::Int(2)]);
        let payload = Payload([("a".to_owned(), list)].into());
        let mut builder = FieldIndexBuilder::new(FieldIndexKind::Integer, KeyPath::key("a"));
        let mut budget = Unbounded::default();
        builder.add(Ordinal(0), &payload, &mut budget).expect("an unbounded budget");
        let mut index = builder.finish(&mut budget).expect("an unbounded budget");
        index.sets.multi.clear();
        let budget = Mutex::new(Box::new(Unbounded::default()) as Box<dyn Budget + Send>);
        let held = HeldIndex { index, column: OnceLock::new(), budget };
        assert_eq!(held.make_column(), Some(()));
        assert!(held.column.get().is_some_and(Option::is_none));
        assert_eq!(held.budget.lock().expect("no test holds it").held(), 0);
    }
}
