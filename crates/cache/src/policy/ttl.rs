//! First in, first out: a cache has one time to live, so this is also the order of expiry.

use crate::list::OrderList;
use crate::nodes::Nodes;
use crate::policy::Order;

/// One list that uses do not change.
#[derive(Debug)]
pub(crate) struct Ttl {
    list: OrderList,
}

impl Ttl {
    pub(crate) const fn new() -> Self {
        Self { list: OrderList::new() }
    }
}

impl Order for Ttl {
    fn insert(&mut self, nodes: &mut Nodes, at: u32) {
        self.list.push(nodes, at);
    }

    fn touch(&mut self, _nodes: &mut Nodes, _at: u32) {}

    fn remove(&mut self, nodes: &mut Nodes, at: u32) {
        self.list.remove(nodes, at);
    }

    fn victim(&mut self, _nodes: &mut Nodes) -> Option<u32> {
        (self.list.len() > 0).then(|| self.list.tail())
    }

    fn len(&self) -> usize {
        self.list.len()
    }

    fn heap_bytes(&self) -> u64 {
        0
    }

    fn bytes_for(&self, _entries: usize) -> u64 {
        0
    }

    fn make_room(&mut self, _entries: usize) {}
}
