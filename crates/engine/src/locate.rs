//! Where a point lies among segments.

use vectorizer_model::{Ordinal, PointId, SequenceNumber};

use crate::error::Result;
use crate::state::LiveSegment;

/// The segment and row that hold a point at `seq`.
pub(crate) fn locate_in_segments(
    segments: &[LiveSegment],
    id: PointId,
    seq: SequenceNumber,
) -> Result<Option<(usize, Ordinal)>> {
    for (at, live) in segments.iter().enumerate().rev() {
        if let Some(ordinal) = live.segment.find(id)?
            && !live.deaths.is_dead(ordinal, seq)
        {
            return Ok(Some((at, ordinal)));
        }
    }
    Ok(None)
}
