//! Payload values: what users attach to points.

use std::collections::BTreeMap;

/// One payload value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value; differs from an absent key.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer that fits 64 signed bits.
    Int(i64),
    /// An integer above `i64::MAX`, kept exactly.
    UInt(u64),
    /// A finite number with a fraction or exponent.
    Float(f64),
    /// Text.
    Str(String),
    /// A list.
    Array(Vec<Value>),
    /// Keys and values.
    Object(Payload),
}

/// A point's payload, or an object within one: keys in byte order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Payload(pub BTreeMap<String, Value>);

impl Payload {
    /// A payload without keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
