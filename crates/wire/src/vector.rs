//! Vectors: dense ones for now, alone or under the default name.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use vectorizer_model::VectorName;

use crate::id::Id;
use crate::unsupported::Unsupported;

/// A dense vector as JSON.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Dense(pub Vec<f32>);

/// The vectors of one point: a list of numbers, or vectors by name, of which only the default
/// name is known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PointVectors(pub Option<Vec<f32>>);

/// The vectors of a columnar batch.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchVectors(pub Vec<PointVectors>);

/// What a search compares with.
#[derive(Debug, Clone, PartialEq)]
pub enum VectorInput {
    /// A vector.
    Dense(Vec<f32>),
    /// A stored point's vector.
    Id(Id),
}

struct Component(f32);

impl<'de> Deserialize<'de> for Component {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ComponentVisitor).map(Self)
    }
}

struct ComponentVisitor;

impl<'de> Visitor<'de> for ComponentVisitor {
    type Value = f32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    #[expect(clippy::cast_possible_truncation, reason = "vectors are f32; infinity is refused")]
    fn visit_f64<E: Error>(self, number: f64) -> Result<f32, E> {
        Ok(number as f32)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<f32, E> {
        Ok(number as f32)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<f32, E> {
        Ok(number as f32)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<f32, A::Error> {
        Err(A::Error::custom("multivectors are not supported yet; give one list of numbers"))
    }
}

fn dense<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<Vec<f32>, A::Error> {
    let mut components = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(65_536));
    while let Some(component) = seq.next_element::<Component>()? {
        components.push(component.0);
    }
    Ok(components)
}

impl<'de> Deserialize<'de> for Dense {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DenseVisitor;
        impl<'de> Visitor<'de> for DenseVisitor {
            type Value = Dense;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a vector: a list of numbers")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Dense, A::Error> {
                dense(seq).map(Dense)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Dense, A::Error> {
                Err(refuse_object(map, "named vectors"))
            }
        }
        deserializer.deserialize_any(DenseVisitor)
    }
}

/// Says what an object in a vector's place is, by its first key.
fn refuse_object<'de, A: MapAccess<'de>>(mut map: A, otherwise: &str) -> A::Error {
    let key = match map.next_key::<String>() {
        Ok(key) => key.unwrap_or_default(),
        Err(error) => return error,
    };
    A::Error::custom(format_args!("{} are not supported yet", kind_of(&key, otherwise)))
}

/// What the contract calls an object with this key in a vector's place.
fn kind_of<'a>(key: &str, otherwise: &'a str) -> &'a str {
    match key {
        "indices" | "values" => "sparse vectors",
        "text" | "image" | "object" | "model" | "options" => "texts, images and objects to embed",
        _ => otherwise,
    }
}

impl<'de> Deserialize<'de> for PointVectors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PointVisitor;
        impl<'de> Visitor<'de> for PointVisitor {
            type Value = PointVectors;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a vector: a list of numbers, or vectors by name")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<PointVectors, A::Error> {
                dense(seq).map(|components| PointVectors(Some(components)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PointVectors, A::Error> {
                let mut vector = PointVectors::default();
                while let Some(name) = map.next_key::<String>()? {
                    if !name.is_empty() {
                        return Err(A::Error::custom(no_names(&name)));
                    }
                    vector.0 = Some(map.next_value::<Dense>()?.0);
                }
                Ok(vector)
            }
        }
        deserializer.deserialize_any(PointVisitor)
    }
}

fn no_names(name: &str) -> String {
    let kind = kind_of(name, "named vectors");
    format!("`{name}`: {kind} are not supported yet; give one list of numbers")
}

impl<'de> Deserialize<'de> for BatchVectors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BatchVisitor;
        impl<'de> Visitor<'de> for BatchVisitor {
            type Value = BatchVectors;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("vectors: one list of numbers for each id")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<BatchVectors, A::Error> {
                let mut rows = Vec::new();
                while let Some(row) = seq.next_element::<Dense>()? {
                    rows.push(PointVectors(Some(row.0)));
                }
                Ok(BatchVectors(rows))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<BatchVectors, A::Error> {
                let mut rows = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if !name.is_empty() {
                        return Err(A::Error::custom(no_names(&name)));
                    }
                    let column = map.next_value::<Vec<Dense>>()?;
                    rows = column.into_iter().map(|row| PointVectors(Some(row.0))).collect();
                }
                Ok(BatchVectors(rows))
            }
        }
        deserializer.deserialize_any(BatchVisitor)
    }
}

impl<'de> Deserialize<'de> for VectorInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InputVisitor;
        impl<'de> Visitor<'de> for InputVisitor {
            type Value = VectorInput;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a vector or a point ID")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<VectorInput, A::Error> {
                dense(seq).map(VectorInput::Dense)
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<VectorInput, E> {
                read_id(serde::de::value::U64Deserializer::new(number))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<VectorInput, E> {
                read_id(serde::de::value::I64Deserializer::new(number))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<VectorInput, E> {
                read_id(serde::de::value::F64Deserializer::new(number))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<VectorInput, E> {
                read_id(serde::de::value::StrDeserializer::new(text))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<VectorInput, A::Error> {
                Err(refuse_object(map, "such objects"))
            }
        }
        deserializer.deserialize_any(InputVisitor)
    }
}

fn read_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<VectorInput, D::Error> {
    Id::deserialize(deserializer).map(VectorInput::Id)
}

/// What a query asks for: a vector, an id, or an object that says more.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryInput(pub VectorInput);

/// The queries that the contract knows.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct QueryObject {
    nearest: Option<VectorInput>,
    #[serde(default, rename = "mmr")]
    _mmr: Unsupported,
    #[serde(default, rename = "recommend")]
    _recommend: Unsupported,
    #[serde(default, rename = "discover")]
    _discover: Unsupported,
    #[serde(default, rename = "context")]
    _context: Unsupported,
    #[serde(default, rename = "order_by")]
    _order_by: Unsupported,
    #[serde(default, rename = "fusion")]
    _fusion: Unsupported,
    #[serde(default, rename = "rrf")]
    _rrf: Unsupported,
    #[serde(default, rename = "formula")]
    _formula: Unsupported,
    #[serde(default, rename = "defaults")]
    _defaults: Unsupported,
    #[serde(default, rename = "sample")]
    _sample: Unsupported,
    #[serde(default, rename = "relevance_feedback")]
    _relevance_feedback: Unsupported,
    #[serde(default, rename = "indices", alias = "values")]
    _sparse: Unsupported,
    #[serde(default, rename = "text", alias = "image", alias = "object")]
    _document: Unsupported,
    #[serde(default, rename = "model", alias = "options")]
    _model: Unsupported,
}

impl<'de> Deserialize<'de> for QueryInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct QueryVisitor;
        impl<'de> Visitor<'de> for QueryVisitor {
            type Value = QueryInput;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a query: a vector, a point ID, or an object with `nearest`")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<QueryInput, A::Error> {
                dense(seq).map(|components| QueryInput(VectorInput::Dense(components)))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<QueryInput, E> {
                read_id(serde::de::value::U64Deserializer::new(number)).map(QueryInput)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<QueryInput, E> {
                read_id(serde::de::value::I64Deserializer::new(number)).map(QueryInput)
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<QueryInput, E> {
                read_id(serde::de::value::F64Deserializer::new(number)).map(QueryInput)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<QueryInput, E> {
                read_id(serde::de::value::StrDeserializer::new(text)).map(QueryInput)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<QueryInput, A::Error> {
                let object = QueryObject::deserialize(MapAccessDeserializer::new(map))?;
                let nearest = object.nearest.ok_or_else(|| A::Error::missing_field("nearest"))?;
                Ok(QueryInput(nearest))
            }
        }
        deserializer.deserialize_any(QueryVisitor)
    }
}

/// The vectors of a point, to show: a list if there is only the default one.
#[derive(Debug, Clone, Copy)]
pub struct VectorsOut<'a>(pub &'a [(VectorName, Vec<f32>)]);

impl Serialize for VectorsOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let [(name, vector)] = self.0
            && name.is_unnamed()
        {
            return vector.serialize(serializer);
        }
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, vector) in self.0 {
            map.serialize_entry(&*name.0, vector)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dense_vectors_are_read_in_every_place() {
        let vectors: PointVectors = serde_json::from_str("[1, -2, 0.5]").expect("a vector");
        assert_eq!(vectors.0, Some(vec![1.0, -2.0, 0.5]));
        let vectors: PointVectors = serde_json::from_str(r#"{"": [1]}"#).expect("default name");
        assert_eq!(vectors.0, Some(vec![1.0]));
        let vectors: PointVectors = serde_json::from_str("{}").expect("no vector");
        assert_eq!(vectors.0, None);
        let batch: BatchVectors = serde_json::from_str("[[1], [2]]").expect("a batch");
        assert_eq!(batch.0.len(), 2);
        for text in ["[1, 2]", r#"{"nearest": [1, 2]}"#, r#"{"nearest": [1, 2], "mmr": null}"#] {
            let query: QueryInput = serde_json::from_str(text).expect(text);
            assert_eq!(query.0, VectorInput::Dense(vec![1.0, 2.0]));
        }
        for text in ["7", r#"{"nearest": 7}"#] {
            let query: QueryInput = serde_json::from_str(text).expect(text);
            assert!(matches!(query.0, VectorInput::Id(_)));
        }
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let told = |text: &str| serde_json::from_str::<QueryInput>(text).unwrap_err().to_string();
        assert!(told("[[1, 2], [3, 4]]").contains("multivectors"));
        assert!(told(r#"{"nearest": {"indices": [1], "values": [1]}}"#).contains("sparse"));
        assert!(told(r#"{"text": "a", "model": "b"}"#).contains("not supported yet"));
        assert!(told(r#"{"recommend": {"positive": [1]}}"#).contains("not supported yet"));
        assert!(told(r#"{"unheard_of": 1}"#).contains("unknown field"));
        assert!(told("{}").contains("missing field `nearest`"));
        let told = |text: &str| serde_json::from_str::<PointVectors>(text).unwrap_err().to_string();
        assert!(told(r#"{"image": [1]}"#).contains("to embed"));
        assert!(told(r#"{"mine": [1]}"#).contains("`mine`: named vectors"));
        assert!(told("[null]").contains("expected a number"));
    }
}
