//! Least frequently used first, with dynamic aging: a use is worth what the last victim was worth
//! and one for each use so far, so that what was loved long ago goes in the end.
//!
//! Source: Arlitt et al. 2000, LFU-DA (doi:10.1145/346000.346005).

use crate::heap::Heap;
use crate::nodes::Nodes;
use crate::policy::Order;

/// A heap by worth.
#[derive(Debug, Default)]
pub(crate) struct Lfu {
    heap: Heap,
    /// The worth of the last victim.
    age: u64,
}

impl Lfu {
    fn worth(&self, nodes: &Nodes, at: u32) -> u64 {
        self.age + 1 + u64::from(nodes.get(at).uses)
    }
}

impl Order for Lfu {
    fn insert(&mut self, nodes: &mut Nodes, at: u32) {
        let worth = self.worth(nodes, at);
        self.heap.push(nodes, at, worth);
    }

    fn touch(&mut self, nodes: &mut Nodes, at: u32) {
        let worth = self.worth(nodes, at);
        self.heap.rerank(nodes, at, worth);
    }

    fn remove(&mut self, nodes: &mut Nodes, at: u32) {
        self.heap.remove(nodes, at);
    }

    fn victim(&mut self, _nodes: &mut Nodes) -> Option<u32> {
        let (worth, at) = self.heap.first()?;
        self.age = worth;
        Some(at)
    }

    fn len(&self) -> usize {
        self.heap.len()
    }

    fn heap_bytes(&self) -> u64 {
        self.heap.heap_bytes()
    }

    fn bytes_for(&self, entries: usize) -> u64 {
        self.heap.bytes_for(entries)
    }

    fn make_room(&mut self, entries: usize) {
        self.heap.make_room(entries);
    }
}
