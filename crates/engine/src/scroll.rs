//! Pages of ids in ascending order.

use std::collections::BinaryHeap;

use vectorizer_model::{Ordinal, PointId, Selection as _};

use crate::besides::Besides;
use crate::error::Result;
use crate::leaf::LeafScroll;
use crate::selection::RowSelection;
use crate::state::LiveSegment;
use crate::view::ReadView;

/// Rows in the order of ids that are read side by side.
const AHEAD: u32 = 64;

/// The lowest of the ids that were pushed.
struct LowestIds {
    limit: usize,
    heap: BinaryHeap<PointId>,
}

impl LowestIds {
    /// Whether the id is among the lowest so far.
    fn push(&mut self, id: PointId) -> bool {
        if self.heap.len() < self.limit {
            self.heap.push(id);
            return true;
        }
        match self.heap.peek_mut() {
            Some(mut highest) if id < *highest => {
                *highest = id;
                true
            }
            _ => false,
        }
    }
}

impl ReadView {
    /// A page of ids in ascending order, and the id that the next page starts with.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub fn scroll(&self, scroll: &LeafScroll) -> Result<(Vec<PointId>, Option<PointId>)> {
        let wanted = scroll.limit.saturating_add(1);
        let _held = self.reserve(self.page_bytes(scroll.limit))?;
        let mut lowest = LowestIds { limit: wanted, heap: BinaryHeap::new() };
        self.for_each_memtable_row(&scroll.filter, |row| {
            if scroll.from.is_none_or(|from| row.id >= from) {
                lowest.push(row.id);
            }
        });
        for live in &self.state.segments {
            // The next page asks for the next rows.
            let mut besides = Besides::nothing();
            let mut selection = RowSelection::new(self, live, &scroll.filter, None, &mut besides)?;
            if admits_few(&selection, live, wanted) {
                push_all(&mut selection, live, scroll.from, &mut lowest)?;
            } else {
                push_in_turn(&mut selection, live, scroll.from, &mut lowest)?;
            }
        }
        let mut ids = lowest.heap.into_sorted_vec();
        let next = ids.get(scroll.limit).copied();
        ids.truncate(scroll.limit);
        Ok((ids, next))
    }
}

/// Whether all admitted rows are fewer than those that are met in the order of ids until enough of
/// them are admitted.
fn admits_few(selection: &RowSelection<'_>, live: &LiveSegment, wanted: usize) -> bool {
    let (admitted, rows) = (selection.cardinality().rows(), u64::from(live.segment.rows()));
    let met = (wanted as u64).saturating_mul(rows) / admitted.max(1);
    admitted < met
}

/// Pushes every admitted id.
fn push_all(
    selection: &mut RowSelection<'_>,
    live: &LiveSegment,
    first: Option<PointId>,
    lowest: &mut LowestIds,
) -> Result<()> {
    let (mut from, end) = (Ordinal(0), Ordinal(live.segment.rows()));
    while let Some(row) = selection.next(from, end)? {
        let id = live.segment.id_of(row)?;
        if first.is_none_or(|first| id >= first) {
            lowest.push(id);
        }
        from = Ordinal(row.0 + 1);
    }
    Ok(())
}

/// Pushes admitted ids in their order, until enough are known.
fn push_in_turn(
    selection: &mut RowSelection<'_>,
    live: &LiveSegment,
    first: Option<PointId>,
    lowest: &mut LowestIds,
) -> Result<()> {
    let segment = &live.segment;
    let from = first.map_or(Ok(0), |id| segment.lower_bound(id))?;
    let mut places = from..segment.rows();
    while !places.is_empty() {
        let run = places.start..places.start.saturating_add(AHEAD).min(places.end);
        places.start = run.end;
        let rows =
            run.map(|place| segment.row_at(place)).collect::<std::result::Result<Vec<_>, _>>()?;
        selection.prefetch(&rows);
        for row in rows {
            // Later rows have higher ids still.
            if selection.admits(row)? && !lowest.push(segment.id_of(row)?) {
                return Ok(());
            }
        }
    }
    Ok(())
}
