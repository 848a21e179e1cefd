//! Rows that no link leads to any more, linked again.
//!
//! A list that is full chooses anew and drops links; the last one to a row may be among them,
//! above all among rows that are equal. After the build such a row is linked from the nearest
//! reached row whose list has room.

use vectorizer_model::{Ordinal, RowScorer};

use crate::Links;
use crate::insert::{Inserter, Site};

/// What links of layer 0 lead to from the entry.
struct Reached {
    seen: Vec<bool>,
    left: Vec<u32>,
    links: Vec<Ordinal>,
}

impl Reached {
    /// Follows the links of a row that was just reached.
    fn spread<S>(&mut self, site: &Site<'_, S>, from: Ordinal) {
        self.seen[from.index()] = true;
        self.left.push(from.0);
        while let Some(row) = self.left.pop() {
            let Ok(()) = (&mut &*site.growing).neighbors(0, Ordinal(row), &mut self.links);
            for link in &self.links {
                if !std::mem::replace(&mut self.seen[link.index()], true) {
                    self.left.push(link.0);
                }
            }
        }
    }
}

/// Bytes of memory in use meanwhile, besides the inserter's.
pub(crate) fn bytes_needed(rows: usize) -> u64 {
    rows as u64 * (1 + 4)
}

/// Links rows that cannot be reached, as far as lists near them have room. Only one thread works
/// on the graph by now. False if cancelled.
pub(crate) fn mend<S: RowScorer>(
    site: &Site<'_, S>,
    inserter: &mut Inserter,
    cancelled: &dyn Fn() -> bool,
) -> bool {
    let Some((entry, _)) = site.growing.entry() else {
        return true;
    };
    let rows = site.scorer.rows();
    let mut reached =
        Reached { seen: vec![false; rows], left: Vec::with_capacity(rows), links: Vec::new() };
    reached.spread(site, entry);
    for row in (0..rows).map(Ordinal::from_index) {
        if reached.seen[row.index()] {
            continue;
        }
        if cancelled() {
            return false;
        }
        let near = inserter.nearest(site, row);
        let room = near.filter(|near| near.ordinal != row && reached.seen[near.ordinal.index()]);
        let linked = room.map(|near| site.growing.lock(0, near.ordinal)).any(|list| list.add(row));
        if linked {
            reached.spread(site, row);
        }
    }
    true
}
