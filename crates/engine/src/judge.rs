//! Judging rows of one segment by their payloads, where no index does; what was judged once is
//! known from then on.

use std::sync::Arc;

use roaring::RoaringBitmap;
use vectorizer_cache::Cached;
use vectorizer_model::encode::encode_filter_within;
use vectorizer_model::{Condition, Filter, Ordinal, PointId};
use vectorizer_payload::matches;

use crate::besides::{BESIDES_BYTES, Besides};
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
    /// So many rows more than before are worth being kept.
    worth: u32,
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
            let bytes = encode_filter_within(&predicate, PREDICATE_BYTES_MAX)?;
            let segment = view.segment_key(live);
            Some((&caches.predicates, PredicateKey { segment, predicate: bytes.into() }))
        });
        let kept = kept_as.as_ref().and_then(|(cache, key)| cache.find(key));
        let run = (0, 0);
        Self {
            view,
            live,
            predicate,
            names_ids,
            changed,
            kept_as,
            kept,
            asked: None,
            run,
            worth: JUDGED_MIN,
        }
    }

    /// Judges some rows besides, if the predicate was asked before and not of all rows. A failure
    /// ends it: nobody asked for these rows.
    pub(crate) fn go_on(&mut self, besides: &mut Besides) {
        let is_unfinished = |kept: &Arc<Cached<Verdicts>>| kept.count().is_some();
        if !self.kept.as_ref().is_some_and(is_unfinished) {
            return;
        }
        let mut from = 0;
        while !besides.is_spent() {
            let Some(first) = self.asked().next_unasked(from) else { return };
            // However few: the next query goes on from there.
            self.worth = 1;
            match self.judge_besides(first, besides) {
                Ok(next) => from = next,
                Err(_) => *besides = Besides::nothing(),
            }
        }
    }

    /// Judges rows from one on as far as may be; returns the row after them.
    fn judge_besides(&mut self, first: u32, besides: &mut Besides) -> Result<u32> {
        let mut run = self.judge_run(first, besides.rows, besides.bytes.min(RUN_BYTES_MAX))?;
        if run.0 == first {
            run = self.judge_run(first, 1, besides.bytes)?;
        }
        let (mut end, bytes) = run;
        let is_too_large = end == first;
        if is_too_large && besides.bytes < BESIDES_BYTES {
            // It may fit what the next query has.
            *besides = Besides::nothing();
        }
        end = end.max(first.saturating_add(1));
        besides.rows = besides.rows.saturating_sub(end - first);
        besides.bytes -= bytes;
        Ok(end)
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
        // What fails a run may be a row that nobody asks for, or that all are read in one step.
        self.run = match self.judge_run(row.0, rows, RUN_BYTES_MAX) {
            Ok((end, _)) if end > row.0 => (end, rows),
            Ok(_) | Err(_) => (row.0 + 1, RUN_ROWS_MIN / 2),
        };
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

    /// Whether the payload that a row was flushed with is still to be read.
    pub(crate) fn must_read(&self, row: Ordinal) -> bool {
        self.known(row).is_none() && !self.is_changed(row)
    }

    /// Whether no payload is to be read.
    pub(crate) fn knows_all(&self) -> bool {
        self.changed.is_none() && self.kept.as_ref().is_some_and(|kept| kept.count().is_none())
    }

    /// At most how many rows of the segment are admitted, if all but changed ones are known.
    pub(crate) fn admitted_at_most(&self) -> Option<u64> {
        let admitted = self.kept.as_ref()?.admitted()?;
        Some(admitted + self.changed.as_ref().map_or(0, |changed| changed.len()))
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
    /// step of so many bytes, which may be none; returns the row after the last, and their bytes.
    fn judge_run(&mut self, first: u32, rows: u32, bytes_max: usize) -> Result<(u32, usize)> {
        let rows = first..first.saturating_add(rows.min(RUN_ROWS_MAX));
        let predicate = std::mem::take(&mut self.predicate);
        let live = self.live;
        let asked = self.asked();
        let shown = live.segment.show_flushed(rows, bytes_max, |row, payload| {
            asked.note(row.0, matches(&predicate, ANY_ID, payload));
        });
        self.predicate = predicate;
        let (end, bytes) = shown?;
        Ok((end.0, bytes))
    }

    /// What is known, to be added to.
    fn asked(&mut self) -> &mut Asked {
        let (kept, rows) = (self.kept.as_ref(), self.live.segment.rows());
        self.asked.get_or_insert_with(|| match kept.map(|kept| &***kept) {
            Some(Verdicts::Partial(asked)) => asked.clone(),
            Some(kept) => {
                let mut asked = Asked::none_of(rows);
                asked.add(kept);
                asked
            }
            None => Asked::none_of(rows),
        })
    }
}

impl Drop for Judge<'_> {
    /// Keeps what was found out for those who ask next.
    fn drop(&mut self) {
        let (Some((cache, key)), Some(asked)) = (self.kept_as.take(), self.asked.take()) else {
            return;
        };
        let kept = self.kept.take();
        let before = kept.as_ref().and_then(|kept| kept.count()).unwrap_or(0);
        if asked.count() - before >= self.worth || asked.is_complete() {
            cache.keep(key, asked, kept, self.view.tenant());
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
