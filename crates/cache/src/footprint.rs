//! What values take on the heap, in the allocator's sizes: what a cache charges for them.

use std::collections::{BTreeMap, HashMap};

use vectorizer_model::filter::{Predicate, Range, Scalar};
use vectorizer_model::path::PathStep;
use vectorizer_model::value::{Payload, Value};
use vectorizer_model::{Condition, Filter, KeyPath, PointId};

use crate::allocator::{allocated_bytes, vec_bytes};

/// A value that knows what lies behind it.
///
/// Shared parts (`Arc`) are left out on purpose: whoever owns them charges them once. A slice of a
/// larger buffer keeps the whole alive: copy it before it is cached.
pub trait Footprint {
    /// Bytes on the heap that go when the value goes, without the value itself; capacities count,
    /// not lengths.
    fn heap_bytes(&self) -> u64;
}

/// Bytes that a value takes: itself, and what lies behind it as the allocator rounds it.
pub fn estimate_item_size<T: Footprint>(item: &T) -> u64 {
    size_of::<T>() as u64 + item.heap_bytes()
}

macro_rules! inline {
    ($($type:ty),*) => { $(
        impl Footprint for $type {
            fn heap_bytes(&self) -> u64 {
                0
            }
        }
    )* };
}

inline!(PointId, Range);
inline!((), bool, char, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64);

impl Footprint for String {
    fn heap_bytes(&self) -> u64 {
        allocated_bytes(self.capacity() as u64)
    }
}

impl Footprint for Box<str> {
    fn heap_bytes(&self) -> u64 {
        allocated_bytes(self.len() as u64)
    }
}

impl<T: Footprint> Footprint for Vec<T> {
    fn heap_bytes(&self) -> u64 {
        vec_bytes::<T>(self.capacity()) + self.iter().map(T::heap_bytes).sum::<u64>()
    }
}

impl<T: Footprint> Footprint for Box<[T]> {
    fn heap_bytes(&self) -> u64 {
        vec_bytes::<T>(self.len()) + self.iter().map(T::heap_bytes).sum::<u64>()
    }
}

impl<T: Footprint> Footprint for Option<T> {
    fn heap_bytes(&self) -> u64 {
        self.as_ref().map_or(0, T::heap_bytes)
    }
}

impl<T: Footprint> Footprint for Box<T> {
    fn heap_bytes(&self) -> u64 {
        allocated_bytes(size_of::<T>() as u64) + T::heap_bytes(self)
    }
}

impl<A: Footprint, B: Footprint> Footprint for (A, B) {
    fn heap_bytes(&self) -> u64 {
        self.0.heap_bytes() + self.1.heap_bytes()
    }
}

impl<T: Footprint, const N: usize> Footprint for [T; N] {
    fn heap_bytes(&self) -> u64 {
        self.iter().map(T::heap_bytes).sum()
    }
}

impl<K: Footprint, V: Footprint> Footprint for BTreeMap<K, V> {
    fn heap_bytes(&self) -> u64 {
        let nodes = tree_bytes(self.len(), size_of::<K>() + size_of::<V>());
        nodes + self.iter().map(|(key, value)| key.heap_bytes() + value.heap_bytes()).sum::<u64>()
    }
}

impl<K: Footprint, V: Footprint, S> Footprint for HashMap<K, V, S> {
    fn heap_bytes(&self) -> u64 {
        let table = table_bytes(self.capacity(), size_of::<(K, V)>());
        let behind = self.iter().map(|(key, value)| key.heap_bytes() + value.heap_bytes());
        table + behind.sum::<u64>()
    }
}

impl Footprint for Value {
    fn heap_bytes(&self) -> u64 {
        match self {
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::UInt(_) | Self::Float(_) => 0,
            Self::Str(text) => text.heap_bytes(),
            Self::Array(elements) => elements.heap_bytes(),
            Self::Object(object) => object.heap_bytes(),
        }
    }
}

impl Footprint for Payload {
    fn heap_bytes(&self) -> u64 {
        self.0.heap_bytes()
    }
}

impl Footprint for KeyPath {
    fn heap_bytes(&self) -> u64 {
        let key = |step: &PathStep| match step {
            PathStep::Key(key) => key.heap_bytes(),
            PathStep::AnyElement | PathStep::Index(_) => 0,
        };
        // A path takes no more room than its steps.
        vec_bytes::<PathStep>(self.steps().len()) + self.steps().iter().map(key).sum::<u64>()
    }
}

impl Footprint for Scalar {
    fn heap_bytes(&self) -> u64 {
        match self {
            Self::Bool(_) | Self::Int(_) => 0,
            Self::Keyword(text) => text.heap_bytes(),
        }
    }
}

impl Footprint for Predicate {
    fn heap_bytes(&self) -> u64 {
        match self {
            Self::Match(scalar) => scalar.heap_bytes(),
            Self::Any(scalars) | Self::Except(scalars) => scalars.heap_bytes(),
            Self::Range(range) => range.heap_bytes(),
        }
    }
}

impl Footprint for Condition {
    fn heap_bytes(&self) -> u64 {
        match self {
            Self::Field { key, predicate } => key.heap_bytes() + predicate.heap_bytes(),
            Self::IsEmpty(key) => key.heap_bytes(),
            Self::HasId(ids) => ids.heap_bytes(),
            Self::Filter(inner) => inner.heap_bytes(),
        }
    }
}

impl Footprint for Filter {
    fn heap_bytes(&self) -> u64 {
        let Self { must, should, must_not } = self;
        must.heap_bytes() + should.heap_bytes() + must_not.heap_bytes()
    }
}

/// Entries of a node of std's B-tree, and of one that was filled in ascending order, as decoding
/// does: six, and the one above that parts it from the next.
const NODE_CAPACITY: usize = 11;
const NODE_FILL: usize = 7;
/// Parent, its index and the length of a node.
const NODE_HEADER: usize = 16;
/// Nodes below an inner one.
const NODE_EDGES: usize = NODE_CAPACITY + 1;

fn tree_bytes(entries: usize, entry_bytes: usize) -> u64 {
    if entries == 0 {
        return 0;
    }
    let leaf = NODE_HEADER + NODE_CAPACITY * entry_bytes;
    let inner = leaf + NODE_EDGES * size_of::<usize>();
    let mut nodes = if entries <= NODE_CAPACITY { 1 } else { entries.div_ceil(NODE_FILL) };
    let mut bytes = nodes as u64 * allocated_bytes(leaf as u64);
    while nodes > 1 {
        nodes = if nodes <= NODE_EDGES { 1 } else { nodes.div_ceil(NODE_FILL) };
        bytes += nodes as u64 * allocated_bytes(inner as u64);
    }
    bytes
}

/// Std's hash table: a power of two of buckets, seven of eight used, a byte of control for each and
/// a group more.
fn table_bytes(capacity: usize, entry_bytes: usize) -> u64 {
    if capacity == 0 {
        return 0;
    }
    let buckets = if capacity < 8 { capacity + 1 } else { capacity / 7 * 8 };
    let group = 16;
    allocated_bytes(((buckets * entry_bytes).next_multiple_of(group) + buckets + group) as u64)
}
