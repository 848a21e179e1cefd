//! The payloads of segments' rows, as a view shows them: patches first, then what is kept, then
//! what is stored.

use std::sync::Arc;

use vectorizer_model::{Ordinal, Payload};

use crate::error::Result;
use crate::memtable::Patch;
use crate::payload_cache::RowKey;
use crate::row_caches::RowCaches;
use crate::state::LiveSegment;
use crate::view::{Place, ReadView};

impl ReadView {
    /// The payload of a segment's row, patches included.
    pub(crate) fn payload_of(&self, live: &LiveSegment, ordinal: Ordinal) -> Result<Arc<Payload>> {
        if let Some(patch) = self.fresh_patch(live, ordinal) {
            return Ok(patch.payload);
        }
        Ok(Arc::new(match live.segment.patched_payload(ordinal)? {
            Some(payload) => payload,
            None => self.flushed_payload(live, ordinal)?,
        }))
    }

    /// What replaced a row's payload since the last flush.
    fn fresh_patch(&self, live: &LiveSegment, ordinal: Ordinal) -> Option<Patch> {
        let id = live.segment.id();
        self.memtables().find_map(|table| table.find_patch(id, ordinal, self.seq()))
    }

    /// Whether the payload that a row was flushed with is to be read of its segment.
    fn must_read(&self, live: &LiveSegment, ordinal: Ordinal) -> bool {
        let key = RowKey { segment: self.segment_key(live), row: ordinal.0 };
        let is_kept = || self.row_caches().is_some_and(|c| c.payloads.cache.holds(&key));
        let is_patched = live.segment.patched().is_some_and(|rows| rows.contains(ordinal.0));
        !is_patched && self.fresh_patch(live, ordinal).is_none() && !is_kept()
    }

    /// The payload that a row was flushed with.
    fn flushed_payload(&self, live: &LiveSegment, ordinal: Ordinal) -> Result<Payload> {
        let segment = &live.segment;
        let Some(RowCaches { payloads, .. }) = self.row_caches() else {
            return Ok(segment.flushed_payload(ordinal)?);
        };
        let key = RowKey { segment: self.segment_key(live), row: ordinal.0 };
        if let Some(bytes) = payloads.find(key) {
            return Ok(segment.decode_flushed(&bytes, ordinal)?);
        }
        let bytes = segment.flushed_bytes(ordinal)?;
        let payload = segment.decode_flushed(&bytes, ordinal)?;
        payloads.offer(key, bytes, self.tenant());
        Ok(payload)
    }

    /// Reads the payloads that lie in segments side by side.
    pub(crate) fn prefetch_payloads(&self, places: &[Option<Place<'_>>]) {
        for live in &self.state().segments {
            let here = places.iter().flatten().filter_map(|place| match place {
                Place::Segment(other, ordinal) if std::ptr::eq(*other, live) => Some(*ordinal),
                Place::Segment(..) | Place::Memtable(..) => None,
            });
            let rows: Vec<Ordinal> = here.filter(|row| self.must_read(live, *row)).collect();
            if rows.len() > 1 {
                live.segment.prefetch_payloads(&rows);
            }
        }
    }
}
