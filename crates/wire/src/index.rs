//! Requests on field indexes.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};
use vectorizer_api::index::{CreateFieldIndex, DeleteFieldIndex};
use vectorizer_model::CollectionName;
use vectorizer_model::settings::FieldIndexKind;

use crate::error::{Result, WireError};
use crate::object::objects;
use crate::select::key_path;

objects!(CreateIndexIn);

/// A field to index.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct CreateIndexIn {
    field_name: String,
    #[serde(alias = "field_type")]
    field_schema: Option<SchemaIn>,
}

/// The kind of index: its name, or an object with parameters.
#[derive(Debug, Clone, PartialEq)]
struct SchemaIn {
    kind: FieldIndexKind,
    params: Option<Map<String, Value>>,
}

/// The name of a kind in the contract.
pub(crate) fn kind_name(kind: FieldIndexKind) -> &'static str {
    match kind {
        FieldIndexKind::Keyword => "keyword",
        FieldIndexKind::Integer => "integer",
        FieldIndexKind::Float => "float",
        FieldIndexKind::Bool => "bool",
    }
}

fn read_kind<E: Error>(name: &str) -> std::result::Result<FieldIndexKind, E> {
    match name {
        "keyword" => Ok(FieldIndexKind::Keyword),
        "integer" => Ok(FieldIndexKind::Integer),
        "float" => Ok(FieldIndexKind::Float),
        "bool" => Ok(FieldIndexKind::Bool),
        "geo" | "text" | "datetime" | "uuid" => {
            Err(E::custom(format_args!("indexes of kind `{name}` are not supported yet")))
        }
        _ => Err(E::unknown_variant(name, &["keyword", "integer", "float", "bool"])),
    }
}

/// Parameters that are stored and shown, and the values they may have.
fn check_param<E: Error>(name: &str, value: &Value) -> std::result::Result<(), E> {
    let fits = match name {
        "type" => value.is_string(),
        "is_tenant" | "is_principal" | "lookup" | "range" | "on_disk" | "enable_hnsw" => {
            value.is_boolean() || value.is_null()
        }
        "memory" => value.is_null() || ["cold", "cached", "pinned"].iter().any(|m| value == m),
        "prefix" => value.is_null() || value == false,
        _ => {
            return Err(E::custom(format_args!("unknown parameter `{name}` of a field index")));
        }
    };
    if fits {
        return Ok(());
    }
    Err(E::custom(format_args!("parameter `{name}` of a field index cannot be {value}")))
}

impl<'de> Deserialize<'de> for SchemaIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct SchemaVisitor;
        impl<'de> Visitor<'de> for SchemaVisitor {
            type Value = SchemaIn;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the kind of index, or an object with `type`")
            }

            fn visit_str<E: Error>(self, name: &str) -> std::result::Result<SchemaIn, E> {
                Ok(SchemaIn { kind: read_kind(name)?, params: None })
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                map: A,
            ) -> std::result::Result<SchemaIn, A::Error> {
                let mut params = Map::deserialize(MapAccessDeserializer::new(map))?;
                let kind = params.get("type").and_then(Value::as_str);
                let kind = read_kind(kind.ok_or_else(|| A::Error::missing_field("type"))?)?;
                params.iter().try_for_each(|(name, value)| check_param(name, value))?;
                params.retain(|_, value| !value.is_null());
                Ok(SchemaIn { kind, params: Some(params) })
            }
        }
        deserializer.deserialize_any(SchemaVisitor)
    }
}

impl CreateIndexIn {
    /// The operation.
    ///
    /// # Errors
    /// [`WireError`] names what does not fit.
    pub fn into_operation(self, collection: CollectionName) -> Result<CreateFieldIndex> {
        let missing = || WireError::invalid("`field_schema` is missing; say what the index holds");
        let schema = self.field_schema.ok_or_else(missing)?;
        let params = schema.params.map(|params| Value::Object(params).to_string());
        let key = key_path(&self.field_name)?;
        Ok(CreateFieldIndex { collection, key, kind: schema.kind, params })
    }
}

/// The operation that removes the index of a field.
///
/// # Errors
/// The text is not a path.
pub fn delete_index(collection: CollectionName, field: &str) -> Result<DeleteFieldIndex> {
    Ok(DeleteFieldIndex { collection, key: key_path(field)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::decode;

    #[test]
    fn kinds_are_read_or_named() {
        let read = |schema: &str| {
            let text = format!(r#"{{"field_name": "a.b", "field_schema": {schema}}}"#);
            let name = CollectionName::new("c").expect("a name");
            decode::<CreateIndexIn>(text.as_bytes())?.into_operation(name)
        };
        assert_eq!(read("\"keyword\"").map(|op| op.kind), Ok(FieldIndexKind::Keyword));
        let given = read(r#"{"type": "integer", "lookup": true, "range": null}"#).expect("read");
        assert_eq!(given.kind, FieldIndexKind::Integer);
        assert_eq!(given.params.as_deref(), Some(r#"{"lookup":true,"type":"integer"}"#));
        for (schema, told) in [
            ("\"text\"", "`text` are not supported yet"),
            (r#"{"type": "geo"}"#, "`geo` are not supported yet"),
            ("\"unheard_of\"", "unknown variant"),
            (r#"{"type": "keyword", "unheard_of": 1}"#, "unknown parameter"),
            (r#"{"type": "keyword", "is_tenant": 1}"#, "cannot be 1"),
            (r#"{"is_tenant": true}"#, "missing field `type`"),
            ("null", "`field_schema` is missing"),
        ] {
            let error = read(schema).unwrap_err().to_string();
            assert!(error.contains(told), "{schema}: {error}");
        }
    }
}
