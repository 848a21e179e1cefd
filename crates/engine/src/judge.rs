//! Judging rows of one segment by their payloads, where no index does; what was judged once is
//! known from then on.

use std::sync::Arc;

use roaring::RoaringBitmap;
use vectorizer_cache::Cached;
use vectorizer_model::encode::encode_filter;
use vectorizer_model::{Condition, Filter, Ordinal, PointId};
use vectorizer_payload::matches;

use crate::error::Result;
use crate::predicate_cache::{PredicateCache, PredicateKey};
use crate::state::LiveSegment;
use crate::verdicts::{Asked, Verdicts};
use crate::view::ReadView;

/// Predicates of more bytes are not kept.
const PREDICATE_BYTES_MAX: usize = 4 << 10;
/// With fewer rows judged, what is known is not worth being kept anew.
const JUDGED_MIN: u32 = 16;
/// Rows and bytes of payloads that are read in one step.
const RUN_ROWS_MAX: u32 = 256;
const RUN_BYTES_MAX: usize = 64 << 10;
/// Rows of a run that follows no other.
const RUN_ROWS_MIN: u32 = 8;
/// Rows that are judged besides, by whoever asks what was asked before: so a predicate that comes
/// again and again is answered for all rows soon, and one that never does costs nothing more.
const BESIDES_ROWS: u32 = 2048;
/// What is not asked for its id has any.
const ANY_ID: PointId = PointId::Num(0);

/// Judges rows of a segment by their payloads.
pub(crate) struct Judge<'a> {
    view: &'a ReadView,
    live: &'a LiveSegment,
    predicate: Filter,
    names_ids: bool,
    /// Rows that were patched after they were flushed.
    changed: Option<Arc<RoaringBitmap>>,
    /// Where verdicts are kept; none if they are not.
    kept_as: Option<(&'a PredicateCache, PredicateKey)>,
    /// What was known from the start.
    kept: Option<Arc<Cached<Verdicts>>>,
    /// That, and what was found out since.
    asked: Option<Asked>,
    /// Where the last run ended, and its rows.
    run: (u32, u32),
}

impl<'a> Judge<'a> {
    pub(crate) fn new(
        view: &'a ReadView,
        live: &'a LiveSegment,
        predicate: Filter,
        changed: Option<Arc<RoaringBitmap>>,
    ) -> Self {
        let names_ids = names_ids(&predicate);
        let kept_as = view.row_caches().filter(|_| !names_ids).and_then(|caches| {
            let mut bytes = Vec::new();
            encode_filter(&predicate, &mut bytes);
            if bytes.len() > PREDICATE_BYTES_MAX {
                return None;
            }
            let segment = view.segment_key(live);
            Some((&caches.predicates, PredicateKey { segment, predicate: bytes.into() }))
        });
        let kept = kept_as.as_ref().and_then(|(cache, key)| cache.find(key));
        let run = (0, 0);
        Self { view, live, predicate, names_ids, changed, kept_as, kept, asked: None, run }
    }

    /// Judges some rows besides, if the predicate was asked before and not of all rows.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub(crate) fn go_on(&mut self) -> Result<()> {
        let unasked = |asked: &Asked| asked.next_unasked(0);
        let Some(first) = self.kept.as_ref().and_then(|kept| unasked(kept.some()?)) else {
            return Ok(());
        };
        let end = first.saturating_add(BESIDES_ROWS).min(self.live.segment.rows());
        let mut from = first;
        while from < end {
            from = self.judge_run(from, end - from)?;
        }
        Ok(())
    }

    /// Whether a row is admitted.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub(crate) fn admits(&mut self, row: Ordinal) -> Result<bool> {
        match self.known(row) {
            Some(admitted) => Ok(admitted),
            None => self.judge_one(row),
        }
    }

    /// The same, where the rows after it will be asked too.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub(crate) fn admits_in_turn(&mut self, row: Ordinal) -> Result<bool> {
        if let Some(admitted) = self.known(row) {
            return Ok(admitted);
        }
        if self.names_ids || self.is_changed(row) {
            return self.judge_one(row);
        }
        let rows = match self.run {
            (end, rows) if end == row.0 => (rows * 2).min(RUN_ROWS_MAX),
            _ => RUN_ROWS_MIN,
        };
        let end = self.judge_run(row.0, rows)?;
        self.run = (end, rows);
        self.known(row).map_or_else(|| self.judge_one(row), Ok)
    }

    /// The first row at or after `from` that is not known to be left out.
    pub(crate) fn next_open(&self, from: Ordinal) -> Option<Ordinal> {
        let open = match (&self.asked, &self.kept) {
            (Some(asked), _) => asked.next_open(from.0),
            (None, Some(kept)) => kept.next_open(from.0),
            (None, None) => return Some(from),
        };
        let changed = self.changed.as_ref().and_then(|changed| changed.range(from.0..).next());
        open.into_iter().chain(changed).min().map(Ordinal)
    }

    /// Whether a row's payload is still to be read.
    pub(crate) fn must_read(&self, row: Ordinal) -> bool {
        self.known(row).is_none()
    }

    fn is_changed(&self, row: Ordinal) -> bool {
        self.changed.as_ref().is_some_and(|changed| changed.contains(row.0))
    }

    fn known(&self, row: Ordinal) -> Option<bool> {
        let known = match (&self.asked, &self.kept) {
            (Some(asked), _) => asked.of(row.0),
            (None, Some(kept)) => kept.of(row.0),
            (None, None) => None,
        };
        known.filter(|_| !self.is_changed(row))
    }

    fn judge_one(&mut self, row: Ordinal) -> Result<bool> {
        let segment = &self.live.segment;
        let id = if self.names_ids { segment.id_of(row)? } else { ANY_ID };
        if self.is_changed(row) {
            return Ok(matches(&self.predicate, id, &*self.view.payload_of(self.live, row)?));
        }
        let admitted = matches(&self.predicate, id, &segment.flushed_payload(row)?);
        self.asked().note(row.0, admitted);
        Ok(admitted)
    }

    /// Judges the payloads that rows from `first` on were flushed with, as many as are read in one
    /// step; returns the row after the last.
    fn judge_run(&mut self, first: u32, rows: u32) -> Result<u32> {
        let rows = first..first.saturating_add(rows.min(RUN_ROWS_MAX));
        let predicate = std::mem::take(&mut self.predicate);
        let live = self.live;
        let asked = self.asked();
        let end = live.segment.show_flushed(rows, RUN_BYTES_MAX, |row, payload| {
            asked.note(row.0, matches(&predicate, ANY_ID, payload));
        });
        self.predicate = predicate;
        Ok(end?.0)
    }

    /// What is known, to be added to.
    fn asked(&mut self) -> &mut Asked {
        let (kept, rows) = (self.kept.as_ref(), self.live.segment.rows());
        self.asked.get_or_insert_with(|| {
            let some = kept.and_then(|kept| kept.some()).cloned();
            some.unwrap_or_else(|| Asked::none_of(rows))
        })
    }
}

impl Drop for Judge<'_> {
    /// Keeps what was found out for those who ask next.
    fn drop(&mut self) {
        let (Some((cache, key)), Some(asked)) = (self.kept_as.take(), self.asked.take()) else {
            return;
        };
        let before = self.kept.take().map_or(0, |kept| kept.some().map_or(0, Asked::count));
        if asked.count() - before >= JUDGED_MIN || asked.is_complete() {
            let count = asked.count();
            cache.keep(key, asked.into_verdicts(), count, self.view.tenant());
        }
    }
}

/// Whether a filter asks for ids.
fn names_ids(filter: &Filter) -> bool {
    let mut all = filter.must.iter().chain(&filter.should).chain(&filter.must_not);
    all.any(|condition| match condition {
        Condition::HasId(_) => true,
        Condition::Filter(inner) => names_ids(inner),
        Condition::Field { .. } | Condition::IsEmpty(_) => false,
    })
}
