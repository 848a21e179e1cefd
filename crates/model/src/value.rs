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

    /// Levels of objects and lists, the payload itself being the first.
    pub fn depth(&self) -> usize {
        1 + self.0.values().map(Value::depth).max().unwrap_or(0)
    }
}

impl Value {
    /// Levels of objects and lists: 0 for a scalar, 1 for a list of scalars.
    pub fn depth(&self) -> usize {
        match self {
            Self::Array(elements) => 1 + elements.iter().map(Self::depth).max().unwrap_or(0),
            Self::Object(object) => object.depth(),
            Self::Null
            | Self::Bool(_)
            | Self::Int(_)
            | Self::UInt(_)
            | Self::Float(_)
            | Self::Str(_) => 0,
        }
    }
}

/// Bytes that a payload holds on the heap, as requested from the allocator.
///
/// Texts and lists count with their capacity. Map nodes are estimated from the number of keys: a
/// map of up to 11 keys is one node, a larger one is taken as filled in ascending order (as
/// decoding and most parsing do, about half full), which is at most about twice what a densely
/// built map takes. The payload's own `size_of` and the allocator's rounding are not included.
pub fn heap_bytes(payload: &Payload) -> u64 {
    let entries = payload.0.iter();
    let entry_bytes =
        |(key, value): (&String, &Value)| key.capacity() as u64 + value_heap_bytes(value);
    map_node_bytes(payload.0.len()) + entries.map(entry_bytes).sum::<u64>()
}

fn value_heap_bytes(value: &Value) -> u64 {
    match value {
        Value::Str(text) => text.capacity() as u64,
        Value::Array(elements) => {
            let slots = elements.capacity() * size_of::<Value>();
            slots as u64 + elements.iter().map(value_heap_bytes).sum::<u64>()
        }
        Value::Object(object) => heap_bytes(object),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::UInt(_) | Value::Float(_) => 0,
    }
}

/// Bytes of the nodes of a `BTreeMap<String, Value>`: 11 entries, a parent pointer and two 16-bit
/// numbers each; inner nodes also have 12 child pointers.
fn map_node_bytes(keys: usize) -> u64 {
    const ENTRIES_MAX: usize = 11;
    /// Children of an inner node, keys of a leaf and its separator, when filled in order.
    const FANOUT: usize = 7;
    const LEAF_BYTES: usize = (8 + ENTRIES_MAX * (size_of::<String>() + size_of::<Value>()) + 4)
        .next_multiple_of(align_of::<Value>());
    const INNER_BYTES: usize = LEAF_BYTES + (ENTRIES_MAX + 1) * size_of::<usize>();
    if keys == 0 {
        return 0;
    }
    if keys <= ENTRIES_MAX {
        return LEAF_BYTES as u64;
    }
    let leaves = keys / FANOUT + 1;
    let mut level = leaves;
    let mut inner = 0;
    while level > ENTRIES_MAX + 1 {
        level = level / FANOUT + 1;
        inner += level;
    }
    (leaves * LEAF_BYTES + (inner + 1) * INNER_BYTES) as u64
}
