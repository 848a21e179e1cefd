//! Largest first; of equal ones the oldest.

use crate::heap::Heap;
use crate::nodes::Nodes;
use crate::policy::Order;

/// A heap by size.
#[derive(Debug, Default)]
pub(crate) struct Size {
    heap: Heap,
}

impl Order for Size {
    fn insert(&mut self, nodes: &mut Nodes, at: u32) {
        let rank = u64::MAX - nodes.get(at).weight;
        self.heap.push(nodes, at, rank);
    }

    fn touch(&mut self, _nodes: &mut Nodes, _at: u32) {}

    fn remove(&mut self, nodes: &mut Nodes, at: u32) {
        self.heap.remove(nodes, at);
    }

    fn victim(&mut self, _nodes: &mut Nodes) -> Option<u32> {
        self.heap.first().map(|(_, at)| at)
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
