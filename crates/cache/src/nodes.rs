//! What a shard knows of its entries apart from keys and values, in one slab.
//!
//! Policies see nothing but this. A node's place is its entry's place for as long as it lives.

use crate::allocator::{grown_capacity, vec_bytes};

/// No node.
pub(crate) const NONE: u32 = u32::MAX;

/// Neighbours in a list, by place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    pub(crate) prev: u32,
    pub(crate) next: u32,
}

impl Link {
    pub(crate) const FREE: Self = Self { prev: NONE, next: NONE };
}

/// Which list of its policy a node is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Region {
    /// Came lately; the only one that most policies know.
    Window,
    /// Has left the window and was not used since.
    Probation,
    /// Was used since it left the window.
    Protected,
}

/// One entry as policies see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    pub(crate) hash: u64,
    /// Bytes charged for the entry.
    pub(crate) weight: u64,
    /// When it came in, nanoseconds of the clock.
    pub(crate) inserted: u64,
    /// The policy's list, or the place in its heap as `prev`.
    pub(crate) order: Link,
    /// The list of all entries by age.
    pub(crate) age: Link,
    /// The next node of the same bucket.
    pub(crate) chain: u32,
    /// Times it was asked for and found.
    pub(crate) uses: u32,
    /// The generation of the cache when it came in.
    pub(crate) generation: u32,
    /// Whose it is, by the number of the ledger.
    pub(crate) tenant: u32,
    /// How dear it is to make again; at least 1.
    pub(crate) cost: u16,
    pub(crate) region: Region,
}

impl Node {
    pub(crate) fn new(hash: u64, weight: u64, cost: u16) -> Self {
        Self {
            hash,
            weight,
            inserted: 0,
            order: Link::FREE,
            age: Link::FREE,
            chain: NONE,
            uses: 0,
            generation: 0,
            tenant: 0,
            cost: cost.max(1),
            region: Region::Window,
        }
    }
}

/// The slab. It grows only in [`Nodes::make_room`], so that growth can be charged before.
#[derive(Debug)]
pub(crate) struct Nodes {
    places: Vec<Node>,
    /// The first free place; free places are chained.
    free: u32,
    used: u32,
}

impl Nodes {
    pub(crate) const fn new() -> Self {
        Self { places: Vec::new(), free: NONE, used: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.used as usize
    }

    pub(crate) fn get(&self, at: u32) -> &Node {
        &self.places[at as usize]
    }

    pub(crate) fn get_mut(&mut self, at: u32) -> &mut Node {
        &mut self.places[at as usize]
    }

    /// Whether one more fits without growing.
    pub(crate) fn has_room(&self) -> bool {
        self.free != NONE || self.places.len() < self.places.capacity()
    }

    /// The capacity after growing by a step.
    pub(crate) fn next_capacity(&self) -> usize {
        grown_capacity(self.places.capacity())
    }

    pub(crate) fn heap_bytes(&self) -> u64 {
        Self::bytes_of(self.places.capacity())
    }

    pub(crate) fn bytes_of(capacity: usize) -> u64 {
        vec_bytes::<Node>(capacity)
    }

    pub(crate) fn make_room(&mut self, capacity: usize) {
        self.places.reserve_exact(capacity.saturating_sub(self.places.len()));
    }

    /// Puts a node in. There is room, as the caller made sure.
    pub(crate) fn insert(&mut self, node: Node) -> u32 {
        debug_assert!(self.has_room(), "a slab grows only when asked to");
        self.used += 1;
        if self.free != NONE {
            let at = self.free;
            self.free = self.places[at as usize].chain;
            self.places[at as usize] = node;
            return at;
        }
        let at = u32::try_from(self.places.len()).unwrap_or(NONE);
        debug_assert!(at != NONE, "a shard of 2^32 entries");
        self.places.push(node);
        at
    }

    pub(crate) fn remove(&mut self, at: u32) {
        self.used -= 1;
        self.places[at as usize].chain = self.free;
        self.free = at;
    }

    /// Forgets all and gives the memory back.
    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }
}
