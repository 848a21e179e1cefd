//! A doubly linked list through nodes: newest first.

use crate::nodes::{Link, NONE, Node, Nodes};

/// A list over one of a node's two links: that of its policy, or that of its age.
#[derive(Debug, Clone, Copy)]
pub(crate) struct List<const AGE: bool> {
    head: u32,
    tail: u32,
    len: usize,
    /// Bytes of the entries in it.
    weight: u64,
}

/// In the order of a policy.
pub(crate) type OrderList = List<false>;
/// In the order of arrival.
pub(crate) type AgeList = List<true>;

impl<const AGE: bool> List<AGE> {
    pub(crate) const fn new() -> Self {
        Self { head: NONE, tail: NONE, len: 0, weight: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn weight(&self) -> u64 {
        self.weight
    }

    /// The oldest, or [`NONE`].
    pub(crate) fn tail(&self) -> u32 {
        self.tail
    }

    /// The one that is newer than `at`, or [`NONE`].
    pub(crate) fn newer(nodes: &Nodes, at: u32) -> u32 {
        Self::link(nodes.get(at)).prev
    }

    fn link(node: &Node) -> Link {
        if AGE { node.age } else { node.order }
    }

    fn link_mut(nodes: &mut Nodes, at: u32) -> &mut Link {
        let node = nodes.get_mut(at);
        if AGE { &mut node.age } else { &mut node.order }
    }

    pub(crate) fn push(&mut self, nodes: &mut Nodes, at: u32) {
        *Self::link_mut(nodes, at) = Link { prev: NONE, next: self.head };
        if self.head == NONE {
            self.tail = at;
        } else {
            Self::link_mut(nodes, self.head).prev = at;
        }
        self.head = at;
        self.len += 1;
        self.weight += nodes.get(at).weight;
    }

    pub(crate) fn remove(&mut self, nodes: &mut Nodes, at: u32) {
        let Link { prev, next } = Self::link(nodes.get(at));
        if prev == NONE {
            self.head = next;
        } else {
            Self::link_mut(nodes, prev).next = next;
        }
        if next == NONE {
            self.tail = prev;
        } else {
            Self::link_mut(nodes, next).prev = prev;
        }
        self.len -= 1;
        self.weight -= nodes.get(at).weight;
    }

    /// Makes it the newest.
    pub(crate) fn renew(&mut self, nodes: &mut Nodes, at: u32) {
        if self.head != at {
            self.remove(nodes, at);
            self.push(nodes, at);
        }
    }
}
