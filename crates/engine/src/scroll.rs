//! Pages of ids in ascending order.

use std::collections::BinaryHeap;
use std::ops::Range;

use vectorizer_model::{Ordinal, PointId, Selection as _};
use vectorizer_segment::Segment;

use crate::besides::Besides;
use crate::error::Result;
use crate::leaf::LeafScroll;
use crate::selection::RowSelection;
use crate::view::ReadView;

/// Rows in the order of ids that are read side by side.
const AHEAD: u32 = 64;
/// Rows that lie apart are met before it is asked whether all of a segment would cost less.
const APART_MIN: u64 = 256;
/// So many rows that lie side by side are read as fast as one that lies apart.
const APART_COST: u64 = 8;

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

    /// Ids from this one on are too high.
    fn end(&self) -> Option<PointId> {
        self.heap.peek().copied().filter(|_| self.heap.len() >= self.limit)
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
            let segment = &live.segment;
            let place =
                |id: Option<PointId>, none| id.map_or(Ok(none), |id| segment.lower_bound(id));
            let places = place(scroll.from, 0)?..place(lowest.end(), segment.rows())?;
            if admits_few(&selection, segment.rows(), wanted) {
                push_all(&mut selection, segment, places, &mut lowest)?;
            } else {
                push_in_turn(&mut selection, segment, places, &mut lowest)?;
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
fn admits_few(selection: &RowSelection<'_>, rows: u32, wanted: usize) -> bool {
    let admitted = selection.cardinality().rows();
    let met = (wanted as u64).saturating_mul(rows.into()) / admitted.max(1);
    admitted < met
}

/// Pushes every admitted id of some places, as their rows lie.
fn push_all(
    selection: &mut RowSelection<'_>,
    segment: &Segment,
    mut places: Range<u32>,
    lowest: &mut LowestIds,
) -> Result<()> {
    let (mut from, end) = (Ordinal(0), Ordinal(segment.rows()));
    while !places.is_empty()
        && let Some(row) = selection.next(from, end)?
    {
        from = Ordinal(row.0 + 1);
        let place = segment.place_of(row)?;
        // Ids of later places are higher still.
        if places.contains(&place) && !lowest.push(segment.id_at(place)?) {
            places.end = place;
        }
    }
    Ok(())
}

/// Pushes admitted ids of some places in their order, until enough are known. Where that takes too
/// many rows that lie apart, the segment is read as it lies.
fn push_in_turn(
    selection: &mut RowSelection<'_>,
    segment: &Segment,
    mut places: Range<u32>,
    lowest: &mut LowestIds,
) -> Result<()> {
    let (mut admitted, mut apart, mut beside) = (0, 0, None);
    while !places.is_empty() {
        if apart >= APART_MIN && selection.reads_rows() {
            let wanted = (lowest.limit as u64).saturating_sub(admitted).max(1);
            let left = wanted.saturating_mul(apart) / admitted.max(1);
            if left.min(places.len() as u64) * APART_COST > u64::from(segment.rows()) {
                return push_all(selection, segment, places, lowest);
            }
        }
        let run = places.start..places.start.saturating_add(AHEAD).min(places.end);
        places.start = run.end;
        let rows = run.clone().map(|place| segment.row_at(place));
        let rows = rows.collect::<std::result::Result<Vec<_>, _>>()?;
        selection.prefetch(&rows);
        for (place, row) in run.zip(rows) {
            apart += u64::from(beside.is_some_and(|beside| beside != row));
            beside = Some(Ordinal(row.0 + 1));
            if !selection.admits(row)? {
                continue;
            }
            admitted += 1;
            // Later rows have higher ids still.
            if !lowest.push(segment.id_at(place)?) {
                return Ok(());
            }
        }
    }
    Ok(())
}
