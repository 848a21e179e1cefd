//! Bytes of payloads, their values and the paths into them; and of lists, maps and options.

use std::collections::BTreeMap;

use super::reader::invalid;
use super::{Canonical, DecodeError, Reader, Writer};
use crate::path::PathStep;
use crate::{KeyPath, Payload, Value};

mod tag {
    pub(super) const NULL: u8 = 0;
    pub(super) const FALSE: u8 = 1;
    pub(super) const TRUE: u8 = 2;
    pub(super) const INT: u8 = 3;
    pub(super) const UINT: u8 = 4;
    pub(super) const FLOAT: u8 = 5;
    pub(super) const STR: u8 = 6;
    pub(super) const ARRAY: u8 = 7;
    pub(super) const OBJECT: u8 = 8;

    pub(super) const STEP_KEY: u8 = 0;
    pub(super) const STEP_ANY: u8 = 1;
    pub(super) const STEP_INDEX: u8 = 2;
}

impl Canonical for Payload {
    const BYTES_MIN: usize = 1;

    fn write(&self, to: &mut Writer<'_>) {
        self.0.write(to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.nested(BTreeMap::read).map(Self)
    }
}

impl Canonical for Value {
    const BYTES_MIN: usize = 1;

    fn write(&self, to: &mut Writer<'_>) {
        match self {
            Self::Null => to.u8(tag::NULL),
            Self::Bool(false) => to.u8(tag::FALSE),
            Self::Bool(true) => to.u8(tag::TRUE),
            Self::Int(number) => {
                to.u8(tag::INT);
                to.varint_signed(*number);
            }
            Self::UInt(number) => {
                to.u8(tag::UINT);
                to.u64(*number);
            }
            Self::Float(number) => {
                to.u8(tag::FLOAT);
                to.f64(*number);
            }
            Self::Str(text) => {
                to.u8(tag::STR);
                to.text(text);
            }
            Self::Array(elements) => {
                to.u8(tag::ARRAY);
                to.list(elements);
            }
            Self::Object(object) => {
                to.u8(tag::OBJECT);
                object.write(to);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = from.at();
        Ok(match from.u8()? {
            tag::NULL => Self::Null,
            tag::FALSE => Self::Bool(false),
            tag::TRUE => Self::Bool(true),
            tag::INT => Self::Int(from.varint_signed()?),
            tag::UINT => Self::UInt(from.u64()?),
            tag::FLOAT => Self::Float(from.f64()?),
            tag::STR => Self::Str(from.text()?.to_owned()),
            tag::ARRAY => Self::Array(from.nested(Reader::list)?),
            tag::OBJECT => Self::Object(Payload::read(from)?),
            other => return Err(invalid("tag of a payload value", at, other.into())),
        })
    }
}

/// Bytes that [`super::encode_payload`] would append.
pub fn encoded_payload_bytes(payload: &Payload) -> u64 {
    let entries = payload.0.iter();
    let entry_bytes = |(key, value): (&String, &Value)| text_bytes(key) + value_bytes(value);
    varint_bytes(payload.0.len() as u64) + entries.map(entry_bytes).sum::<u64>()
}

fn value_bytes(value: &Value) -> u64 {
    let after_tag = match value {
        Value::Null | Value::Bool(_) => 0,
        Value::Int(number) => varint_bytes(((number << 1) ^ (number >> 63)).cast_unsigned()),
        Value::UInt(_) | Value::Float(_) => 8,
        Value::Str(text) => text_bytes(text),
        Value::Array(elements) => {
            varint_bytes(elements.len() as u64) + elements.iter().map(value_bytes).sum::<u64>()
        }
        Value::Object(object) => encoded_payload_bytes(object),
    };
    1 + after_tag
}

fn text_bytes(text: &str) -> u64 {
    let len = text.len() as u64;
    varint_bytes(len) + len
}

fn varint_bytes(value: u64) -> u64 {
    let bits = 64 - u64::from(value.leading_zeros());
    bits.div_ceil(7).max(1)
}

impl Canonical for KeyPath {
    const BYTES_MIN: usize = 3;

    fn write(&self, to: &mut Writer<'_>) {
        to.list(self.steps());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = from.at();
        let steps = from.list()?;
        let count = steps.len() as u64;
        Self::from_steps(steps).ok_or_else(|| invalid("step count of a payload path", at, count))
    }
}

impl Canonical for PathStep {
    const BYTES_MIN: usize = 1;

    fn write(&self, to: &mut Writer<'_>) {
        match self {
            Self::Key(key) => {
                to.u8(tag::STEP_KEY);
                to.text(key);
            }
            Self::AnyElement => to.u8(tag::STEP_ANY),
            Self::Index(index) => {
                to.u8(tag::STEP_INDEX);
                to.u32(*index);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = from.at();
        Ok(match from.u8()? {
            tag::STEP_KEY => Self::Key(from.text()?.into()),
            tag::STEP_ANY => Self::AnyElement,
            tag::STEP_INDEX => Self::Index(from.u32()?),
            other => return Err(invalid("tag of a path step", at, other.into())),
        })
    }
}

impl Canonical for String {
    const BYTES_MIN: usize = 1;

    fn write(&self, to: &mut Writer<'_>) {
        to.text(self);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.text().map(str::to_owned)
    }
}

/// Count, then keys and values by strictly ascending key.
impl<K: Canonical + Ord, V: Canonical> Canonical for BTreeMap<K, V> {
    const BYTES_MIN: usize = 1;

    fn write(&self, to: &mut Writer<'_>) {
        to.count(self.len());
        for (key, value) in self {
            key.write(to);
            value.write(to);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = from.count(K::BYTES_MIN + V::BYTES_MIN)?;
        let mut map = Self::new();
        for position in 0..count {
            let at = from.at();
            let key = K::read(from)?;
            if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return Err(invalid("position of a key out of order", at, position as u64));
            }
            let value = V::read(from)?;
            map.insert(key, value);
        }
        Ok(map)
    }
}

/// 0, or 1 and the value.
impl<T: Canonical> Canonical for Option<T> {
    const BYTES_MIN: usize = 1;

    fn write(&self, to: &mut Writer<'_>) {
        to.bool(self.is_some());
        if let Some(value) = self {
            value.write(to);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.bool()?.then(|| T::read(from)).transpose()
    }
}
