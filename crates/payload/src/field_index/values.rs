//! The distinct values of a field, ascending.

use std::ops::Range;

use vectorizer_model::Value;
use vectorizer_model::filter::{self, Scalar};
use vectorizer_model::settings::FieldIndexKind;

use crate::numbers::{IntegerBounds, exact_float, float_key};

/// Distinct values, in the order of their rows in [`super::postings::Postings`].
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    /// Texts in byte order, back to back; text `i` is `text[starts[i]..starts[i + 1]]`.
    Texts { starts: Vec<u32>, text: String },
    /// Keys of other values, see [`number_key`].
    Keys(Vec<i64>),
}

impl Values {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Texts { starts, .. } => starts.len().saturating_sub(1),
            Self::Keys(keys) => keys.len(),
        }
    }

    /// Heap bytes.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Texts { starts, text } => 4 * starts.capacity() as u64 + text.capacity() as u64,
            Self::Keys(keys) => 8 * keys.capacity() as u64,
        }
    }

    pub(super) fn text(&self, at: usize) -> &str {
        match self {
            Self::Texts { starts, text } => {
                text.get(starts[at] as usize..starts[at + 1] as usize).unwrap_or_default()
            }
            Self::Keys(_) => "",
        }
    }

    pub(super) fn find_text(&self, wanted: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.text(middle) < wanted {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (low < self.len() && self.text(low) == wanted).then_some(low)
    }

    pub(super) fn find_key(&self, wanted: i64) -> Option<usize> {
        match self {
            Self::Texts { .. } => None,
            Self::Keys(keys) => keys.binary_search(&wanted).ok(),
        }
    }

    /// The values whose keys lie from `low` to `high`.
    fn run(&self, low: i128, high: i128) -> Range<usize> {
        match self {
            Self::Texts { .. } => 0..0,
            Self::Keys(keys) => {
                let start = keys.partition_point(|&key| i128::from(key) < low);
                let end = keys.partition_point(|&key| i128::from(key) <= high);
                start..end.max(start)
            }
        }
    }

    /// The values within bounds, for an index of numbers.
    pub(super) fn run_in(&self, kind: FieldIndexKind, range: &filter::Range) -> Range<usize> {
        match kind {
            FieldIndexKind::Integer => {
                let bounds = IntegerBounds::of(range);
                self.run(bounds.low, bounds.high)
            }
            FieldIndexKind::Float => {
                let bounds = [range.gt, range.gte, range.lt, range.lte];
                if bounds.iter().flatten().any(|bound| bound.is_nan()) {
                    return 0..0;
                }
                let key = |bound: f64| i128::from(float_key(bound));
                let low = range.gt.map(|bound| key(bound) + 1);
                let low = low.into_iter().chain(range.gte.map(key)).max();
                let high = range.lt.map(|bound| key(bound) - 1);
                let high = high.into_iter().chain(range.lte.map(key)).min();
                self.run(low.unwrap_or(i128::MIN), high.unwrap_or(i128::MAX))
            }
            FieldIndexKind::Keyword | FieldIndexKind::Bool => 0..0,
        }
    }
}

/// Kinds of values that an index can tell apart among those it does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Truth,
    Number,
    Text,
    Nested,
}

impl Class {
    pub(super) const ALL: [Self; 4] = [Self::Truth, Self::Number, Self::Text, Self::Nested];

    /// The class of values that could equal the scalar.
    pub(super) fn of_scalar(scalar: &Scalar) -> Self {
        match scalar {
            Scalar::Bool(_) => Self::Truth,
            Scalar::Int(_) => Self::Number,
            Scalar::Keyword(_) => Self::Text,
        }
    }
}

/// What an index makes of one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Sorted<'a> {
    Nothing,
    Text(&'a str),
    Key(i64),
    Stray(Class),
}

/// Sorts a value into an index of a kind.
pub(super) fn sort(kind: FieldIndexKind, value: &Value) -> Sorted<'_> {
    let class = match value {
        Value::Null => return Sorted::Nothing,
        Value::Bool(_) => Class::Truth,
        Value::Int(_) | Value::UInt(_) | Value::Float(_) => Class::Number,
        Value::Str(_) => Class::Text,
        Value::Array(_) | Value::Object(_) => Class::Nested,
    };
    let held = match (kind, value) {
        (FieldIndexKind::Keyword, Value::Str(text)) => return Sorted::Text(text),
        (FieldIndexKind::Integer, Value::Int(integer)) => Some(*integer),
        (FieldIndexKind::Bool, Value::Bool(truth)) => Some(i64::from(*truth)),
        (FieldIndexKind::Float, value) => number_key(value),
        _ => None,
    };
    held.map_or(Sorted::Stray(class), Sorted::Key)
}

/// The key of a number in an index of floats: none if no float equals it for sure.
fn number_key(value: &Value) -> Option<i64> {
    let number = match *value {
        Value::Int(integer) => exact_float(integer.into())?,
        Value::UInt(integer) => exact_float(integer.into())?,
        Value::Float(number) if number.is_finite() => number,
        Value::Null
        | Value::Bool(_)
        | Value::Float(_)
        | Value::Str(_)
        | Value::Array(_)
        | Value::Object(_) => return None,
    };
    Some(float_key(number))
}

/// The key of an integer in an index of floats.
pub(super) fn integer_as_float_key(integer: i64) -> Option<i64> {
    exact_float(integer.into()).map(float_key)
}
