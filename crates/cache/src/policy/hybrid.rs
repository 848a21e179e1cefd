//! Recency, frequency, size and refill cost together.
//!
//! What comes in passes a window in order of use. What leaves the window contends with what was
//! kept longest without use: whichever is worth less for each byte goes, where worth is uses
//! lately times refill cost. The use that brought the newcomer in does not count, and a tie is
//! lost: so a scan changes nothing, and of a loop larger than the cache a part stays that is found
//! in every round. How large the window should be depends on the load; see `duel`.
//!
//! Source: `W-TinyLFU` (Einziger, Friedman & Manes 2017, doi:10.1145/3149371); differs: the tie
//! rule, worth for each byte as in GDSF (Cherkasova 1998), the choice of the window.

use crate::list::OrderList;
use crate::nodes::{NONE, Node, Nodes, Region};
use crate::policy::Order;
use crate::sketch::Sketch;

/// The part of a cache, in bytes, that is kept by recency alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) permille: u16,
}

impl Window {
    /// What is tried: nearly all by frequency, which comes first; a part by recency; all by it.
    pub(crate) const ALL: [Self; 3] =
        [Self { permille: 10 }, Self { permille: 200 }, Self { permille: 1000 }];
}

/// Of what is kept beyond the window, the part that was used there.
const PROTECTED_PERCENT: u64 = 80;
/// A window that is larger than it should be by this part of itself gives up entries without a
/// contest, so many at a time.
const SURPLUS_PART: u64 = 8;
const SURPLUS_STEP: usize = 64;
/// Uses under another policy that are remembered.
const USES_REMEMBERED: u64 = 7;

/// Three lists and a memory of uses.
#[derive(Debug)]
pub(crate) struct Hybrid {
    window: OrderList,
    probation: OrderList,
    protected: OrderList,
    sketch: Sketch,
    size: Window,
}

impl Hybrid {
    pub(crate) fn new() -> Self {
        Self {
            window: OrderList::new(),
            probation: OrderList::new(),
            protected: OrderList::new(),
            sketch: Sketch::default(),
            size: Window::ALL[0],
        }
    }

    fn weight(&self) -> u64 {
        self.window.weight() + self.probation.weight() + self.protected.weight()
    }

    fn list(&mut self, region: Region) -> &mut OrderList {
        match region {
            Region::Window => &mut self.window,
            Region::Probation => &mut self.probation,
            Region::Protected => &mut self.protected,
        }
    }

    fn shift(&mut self, nodes: &mut Nodes, at: u32, to: Region) {
        let from = nodes.get(at).region;
        self.list(from).remove(nodes, at);
        nodes.get_mut(at).region = to;
        self.list(to).push(nodes, at);
    }

    fn protect(&mut self, nodes: &mut Nodes, at: u32) {
        self.shift(nodes, at, Region::Protected);
        let most = (self.probation.weight() + self.protected.weight()) * PROTECTED_PERCENT / 100;
        while self.protected.weight() > most && self.protected.len() > 1 {
            let oldest = self.protected.tail();
            self.shift(nodes, oldest, Region::Probation);
        }
    }

    /// How many bytes the window should have.
    fn window_target(&self) -> u64 {
        self.weight() / 1000 * u64::from(self.size.permille)
    }

    fn average(&self) -> u64 {
        self.weight() / self.len().max(1) as u64
    }

    /// Moves a bounded number of entries out of a window that is too large. Contests alone would
    /// not: whoever comes in takes the place of whoever lost.
    fn shed_surplus(&mut self, nodes: &mut Nodes) {
        let target = self.window_target();
        let most = target + (target / SURPLUS_PART).max(2 * self.average());
        for _ in 0..SURPLUS_STEP {
            if self.window.weight() <= most || self.window.len() <= 1 {
                return;
            }
            let oldest = self.window.tail();
            self.shift(nodes, oldest, Region::Probation);
        }
    }

    /// Whether the next entry would make the window larger than it should be.
    fn window_is_full(&self) -> bool {
        self.window.weight() + self.average() > self.window_target()
    }

    /// Whether the newcomer is worth more for each byte than the one that was kept.
    fn wins(&self, newcomer: &Node, kept: &Node) -> bool {
        let before = self.sketch.count(newcomer.hash).saturating_sub(1);
        let gained = u128::from(before * u64::from(newcomer.cost)) * u128::from(kept.weight);
        let uses = self.sketch.count(kept.hash);
        let lost = u128::from(uses * u64::from(kept.cost)) * u128::from(newcomer.weight);
        gained > lost
    }
}

impl Order for Hybrid {
    fn insert(&mut self, nodes: &mut Nodes, at: u32) {
        let node = nodes.get_mut(at);
        node.region = Region::Window;
        let (hash, uses) = (node.hash, u64::from(node.uses).min(USES_REMEMBERED));
        let entries = self.len();
        self.sketch.add(hash, entries);
        let missing = uses.saturating_sub(self.sketch.count(hash));
        for _ in 0..missing {
            self.sketch.add(hash, entries);
        }
        self.window.push(nodes, at);
    }

    fn touch(&mut self, nodes: &mut Nodes, at: u32) {
        let Node { hash, region, .. } = *nodes.get(at);
        let entries = self.len();
        self.sketch.add(hash, entries);
        match region {
            Region::Window => self.window.renew(nodes, at),
            Region::Probation | Region::Protected => self.protect(nodes, at),
        }
    }

    fn remove(&mut self, nodes: &mut Nodes, at: u32) {
        let region = nodes.get(at).region;
        self.list(region).remove(nodes, at);
    }

    fn victim(&mut self, nodes: &mut Nodes) -> Option<u32> {
        self.shed_surplus(nodes);
        let kept = match self.probation.tail() {
            NONE => self.protected.tail(),
            oldest => oldest,
        };
        let newcomer = self.window.tail();
        if newcomer == NONE || (kept != NONE && !self.window_is_full()) {
            return (kept != NONE).then_some(kept);
        }
        if kept == NONE || !self.wins(nodes.get(newcomer), nodes.get(kept)) {
            return Some(newcomer);
        }
        self.shift(nodes, newcomer, Region::Probation);
        Some(kept)
    }

    fn len(&self) -> usize {
        self.window.len() + self.probation.len() + self.protected.len()
    }

    fn heap_bytes(&self) -> u64 {
        self.sketch.heap_bytes()
    }

    fn bytes_for(&self, entries: usize) -> u64 {
        self.sketch.bytes_for(entries)
    }

    fn make_room(&mut self, entries: usize) {
        self.sketch.grow(entries);
    }

    fn tune(&mut self, window: Window) {
        self.size = window;
    }
}
