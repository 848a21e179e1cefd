//! Least recently used first.

use crate::list::OrderList;
use crate::nodes::Nodes;
use crate::policy::Order;

/// One list; a use makes an entry the newest.
#[derive(Debug)]
pub(crate) struct Lru {
    list: OrderList,
}

impl Lru {
    pub(crate) const fn new() -> Self {
        Self { list: OrderList::new() }
    }
}

impl Order for Lru {
    fn insert(&mut self, nodes: &mut Nodes, at: u32) {
        self.list.push(nodes, at);
    }

    fn touch(&mut self, nodes: &mut Nodes, at: u32) {
        self.list.renew(nodes, at);
    }

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
