//! Links while a graph is built: many threads read and write them.
//!
//! A list is a block of atomic slots that readers load without a lock. A reader may meet a list
//! half old, half new; every slot it can see is a row that was linked, so that the worst it gets
//! is one detour. Writers of one list take turns by a lock shared among many lists.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use vectorizer_model::Ordinal;

use crate::Links;
use crate::graph::Graph;
use crate::links::{NO_LINK, end_list};
use crate::upper::{Layer, UpperLayers};

/// Locks for all lists; far more than threads, so that they rarely wait.
const LOCKS: usize = 1024;

/// One layer's lists.
#[derive(Debug)]
struct Lists {
    /// Its rows, ascending; empty on layer 0, where every row has a list.
    nodes: Vec<u32>,
    /// Slots of a list.
    stride: usize,
    slots: Vec<AtomicU32>,
}

impl Lists {
    fn new(nodes: Vec<u32>, lists: usize, stride: usize) -> Self {
        let mut slots = Vec::new();
        slots.reserve_exact(lists * stride);
        slots.extend((0..lists * stride).map(|_| AtomicU32::new(NO_LINK)));
        Self { nodes, stride, slots }
    }

    fn list(&self, of: Ordinal) -> &[AtomicU32] {
        let at = if self.nodes.is_empty() {
            Some(of.index())
        } else {
            self.nodes.binary_search(&of.0).ok()
        };
        at.map_or(&[], |at| &self.slots[at * self.stride..(at + 1) * self.stride])
    }
}

/// A graph under construction.
#[derive(Debug)]
pub(crate) struct Growing {
    /// The highest layer of each row.
    levels: Vec<u8>,
    /// Where searches start now: a row that is linked, on the highest layer that has links.
    entry: Option<(Ordinal, u8)>,
    layers: Vec<Lists>,
    m: usize,
    locks: Vec<Mutex<()>>,
    hint: fn(&[AtomicU32]),
}

impl Growing {
    /// Bytes that a graph under construction holds: all links, and the locks. `upper` is the sum
    /// of the rows' levels, `slots` those of a list on layer 0.
    pub(crate) fn bytes_needed(rows: usize, upper: u64, (slots, m): (u32, u32)) -> u64 {
        let locks = (LOCKS * size_of::<Mutex<()>>()) as u64;
        let rows = rows as u64;
        rows + rows * 4 * u64::from(slots) + upper * 4 * (1 + u64::from(m)) + locks
    }

    /// Empty lists for all rows on all their layers, of `slots` on layer 0 and `m` above, and no
    /// entry yet.
    pub(crate) fn new(levels: Vec<u8>, (slots, m): (u32, u32), hint: fn(&[AtomicU32])) -> Self {
        let rows = levels.len();
        let top = levels.iter().copied().max().unwrap_or(0);
        let mut nodes: Vec<Vec<u32>> = vec![Vec::new(); usize::from(top)];
        for (row, level) in (0..).zip(&levels) {
            for nodes in nodes.iter_mut().take(usize::from(*level)) {
                nodes.push(row);
            }
        }
        let (slots, m) = (slots as usize, m as usize);
        let mut layers = vec![Lists::new(Vec::new(), rows, slots)];
        for mut nodes in nodes {
            nodes.shrink_to_fit();
            let lists = nodes.len();
            layers.push(Lists::new(nodes, lists, m));
        }
        let locks = (0..LOCKS).map(|_| Mutex::new(())).collect();
        Self { levels, entry: None, layers, m, locks, hint }
    }

    /// The highest layer of a row.
    pub(crate) fn level(&self, of: Ordinal) -> u8 {
        self.levels[of.index()]
    }

    /// The first of these rows on the highest layer among them.
    pub(crate) fn highest(&self, rows: impl Iterator<Item = u32>) -> Option<(Ordinal, u8)> {
        let first_highest = |row: &u32| (self.level(Ordinal(*row)), std::cmp::Reverse(*row));
        rows.max_by_key(first_highest).map(|row| (Ordinal(row), self.level(Ordinal(row))))
    }

    /// Whether a row has links.
    pub(crate) fn is_linked(&self, of: Ordinal) -> bool {
        self.layers[0].list(of).first().is_some_and(|slot| slot.load(Relaxed) != NO_LINK)
    }

    /// Lets searches start at a row.
    pub(crate) fn set_entry(&mut self, entry: (Ordinal, u8)) {
        self.entry = Some(entry);
    }

    /// Where a row lies among those of an upper layer; 0 if it does not lie there.
    pub(crate) fn rank(&self, level: u8, of: Ordinal) -> u32 {
        let nodes = self.layers.get(usize::from(level)).map_or(&[][..], |lists| &lists.nodes);
        #[expect(clippy::cast_possible_truncation, reason = "at most ROWS_MAX")]
        nodes.binary_search(&of.0).map_or(0, |at| at as u32)
    }

    /// Slots of each list of a layer.
    pub(crate) fn stride(&self, level: u8) -> usize {
        self.layers[usize::from(level)].stride
    }

    /// Takes a row's list on a layer for writing.
    pub(crate) fn lock(&self, level: u8, of: Ordinal) -> LockedList<'_> {
        let lock = self.locks[of.index() % LOCKS].lock();
        LockedList {
            slots: self.layers[usize::from(level)].list(of),
            _lock: lock.unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// The finished graph; allocates nothing.
    pub(crate) fn finish(self) -> Graph {
        let plain = |slots: Vec<AtomicU32>| slots.into_iter().map(AtomicU32::into_inner).collect();
        let mut layers = self.layers.into_iter();
        let level0 = layers.next();
        let upper = layers.map(|lists| Layer { nodes: lists.nodes, links: plain(lists.slots) });
        Graph {
            rows: self.levels.len(),
            upper: UpperLayers {
                m: self.m,
                entry: self.entry.map(|(entry, _)| entry),
                layers: upper.collect(),
            },
            level0: level0.map(|lists| plain(lists.slots)).unwrap_or_default(),
        }
    }
}

/// A list that only its holder writes.
pub(crate) struct LockedList<'a> {
    slots: &'a [AtomicU32],
    _lock: MutexGuard<'a, ()>,
}

impl LockedList<'_> {
    /// Replaces `out` by the list.
    pub(crate) fn read(&self, out: &mut Vec<Ordinal>) {
        out.clear();
        out.extend(self.slots.iter().map(|slot| Ordinal(slot.load(Relaxed))));
        end_list(out);
    }

    /// Replaces the list; links beyond its slots are dropped.
    pub(crate) fn write(&self, links: impl Iterator<Item = Ordinal>) {
        let ends = std::iter::repeat(NO_LINK);
        for (slot, link) in self.slots.iter().zip(links.map(|link| link.0).chain(ends)) {
            slot.store(link, Relaxed);
        }
    }

    /// Adds a link, if the list has room.
    pub(crate) fn add(&self, link: Ordinal) -> bool {
        let free = self.slots.iter().find(|slot| slot.load(Relaxed) == NO_LINK);
        if let Some(slot) = free {
            slot.store(link.0, Relaxed);
        }
        free.is_some()
    }
}

impl Links for &Growing {
    type Error = Infallible;

    fn rows(&self) -> usize {
        self.levels.len()
    }

    fn entry(&self) -> Option<(Ordinal, u8)> {
        self.entry
    }

    #[inline]
    fn prefetch(&mut self, ordinals: &[Ordinal]) {
        for ordinal in ordinals {
            (self.hint)(self.layers[0].list(*ordinal));
        }
    }

    #[inline]
    fn neighbors(
        &mut self,
        level: u8,
        of: Ordinal,
        out: &mut Vec<Ordinal>,
    ) -> Result<(), Self::Error> {
        let slots = self.layers[usize::from(level)].list(of);
        out.clear();
        out.extend(slots.iter().map(|slot| Ordinal(slot.load(Relaxed))));
        // A list that is being rewritten may end early and go on behind its end.
        let end = out.iter().position(|link| link.0 == NO_LINK);
        out.truncate(end.unwrap_or(out.len()));
        Ok(())
    }
}
