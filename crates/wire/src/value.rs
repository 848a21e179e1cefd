//! Payloads: JSON objects.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use vectorizer_model::{Payload, Value};

/// A payload as JSON, to read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PayloadIn(pub Payload);

/// A payload as JSON, to show.
#[derive(Debug, Clone, Copy)]
pub struct PayloadOut<'a>(pub &'a Payload);

struct ValueIn(Value);

struct ValueOut<'a>(&'a Value);

impl<'de> Deserialize<'de> for PayloadIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;
        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = PayloadIn;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a payload: an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PayloadIn, A::Error> {
                object(map).map(PayloadIn)
            }
        }
        deserializer.deserialize_map(ObjectVisitor)
    }
}

fn object<'de, A: MapAccess<'de>>(mut map: A) -> Result<Payload, A::Error> {
    let mut entries = BTreeMap::new();
    while let Some((key, value)) = map.next_entry::<String, ValueIn>()? {
        entries.insert(key, value.0);
    }
    Ok(Payload(entries))
}

impl<'de> Deserialize<'de> for ValueIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor).map(Self)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a payload value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or(Value::UInt(number), Value::Int))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Str(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::Str(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element::<ValueIn>()? {
            elements.push(element.0);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        object(map).map(Value::Object)
    }
}

impl Serialize for PayloadOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.0.len()))?;
        for (key, value) in &self.0.0 {
            map.serialize_entry(key, &ValueOut(value))?;
        }
        map.end()
    }
}

impl Serialize for ValueOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(truth) => serializer.serialize_bool(*truth),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::UInt(number) => serializer.serialize_u64(*number),
            Value::Float(number) => serializer.serialize_f64(*number),
            Value::Str(text) => serializer.serialize_str(text),
            Value::Array(elements) => {
                let mut seq = serializer.serialize_seq(Some(elements.len()))?;
                for element in elements {
                    seq.serialize_element(&ValueOut(element))?;
                }
                seq.end()
            }
            Value::Object(object) => PayloadOut(object).serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_survive() {
        let texts = [
            "{}",
            r#"{"a":null,"b":true,"c":-9223372036854775808,"d":18446744073709551615}"#,
            r#"{"e":1.5,"f":1.0,"g":1e300,"h":"\u0000\"\\x","i":[],"j":[1,"a",{"k":{}}]}"#,
        ];
        for text in texts {
            let payload: PayloadIn = serde_json::from_str(text).expect(text);
            let shown = serde_json::to_string(&PayloadOut(&payload.0)).expect("shown");
            let again: PayloadIn = serde_json::from_str(&shown).expect("read again");
            assert_eq!(again, payload, "{shown}");
            assert_eq!(shown.replace("1e+300", "1e300"), text);
        }
        for text in ["1", "[]", "null", "\"a\""] {
            assert!(serde_json::from_str::<PayloadIn>(text).is_err(), "{text}");
        }
    }
}
