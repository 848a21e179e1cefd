//! Which parts of points are wanted: `with_payload` and `with_vector`.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use vectorizer_api::{PayloadSelector, Select, VectorSelector};
use vectorizer_model::{KeyPath, VectorName};

use crate::error::{Result, WireError};

/// `with_payload` as JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct WithPayload(Choice);

/// `with_vector` as JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct WithVector(Choice);

#[derive(Debug, Clone, PartialEq)]
enum Choice {
    All(bool),
    Include(Vec<String>),
    Exclude(Vec<String>),
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Lists {
    include: Option<Vec<String>>,
    exclude: Option<Vec<String>>,
}

struct ChoiceVisitor;

impl<'de> Visitor<'de> for ChoiceVisitor {
    type Value = Choice;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false, a list of names, or an object with `include` or `exclude`")
    }

    fn visit_bool<E: Error>(self, all: bool) -> std::result::Result<Choice, E> {
        Ok(Choice::All(all))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Choice, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = seq.next_element()? {
            names.push(name);
        }
        Ok(Choice::Include(names))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<Choice, A::Error> {
        let lists = Lists::deserialize(MapAccessDeserializer::new(map))?;
        match (lists.include, lists.exclude) {
            (Some(names), None) => Ok(Choice::Include(names)),
            (None, Some(names)) => Ok(Choice::Exclude(names)),
            _ => Err(A::Error::custom("exactly one of `include` and `exclude` is expected")),
        }
    }
}

impl<'de> Deserialize<'de> for WithPayload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(ChoiceVisitor).map(Self)
    }
}

impl<'de> Deserialize<'de> for WithVector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        match deserializer.deserialize_any(ChoiceVisitor)? {
            Choice::Exclude(_) => Err(D::Error::custom("`with_vector` has no `exclude`")),
            choice @ (Choice::All(_) | Choice::Include(_)) => Ok(Self(choice)),
        }
    }
}

/// What is wanted of the points.
///
/// # Errors
/// A path is not one.
pub fn select(
    payload: Option<WithPayload>,
    vector: Option<WithVector>,
    payload_by_default: bool,
) -> Result<Select> {
    let payload = match payload.map_or(Choice::All(payload_by_default), |with| with.0) {
        Choice::All(false) => PayloadSelector::Nothing,
        Choice::All(true) => PayloadSelector::Everything,
        Choice::Include(names) => PayloadSelector::Include(key_paths(&names)?),
        Choice::Exclude(names) => PayloadSelector::Exclude(key_paths(&names)?),
    };
    let vectors = match vector.map_or(Choice::All(false), |with| with.0) {
        Choice::All(false) => VectorSelector::Nothing,
        Choice::All(true) => VectorSelector::Everything,
        Choice::Include(names) | Choice::Exclude(names) => {
            let names = names.into_iter().map(|name| VectorName(name.into()));
            VectorSelector::Names(names.collect())
        }
    };
    Ok(Select { payload, vectors })
}

/// The paths that texts name.
pub(crate) fn key_paths(texts: &[String]) -> Result<Vec<KeyPath>> {
    texts.iter().map(|text| key_path(text)).collect()
}

/// The path that a text names.
pub(crate) fn key_path(text: &str) -> Result<KeyPath> {
    text.parse()
        .map_err(|error: vectorizer_model::KeyPathError| WireError::invalid(error.to_string()))
}
