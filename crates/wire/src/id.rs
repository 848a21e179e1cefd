//! Point ids: unsigned integers, or UUIDs as text.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};
use vectorizer_model::PointId;

/// A point's id as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id(pub PointId);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IdVisitor).map(Self)
    }
}

struct IdVisitor;

impl Visitor<'_> for IdVisitor {
    type Value = PointId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a point ID: an unsigned integer or a UUID")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<PointId, E> {
        Ok(PointId::Num(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<PointId, E> {
        u64::try_from(number).map(PointId::Num).map_err(|_negative| invalid(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<PointId, E> {
        Err(invalid(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<PointId, E> {
        parse_uuid(text).ok_or_else(|| invalid(text))
    }
}

fn invalid<E: Error>(value: impl fmt::Display) -> E {
    E::custom(format_args!(
        "value {value} is not a valid point ID, \
         valid values are either an unsigned integer or a UUID"
    ))
}

/// Text in JSON is a UUID; a number in quotes is not an id.
fn parse_uuid(text: &str) -> Option<PointId> {
    text.parse().ok().filter(|id| matches!(id, PointId::Uuid(_)))
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            PointId::Num(number) => serializer.serialize_u64(number),
            PointId::Uuid(_) => serializer.collect_str(&self.0),
        }
    }
}

/// The ids of a list.
pub(crate) fn point_ids(ids: Vec<Id>) -> Vec<PointId> {
    ids.into_iter().map(|id| id.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_and_others_are_refused() {
        for (text, shown) in [
            ("0", "0"),
            ("18446744073709551615", "18446744073709551615"),
            (r#""550E8400E29B41D4A716446655440000""#, r#""550e8400-e29b-41d4-a716-446655440000""#),
        ] {
            let id: Id = serde_json::from_str(text).expect(text);
            assert_eq!(serde_json::to_string(&id).expect("shown"), shown);
        }
        for text in ["-1", "1.5", r#""abc""#, r#""12""#, "null", "[1]", "true", "1e30"] {
            assert!(serde_json::from_str::<Id>(text).is_err(), "{text}");
        }
    }
}
