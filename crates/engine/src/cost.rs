//! What an operation will hold in memory, reserved before it is accepted.

use vectorizer_model::operation::PointSelector;
use vectorizer_model::{Condition, Operation, PointId};

use crate::deaths::DEATH_BYTES;
use crate::error::{EngineError, Result};
use crate::memtable::{Memtable, PATCH_OVERHEAD_BYTES, payload_bytes};
use crate::shard::Shard;
use crate::state::ShardState;
use crate::view::{Place, ReadView};

/// Bytes of an object that a path leads through.
const OBJECT_BYTES: u64 = 1024;

/// Checks an operation against a shard's settings and says what its memtable will take.
///
/// # Errors
/// [`EngineError::InvalidOperation`] names what does not fit; or a page cannot be read.
pub(crate) fn memtable_bytes(shard: &Shard, view: &ReadView, operation: &Operation) -> Result<u64> {
    let state = view.state();
    let invalid = |error: &dyn std::fmt::Display| EngineError::InvalidOperation(error.to_string());
    let bytes = match operation {
        Operation::Upsert(batch) => {
            batch.validate(&state.settings).map_err(|error| invalid(&error))?;
            let payloads: u64 = batch.payloads.iter().map(payload_bytes).sum();
            batch.len() as u64 * (Memtable::row_bytes(&state.settings) + DEATH_BYTES) + payloads
        }
        Operation::SetPayload { points, .. }
        | Operation::OverwritePayload { points, .. }
        | Operation::DeletePayload { points, .. }
        | Operation::ClearPayload { points }
        | Operation::Delete(points @ PointSelector::Filter(_)) => {
            let price = Price::new(view, operation);
            view.resolve(points)?.iter().map(|&id| price.of(id)).sum::<Result<u64>>()?
        }
        Operation::Delete(PointSelector::Ids(ids)) => ids.len() as u64 * DEATH_BYTES,
        Operation::UpdateSettings(settings) => {
            settings.validate().map_err(|error| invalid(&error))?;
            0
        }
        Operation::DropFieldIndex { key } if !state.settings.field_indexes.contains_key(key) => {
            return Err(EngineError::FieldIndexNotFound { key: key.clone() });
        }
        Operation::DropFieldIndex { .. } | Operation::CreateFieldIndex { .. } => 0,
        Operation::CreateCollection { .. } | Operation::DropCollection { .. } => {
            return Err(invalid(&"collections are created and dropped through the catalogue"));
        }
    };
    Ok(bytes + added_slack(&shard.state(), operation_rows(operation)))
}

/// Bytes that so many more rows of a memtable take beyond themselves: rows are allocated before
/// there are so many.
pub(crate) fn added_slack(state: &ShardState, rows: u64) -> u64 {
    let held = u64::from(state.active.rows());
    let slack = |rows| Memtable::slack_bytes(&state.settings, rows);
    slack(held + rows).saturating_sub(slack(held))
}

/// Rows that an operation appends to a memtable, at most. One that names points by filter lists them.
fn operation_rows(operation: &Operation) -> u64 {
    if let Operation::Upsert(batch) = operation {
        return batch.len() as u64;
    }
    let listed = |condition: &Condition| {
        if let Condition::HasId(ids) = condition { Some(ids.len()) } else { None }
    };
    let rows = match operation.selector() {
        None => 0,
        Some(_) if matches!(operation, Operation::Delete(_)) => 0,
        Some(PointSelector::Ids(ids)) => ids.len(),
        Some(PointSelector::Filter(filter)) => filter.must.iter().find_map(listed).unwrap_or(0),
    };
    rows as u64
}

/// What an operation takes for each point that it concerns.
pub(crate) struct Price<'a> {
    view: &'a ReadView,
    row: u64,
    /// Bytes of the payload that it brings.
    brought: u64,
    /// Whether the payload from before stays, at least in part.
    keeps: bool,
    deletes: bool,
}

impl<'a> Price<'a> {
    pub(crate) fn new(view: &'a ReadView, operation: &Operation) -> Self {
        let (mut brought, mut keeps) = (0, matches!(operation, Operation::DeletePayload { .. }));
        if let Operation::SetPayload { payload, at, .. } = operation {
            let nested = at.as_ref().map_or(0, |at| at.steps().len() as u64);
            (brought, keeps) = (payload_bytes(payload) + nested * OBJECT_BYTES, true);
        } else if let Operation::OverwritePayload { payload, .. } = operation {
            brought = payload_bytes(payload);
        }
        let deletes = matches!(operation, Operation::Delete(_));
        Self { view, row: Memtable::row_bytes(view.settings()), brought, keeps, deletes }
    }

    /// Bytes for one point: a death, a payload patch, or a memtable's row written again with its
    /// vectors. A point that is not there takes nothing.
    pub(crate) fn of(&self, id: PointId) -> Result<u64> {
        let Some(place) = self.view.locate(id)? else { return Ok(0) };
        if self.deletes {
            return Ok(DEATH_BYTES);
        }
        Ok(match place {
            Place::Memtable(memtable, row) => {
                let kept = || memtable.with_row(row, |row| payload_bytes(row.payload()));
                let kept = if self.keeps { kept().unwrap_or(0) } else { 0 };
                self.row + self.brought + kept
            }
            Place::Segment(live, ordinal) => {
                let kept = self.keeps.then(|| self.view.payload_of(live, ordinal)).transpose()?;
                let kept = kept.map_or(0, |payload| payload_bytes(&payload));
                PATCH_OVERHEAD_BYTES + self.brought + kept
            }
        })
    }
}

/// Whether the filter of a selector can be evaluated.
///
/// # Errors
/// [`EngineError::InvalidOperation`] says why not.
pub(crate) fn check_selector(points: &PointSelector) -> Result<()> {
    match points {
        PointSelector::Ids(_) => Ok(()),
        PointSelector::Filter(filter) => {
            filter.validate().map_err(|error| EngineError::InvalidOperation(error.to_string()))
        }
    }
}
