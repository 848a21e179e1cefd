//! From hashes to nodes: buckets of chains through the slab.

use crate::allocator::vec_bytes;
use crate::nodes::{NONE, Nodes};

/// Fewest buckets of a table that holds anything.
const BUCKETS_MIN: usize = 8;

/// The buckets. They grow only in [`Table::make_room`].
#[derive(Debug, Default)]
pub(crate) struct Table {
    buckets: Vec<u32>,
}

impl Table {
    /// The first node of that hash that `is_it` knows.
    pub(crate) fn find(
        &self,
        nodes: &Nodes,
        hash: u64,
        is_it: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        let mut at = *self.buckets.get(self.bucket(hash))?;
        while at != NONE {
            let node = nodes.get(at);
            if node.hash == hash && is_it(at) {
                return Some(at);
            }
            at = node.chain;
        }
        None
    }

    pub(crate) fn insert(&mut self, nodes: &mut Nodes, at: u32) {
        let bucket = self.bucket(nodes.get(at).hash);
        nodes.get_mut(at).chain = self.buckets[bucket];
        self.buckets[bucket] = at;
    }

    pub(crate) fn remove(&mut self, nodes: &mut Nodes, at: u32) {
        let node = *nodes.get(at);
        let bucket = self.bucket(node.hash);
        if self.buckets[bucket] == at {
            self.buckets[bucket] = node.chain;
            return;
        }
        let mut before = self.buckets[bucket];
        while nodes.get(before).chain != at {
            before = nodes.get(before).chain;
        }
        nodes.get_mut(before).chain = node.chain;
    }

    fn bucket(&self, hash: u64) -> usize {
        // The low bits choose the counters of the sketch, the highest ones the shard.
        let bits = (hash >> 20) as usize;
        bits & self.buckets.len().wrapping_sub(1)
    }

    pub(crate) fn heap_bytes(&self) -> u64 {
        vec_bytes::<u32>(self.buckets.len())
    }

    /// Bytes once there are buckets for so many nodes.
    pub(crate) fn bytes_for(&self, entries: usize) -> u64 {
        vec_bytes::<u32>(self.buckets_for(entries))
    }

    fn buckets_for(&self, entries: usize) -> usize {
        entries.next_power_of_two().max(BUCKETS_MIN).max(self.buckets.len())
    }

    /// Grows to buckets for so many nodes.
    pub(crate) fn make_room(&mut self, nodes: &mut Nodes, entries: usize) {
        let buckets = self.buckets_for(entries);
        if buckets == self.buckets.len() {
            return;
        }
        let before = std::mem::replace(&mut self.buckets, vec![NONE; buckets]);
        for mut at in before {
            while at != NONE {
                let next = nodes.get(at).chain;
                self.insert(nodes, at);
                at = next;
            }
        }
    }

    /// Forgets all and gives the memory back.
    pub(crate) fn clear(&mut self) {
        self.buckets = Vec::new();
    }
}
