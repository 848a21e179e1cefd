//! Which window the load likes best: small shadows of the cache, one for each candidate, meet a
//! sample of the keys, and the one whose hits save most work is followed.
//!
//! A key is sampled by its hash, so a shadow of a 2^n-th of the bytes sees all uses of a 2^n-th of
//! the keys, and its hit ratio is near that of the whole (Waldspurger et al. 2017, "Cache modeling
//! and optimization using miniature simulations"). A shadow holds no values.

use crate::hash::mix;
use crate::nodes::{Node, Nodes};
use crate::policy::{Hybrid, Order, Window};
use crate::table::Table;

/// Entries of a shadow, at least and at most.
const ENTRIES_MIN: u64 = 64;
const ENTRIES_MAX: u64 = 2048;
/// The shadows may take this part of the cache's limit.
const BYTES_PART: u64 = 32;
/// Of its entries, the part of the sample that a shadow expects to hold, so that it is full in
/// bytes before it is full in entries.
const EXPECTED_PERCENT: usize = 75;
/// Of a score, what stays after each epoch, in percent.
const KEPT_PERCENT: u64 = 80;
/// Another window is followed if it saves this many permille more.
const MARGIN_PERMILLE: u64 = 5;

/// A hit counts so much, so that decay does not round small scores to nothing.
const SCORE_UNIT: u64 = 1 << 10;

/// One shadow.
#[derive(Debug)]
struct Shadow {
    nodes: Nodes,
    table: Table,
    order: Hybrid,
    weight: u64,
    score: u64,
}

impl Shadow {
    fn new(window: Window, entries: usize) -> Self {
        let mut shadow = Self {
            nodes: Nodes::new(),
            table: Table::default(),
            order: Hybrid::new(),
            weight: 0,
            score: 0,
        };
        shadow.nodes.make_room(entries);
        shadow.table.make_room(&mut shadow.nodes, entries);
        shadow.order.make_room(entries);
        shadow.order.tune(window);
        shadow
    }

    fn heap_bytes(&self) -> u64 {
        self.nodes.heap_bytes() + self.table.heap_bytes() + self.order.heap_bytes()
    }

    fn find(&self, hash: u64) -> Option<u32> {
        self.table.find(&self.nodes, hash, |_| true)
    }

    /// Counts a hit, or lets the entry in as the cache would.
    fn ask(&mut self, node: Node, limit: u64) {
        if let Some(at) = self.find(node.hash) {
            self.order.touch(&mut self.nodes, at);
            self.score += u64::from(node.cost) * SCORE_UNIT;
            return;
        }
        while self.weight + node.weight > limit || !self.nodes.has_room() {
            let Some(at) = self.order.victim(&mut self.nodes) else { return };
            self.remove(at);
        }
        let at = self.nodes.insert(node);
        self.table.insert(&mut self.nodes, at);
        self.order.insert(&mut self.nodes, at);
        self.weight += node.weight;
    }

    fn remove(&mut self, at: u32) {
        self.order.remove(&mut self.nodes, at);
        self.table.remove(&mut self.nodes, at);
        self.weight -= self.nodes.get(at).weight;
        self.nodes.remove(at);
    }
}

/// The shadows and who leads.
#[derive(Debug)]
pub(crate) struct Duel {
    shadows: [Shadow; Window::ALL.len()],
    entries: usize,
    /// One of 2^shift keys is sampled.
    shift: u32,
    leader: usize,
    /// Sampled uses in this epoch.
    uses: usize,
}

impl Duel {
    /// How many entries a shadow has for a cache of that limit; none if it is too small to tell
    /// anything.
    pub(crate) fn entries_for(limit_bytes: u64) -> Option<usize> {
        let each = limit_bytes / BYTES_PART / Window::ALL.len() as u64 / Self::entry_bytes();
        let entries = each.min(ENTRIES_MAX);
        (entries >= ENTRIES_MIN).then_some(1 << entries.ilog2())
    }

    /// Node, bucket and counters.
    const fn entry_bytes() -> u64 {
        (size_of::<Node>() + size_of::<u32>() + size_of::<u64>()) as u64
    }

    /// Bytes that shadows of so many entries take; they never grow.
    pub(crate) fn bytes_for(entries: usize) -> u64 {
        let one = Nodes::bytes_of(entries)
            + Table::default().bytes_for(entries)
            + Hybrid::new().bytes_for(entries);
        one * Window::ALL.len() as u64
    }

    pub(crate) fn new(entries: usize) -> Self {
        let shadows = Window::ALL.map(|window| Shadow::new(window, entries));
        let duel = Self { shadows, entries, shift: 0, leader: 0, uses: 0 };
        let bytes: u64 = duel.shadows.iter().map(Shadow::heap_bytes).sum();
        debug_assert_eq!(bytes, Self::bytes_for(entries), "shadows take what was charged");
        duel
    }

    /// How many entries each shadow has room for.
    pub(crate) fn entries(&self) -> usize {
        self.entries
    }

    /// Whether a key is in a sample.
    pub(crate) fn samples(shift: u32, hash: u64) -> bool {
        mix(hash) & ((1 << shift) - 1) == 0
    }

    /// Follows the number of entries of the cache with the sample, which is returned: one of two
    /// to the power of it is taken. After a change the shadows begin anew, and the leader leads on.
    pub(crate) fn follow(&mut self, items: usize) -> u32 {
        let expected = self.entries * EXPECTED_PERCENT / 100;
        let shift = items.div_ceil(expected.max(1)).next_power_of_two().ilog2();
        if shift > self.shift || shift + 1 < self.shift {
            self.shift = shift;
            self.uses = 0;
            for shadow in &mut self.shadows {
                while let Some(at) = shadow.order.victim(&mut shadow.nodes) {
                    shadow.remove(at);
                }
                shadow.score = 0;
            }
        }
        self.shift
    }

    /// A sampled key was found or came in; `bytes` is what the whole cache holds when it is full.
    /// Returns the window to follow.
    pub(crate) fn ask(&mut self, node: Node, bytes: u64) -> Window {
        for shadow in &mut self.shadows {
            shadow.ask(node, bytes >> self.shift);
        }
        self.uses += 1;
        if self.uses >= self.entries {
            self.uses = 0;
            self.judge();
        }
        Window::ALL[self.leader]
    }

    fn judge(&mut self) {
        let scores = self.shadows.each_ref().map(|shadow| shadow.score);
        let best = (0..scores.len()).max_by_key(|at| (scores[*at], usize::MAX - at));
        let best = best.unwrap_or(self.leader);
        if scores[best] > scores[self.leader] / 1000 * (1000 + MARGIN_PERMILLE) {
            self.leader = best;
        }
        for shadow in &mut self.shadows {
            shadow.score = shadow.score / 100 * KEPT_PERCENT;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vectorizer_testkit::traces::Trace;

    /// The window that is followed at the end of a trace.
    fn followed(trace: Trace) -> u16 {
        let mut duel = Duel::new(1024);
        let mut window = Window::ALL[0];
        for key in trace.keys(5000, 200_000, 500) {
            window = duel.ask(Node::new(mix(key), 48, 1), 500 * 48);
        }
        window.permille
    }

    #[test]
    fn a_loop_is_met_by_frequency_and_a_drift_by_more_recency() {
        assert_eq!(followed(Trace::Loop), 10);
        assert_eq!(followed(Trace::Zipf09Scan), 10);
        let mut duel = Duel::new(1024);
        // Each key three times at about the same time, and never again.
        let mut window = Window::ALL[0];
        for at in 0..200_000_u64 {
            let key = (at / 300) * 100 + at % 100;
            window = duel.ask(Node::new(mix(key), 48, 1), 150 * 48);
        }
        assert!(window.permille > 10, "{window:?}");
    }

    #[test]
    fn shadows_take_what_is_charged_and_only_where_there_is_enough() {
        assert_eq!(Duel::entries_for(100 << 10), None);
        assert_eq!(Duel::entries_for(1 << 40), Some(2048));
        for limit in [1 << 20, 5 << 20, 100 << 20] {
            let entries = Duel::entries_for(limit).unwrap();
            assert!(Duel::bytes_for(entries) <= limit / 30, "{entries} for {limit}");
            drop(Duel::new(entries));
        }
    }

    #[test]
    fn the_sample_follows_the_number_of_entries() {
        let mut duel = Duel::new(1024);
        assert_eq!(duel.follow(700), 0);
        assert_eq!(duel.follow(100_000), 8);
        assert_eq!(duel.follow(60_000), 8, "not at every change");
        assert_eq!(duel.follow(20_000), 5);
    }
}
