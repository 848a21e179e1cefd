//! A heap of nodes with the lowest rank on top, from whose middle a node can be taken.
//!
//! A node remembers its place in the heap as `order.prev`.

use crate::allocator::{grown_capacity, vec_bytes};
use crate::nodes::Nodes;

/// Lowest goes first; equals go in the order they were put in.
type Rank = (u64, u64);

/// The heap.
#[derive(Debug, Default)]
pub(crate) struct Heap {
    entries: Vec<(Rank, u32)>,
    /// Counts up with each placement.
    turn: u64,
}

impl Heap {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The node of lowest rank, and its rank.
    pub(crate) fn first(&self) -> Option<(u64, u32)> {
        self.entries.first().map(|((rank, _), at)| (*rank, *at))
    }

    pub(crate) fn push(&mut self, nodes: &mut Nodes, at: u32, rank: u64) {
        self.turn += 1;
        self.entries.push(((rank, self.turn), at));
        self.rise(nodes, self.entries.len() - 1);
    }

    pub(crate) fn remove(&mut self, nodes: &mut Nodes, at: u32) {
        let place = place(nodes, at);
        self.entries.swap_remove(place);
        if place < self.entries.len() {
            self.settle(nodes, place);
        }
    }

    /// Gives a node another rank.
    pub(crate) fn rerank(&mut self, nodes: &mut Nodes, at: u32, rank: u64) {
        self.turn += 1;
        let place = place(nodes, at);
        self.entries[place].0 = (rank, self.turn);
        self.settle(nodes, place);
    }

    pub(crate) fn heap_bytes(&self) -> u64 {
        vec_bytes::<(Rank, u32)>(self.entries.capacity())
    }

    /// Bytes after making room for so many.
    pub(crate) fn bytes_for(&self, entries: usize) -> u64 {
        vec_bytes::<(Rank, u32)>(self.capacity_for(entries))
    }

    pub(crate) fn make_room(&mut self, entries: usize) {
        self.entries.reserve_exact(self.capacity_for(entries) - self.entries.len());
    }

    fn capacity_for(&self, entries: usize) -> usize {
        let capacity = self.entries.capacity();
        if entries <= capacity { capacity } else { entries.max(grown_capacity(capacity)) }
    }

    fn settle(&mut self, nodes: &mut Nodes, place: usize) {
        let place = self.rise(nodes, place);
        self.sink(nodes, place);
    }

    fn rise(&mut self, nodes: &mut Nodes, mut place: usize) -> usize {
        while place > 0 {
            let above = (place - 1) / 2;
            if self.entries[above].0 <= self.entries[place].0 {
                break;
            }
            self.swap(nodes, above, place);
            place = above;
        }
        self.remember(nodes, place);
        place
    }

    fn sink(&mut self, nodes: &mut Nodes, mut place: usize) {
        loop {
            let left = 2 * place + 1;
            let Some(mut lowest) = self.entries.get(left).map(|_| left) else { break };
            if self.entries.get(left + 1).is_some_and(|right| right.0 < self.entries[left].0) {
                lowest = left + 1;
            }
            if self.entries[place].0 <= self.entries[lowest].0 {
                break;
            }
            self.swap(nodes, place, lowest);
            place = lowest;
        }
        self.remember(nodes, place);
    }

    fn swap(&mut self, nodes: &mut Nodes, one: usize, other: usize) {
        self.entries.swap(one, other);
        self.remember(nodes, one);
        self.remember(nodes, other);
    }

    fn remember(&self, nodes: &mut Nodes, place: usize) {
        let at = self.entries[place].1;
        nodes.get_mut(at).order.prev = u32::try_from(place).unwrap_or(u32::MAX);
    }
}

fn place(nodes: &Nodes, at: u32) -> usize {
    nodes.get(at).order.prev as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::Node;

    #[test]
    fn first_is_lowest_through_any_changes() {
        let mut nodes = Nodes::new();
        nodes.make_room(200);
        let mut heap = Heap::default();
        let mut model: Vec<(u64, u32)> = Vec::new();
        let mut random = vectorizer_testkit::random::Random::new(7);
        for _ in 0..5000 {
            let rank = random.next_u64() % 50;
            match random.below(4) {
                0 | 1 if model.len() < 200 => {
                    let at = nodes.insert(Node::new(0, 1, 1));
                    heap.push(&mut nodes, at, rank);
                    model.push((rank, at));
                }
                2 if !model.is_empty() => {
                    let (_, at) = model.swap_remove(random.below(model.len()));
                    heap.remove(&mut nodes, at);
                    nodes.remove(at);
                }
                _ if !model.is_empty() => {
                    let chosen = random.below(model.len());
                    model[chosen].0 = rank;
                    heap.rerank(&mut nodes, model[chosen].1, rank);
                }
                _ => {}
            }
            assert_eq!(heap.len(), model.len());
            assert_eq!(heap.first().map(|(rank, _)| rank), model.iter().map(|m| m.0).min());
        }
    }
}
