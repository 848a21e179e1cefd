//! Filters as JSON, and the predicates that this server judges.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use vectorizer_model::filter::{Predicate, Range, Scalar};
use vectorizer_model::{Condition, Filter};

use crate::error::{Result, WireError};
use crate::id::{Id, point_ids};
use crate::object::{Member, objects};
use crate::select::key_path;
use crate::unsupported::Unsupported;

objects!(FilterIn, ConditionIn, MatchIn, RangeIn);

/// A filter as JSON.
#[derive(Debug, Clone, PartialEq, Deserialize, Default)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct FilterIn {
    #[serde(default)]
    must: Clause,
    #[serde(default)]
    should: Clause,
    #[serde(default)]
    must_not: Clause,
    #[serde(default, rename = "min_should")]
    _min_should: Unsupported,
}

/// One condition, or a list of them.
#[derive(Debug, Clone, PartialEq, Default)]
struct Clause(Vec<ConditionIn>);

/// Every kind of condition in one; which keys are there says which kind it is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
struct ConditionIn {
    #[serde(default)]
    key: Member<String>,
    #[serde(default, rename = "match")]
    matches: Member<MatchIn>,
    #[serde(default)]
    range: Member<RangeIn>,
    #[serde(default)]
    is_empty: Member<IsEmptyIn>,
    #[serde(default)]
    has_id: Member<Vec<Id>>,
    must: Option<Clause>,
    should: Option<Clause>,
    must_not: Option<Clause>,
    #[serde(default, rename = "min_should")]
    _min_should: Unsupported,
    #[serde(default, rename = "geo_bounding_box")]
    _geo_bounding_box: Unsupported,
    #[serde(default, rename = "geo_radius")]
    _geo_radius: Unsupported,
    #[serde(default, rename = "geo_polygon")]
    _geo_polygon: Unsupported,
    #[serde(default, rename = "values_count")]
    _values_count: Unsupported,
    #[serde(default, rename = "is_null")]
    _is_null: Unsupported,
    #[serde(default, rename = "has_vector")]
    _has_vector: Unsupported,
    #[serde(default, rename = "nested")]
    _nested: Unsupported,
    #[serde(default, rename = "slice")]
    _slice: Unsupported,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
struct MatchIn {
    value: Option<ScalarIn>,
    any: Option<Vec<ScalarIn>>,
    except: Option<Vec<ScalarIn>>,
    #[serde(default, rename = "text")]
    _text: Unsupported,
    #[serde(default, rename = "text_any")]
    _text_any: Unsupported,
    #[serde(default, rename = "phrase")]
    _phrase: Unsupported,
    #[serde(default, rename = "prefix")]
    _prefix: Unsupported,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
struct RangeIn {
    gt: Option<Bound>,
    gte: Option<Bound>,
    lt: Option<Bound>,
    lte: Option<Bound>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Bound(f64);

#[derive(Debug, Clone, PartialEq)]
struct ScalarIn(Scalar);

/// `{"is_empty": {"key": ..}}`, or `"is_empty": true` beside a key.
#[derive(Debug, Clone, PartialEq)]
enum IsEmptyIn {
    Of(String),
    Flag(bool),
}

impl FilterIn {
    /// The filter.
    ///
    /// # Errors
    /// [`WireError::Invalid`] names the condition that says too little or too much.
    pub fn into_filter(self) -> Result<Filter> {
        Ok(Filter {
            must: self.must.into_conditions()?,
            should: self.should.into_conditions()?,
            must_not: self.must_not.into_conditions()?,
        })
    }
}

/// The filter of an optional field; absent admits everything.
///
/// # Errors
/// As [`FilterIn::into_filter`].
pub fn filter_or_all(filter: Option<FilterIn>) -> Result<Filter> {
    filter.map_or_else(|| Ok(Filter::default()), FilterIn::into_filter)
}

impl Clause {
    fn into_conditions(self) -> Result<Vec<Condition>> {
        self.0.into_iter().map(ConditionIn::into_condition).collect()
    }
}

impl ConditionIn {
    fn into_condition(self) -> Result<Condition> {
        let nested = self.must.is_some() || self.should.is_some() || self.must_not.is_some();
        let kinds = usize::from(nested)
            + usize::from(self.matches.value.is_some())
            + usize::from(self.range.value.is_some())
            + usize::from(self.is_empty.value.is_some())
            + usize::from(self.has_id.value.is_some());
        match (kinds, &self.key.value) {
            (1, _) => {}
            (0, Some(key)) => {
                return Err(WireError::invalid(format!(
                    "condition on `{key}` says nothing; give it `match`, `range` or `is_empty`"
                )));
            }
            // It would admit everything, which nobody means who names what is to match.
            (0, None) if self.names_null() => {
                return Err(WireError::invalid(
                    "a condition is null and says nothing; give it a value, or leave it out",
                ));
            }
            // An empty object is an empty filter, which admits everything.
            (0, None) => return Ok(Condition::Filter(Filter::default())),
            _ => {
                return Err(WireError::invalid(
                    "a condition says several things; write one condition for each",
                ));
            }
        }
        if nested {
            return self.into_nested();
        }
        if let Some(ids) = self.has_id.value {
            let mut ids = point_ids(ids);
            ids.sort_unstable();
            ids.dedup();
            return Ok(Condition::HasId(ids));
        }
        self.into_field()
    }

    /// Whether it names a kind of condition, and null in its place.
    fn names_null(&self) -> bool {
        self.key.named
            || self.matches.named
            || self.range.named
            || self.is_empty.named
            || self.has_id.named
    }

    fn into_nested(self) -> Result<Condition> {
        let conditions =
            |clause: Option<Clause>| clause.map_or(Ok(Vec::new()), Clause::into_conditions);
        Ok(Condition::Filter(Filter {
            must: conditions(self.must)?,
            should: conditions(self.should)?,
            must_not: conditions(self.must_not)?,
        }))
    }

    fn into_field(self) -> Result<Condition> {
        if let Some(IsEmptyIn::Of(key)) = &self.is_empty.value {
            return Ok(Condition::IsEmpty(key_path(key)?));
        }
        let missing = || WireError::invalid("a condition on a field lacks its `key`");
        let key = key_path(&self.key.value.ok_or_else(missing)?)?;
        if let Some(IsEmptyIn::Flag(wanted)) = self.is_empty.value {
            let empty = Condition::IsEmpty(key);
            if wanted {
                return Ok(empty);
            }
            let filled = Filter { must_not: vec![empty], ..Filter::default() };
            return Ok(Condition::Filter(filled));
        }
        let predicate = match (self.matches.value, self.range.value) {
            (Some(matches), _) => matches.into_predicate()?,
            (None, Some(range)) => Predicate::Range(range.into_range()),
            (None, None) => return Err(missing()),
        };
        Ok(Condition::Field { key, predicate })
    }
}

impl MatchIn {
    fn into_predicate(self) -> Result<Predicate> {
        let scalars = |list: Vec<ScalarIn>| list.into_iter().map(|scalar| scalar.0).collect();
        match (self.value, self.any, self.except) {
            (Some(value), None, None) => Ok(Predicate::Match(value.0)),
            (None, Some(any), None) => Ok(Predicate::Any(scalars(any))),
            (None, None, Some(except)) => Ok(Predicate::Except(scalars(except))),
            _ => {
                Err(WireError::invalid("`match` takes exactly one of `value`, `any` and `except`"))
            }
        }
    }
}

impl RangeIn {
    fn into_range(self) -> Range {
        let bound = |bound: Option<Bound>| bound.map(|bound| bound.0);
        Range { gt: bound(self.gt), gte: bound(self.gte), lt: bound(self.lt), lte: bound(self.lte) }
    }
}

impl<'de> Deserialize<'de> for Clause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct ClauseVisitor;
        impl<'de> Visitor<'de> for ClauseVisitor {
            type Value = Clause;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a condition or a list of conditions")
            }

            fn visit_unit<E: Error>(self) -> std::result::Result<Clause, E> {
                Ok(Clause::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> std::result::Result<Clause, A::Error> {
                let mut conditions = Vec::new();
                while let Some(condition) = seq.next_element()? {
                    conditions.push(condition);
                }
                Ok(Clause(conditions))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<Clause, A::Error> {
                let one = ConditionIn::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Clause(vec![one]))
            }
        }
        deserializer.deserialize_any(ClauseVisitor)
    }
}

impl<'de> Deserialize<'de> for ScalarIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct ScalarVisitor;
        impl Visitor<'_> for ScalarVisitor {
            type Value = ScalarIn;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, an integer, true or false")
            }

            fn visit_bool<E: Error>(self, truth: bool) -> std::result::Result<ScalarIn, E> {
                Ok(ScalarIn(Scalar::Bool(truth)))
            }

            fn visit_i64<E: Error>(self, number: i64) -> std::result::Result<ScalarIn, E> {
                Ok(ScalarIn(Scalar::Int(number)))
            }

            fn visit_u64<E: Error>(self, number: u64) -> std::result::Result<ScalarIn, E> {
                let number = i64::try_from(number);
                let large = |_| E::custom("an integer beyond 64 signed bits matches nothing");
                number.map(|number| ScalarIn(Scalar::Int(number))).map_err(large)
            }

            fn visit_f64<E: Error>(self, _: f64) -> std::result::Result<ScalarIn, E> {
                Err(E::custom("a number with a fraction cannot be matched; use `range`"))
            }

            fn visit_str<E: Error>(self, text: &str) -> std::result::Result<ScalarIn, E> {
                Ok(ScalarIn(Scalar::Keyword(text.into())))
            }
        }
        deserializer.deserialize_any(ScalarVisitor)
    }
}

impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct BoundVisitor;
        impl Visitor<'_> for BoundVisitor {
            type Value = Bound;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_f64<E: Error>(self, number: f64) -> std::result::Result<Bound, E> {
                Ok(Bound(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> std::result::Result<Bound, E> {
                Ok(Bound(number as f64))
            }

            fn visit_i64<E: Error>(self, number: i64) -> std::result::Result<Bound, E> {
                Ok(Bound(number as f64))
            }

            fn visit_str<E: Error>(self, _: &str) -> std::result::Result<Bound, E> {
                Err(E::custom("ranges of dates are not supported yet; give a number"))
            }
        }
        deserializer.deserialize_any(BoundVisitor)
    }
}

impl<'de> Deserialize<'de> for IsEmptyIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Field {
            key: String,
        }
        struct IsEmptyVisitor;
        impl<'de> Visitor<'de> for IsEmptyVisitor {
            type Value = IsEmptyIn;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with `key`, or true or false beside a key")
            }

            fn visit_bool<E: Error>(self, wanted: bool) -> std::result::Result<IsEmptyIn, E> {
                Ok(IsEmptyIn::Flag(wanted))
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                map: A,
            ) -> std::result::Result<IsEmptyIn, A::Error> {
                let field = Field::deserialize(MapAccessDeserializer::new(map))?;
                Ok(IsEmptyIn::Of(field.key))
            }
        }
        deserializer.deserialize_any(IsEmptyVisitor)
    }
}

#[cfg(test)]
mod tests;
