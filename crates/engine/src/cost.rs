//! What an operation will hold in memory, reserved before it is accepted.

use vectorizer_model::encode::encoded_payload_bytes;
use vectorizer_model::operation::PointSelector;
use vectorizer_model::{Operation, Payload};

use crate::error::{EngineError, Result};
use crate::memtable::Memtable;
use crate::shard::Shard;

/// Heap bytes of a payload for each encoded byte: strings and tree nodes have headers.
const PAYLOAD_EXPANSION: u64 = 4;
/// Bytes of a patch besides its payload.
const PATCH_OVERHEAD_BYTES: u64 = 160;

/// Checks an operation against a shard's settings and says what its memtable will take.
///
/// # Errors
/// [`EngineError::InvalidOperation`] names what does not fit.
pub(crate) fn memtable_bytes(shard: &Shard, operation: &Operation) -> Result<u64> {
    let state = shard.state();
    let invalid = |error: &dyn std::fmt::Display| EngineError::InvalidOperation(error.to_string());
    let row = Memtable::row_bytes(&state.settings);
    match operation {
        Operation::Upsert(batch) => {
            batch.validate(&state.settings).map_err(|error| invalid(&error))?;
            let payloads: u64 = batch.payloads.iter().map(payload_bytes).sum();
            Ok(batch.len() as u64 * row + payloads)
        }
        Operation::SetPayload { points, payload, .. }
        | Operation::OverwritePayload { points, payload } => {
            check_selector(points)?;
            let each = row + PATCH_OVERHEAD_BYTES + payload_bytes(payload);
            Ok(selected(shard, points) * each)
        }
        Operation::DeletePayload { points, .. } | Operation::ClearPayload { points } => {
            check_selector(points)?;
            Ok(selected(shard, points) * (row + PATCH_OVERHEAD_BYTES))
        }
        Operation::Delete(points) => {
            check_selector(points)?;
            Ok(0)
        }
        Operation::UpdateSettings(settings) => {
            settings.validate().map_err(|error| invalid(&error))?;
            Ok(0)
        }
        Operation::DropFieldIndex { key } if !state.settings.field_indexes.contains_key(key) => {
            Err(EngineError::FieldIndexNotFound { key: key.clone() })
        }
        Operation::DropFieldIndex { .. } | Operation::CreateFieldIndex { .. } => Ok(0),
        Operation::CreateCollection { .. } | Operation::DropCollection { .. } => {
            Err(invalid(&"collections are created and dropped through the catalogue"))
        }
    }
}

fn payload_bytes(payload: &Payload) -> u64 {
    if payload.is_empty() { 0 } else { encoded_payload_bytes(payload) * PAYLOAD_EXPANSION }
}

fn check_selector(points: &PointSelector) -> Result<()> {
    match points {
        PointSelector::Ids(_) => Ok(()),
        PointSelector::Filter(filter) => {
            filter.validate().map_err(|error| EngineError::InvalidOperation(error.to_string()))
        }
    }
}

/// Points that a selector may name: what it lists, or at most what the shard holds.
fn selected(shard: &Shard, points: &PointSelector) -> u64 {
    match points {
        PointSelector::Ids(ids) => ids.len() as u64,
        PointSelector::Filter(_) => {
            let state = shard.state();
            let rows = |live: &crate::shard::LiveSegment| u64::from(live.segment.rows());
            let segments: u64 = state.segments.iter().map(rows).sum();
            let frozen = state.frozen.as_ref().map_or(0, |f| u64::from(f.memtable.rows()));
            // A filter rarely matches everything; what it matches beyond this is flushed first.
            (segments + frozen + u64::from(state.active.rows())).min(65_536)
        }
    }
}
