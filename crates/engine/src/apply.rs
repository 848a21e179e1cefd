//! Applying one entry of the log: a pure function of the state before it and of the entry.
//!
//! Nothing here can refuse for lack of memory or because of the clock: what was committed is
//! applied, on every replica and at every replay alike.

use std::borrow::Cow;
use std::sync::Arc;

use vectorizer_kernels::normalise;
use vectorizer_model::operation::{PointBatch, PointSelector};
use vectorizer_model::{CollectionSettings, Operation, Ordinal, Payload, PointId, SequenceNumber};
use vectorizer_payload::{delete_keys, set_at};

use crate::applied::Applied;
use crate::error::{EngineError, Result};
use crate::locate::locate_in_segments;
use crate::memtable::{ColumnShape, Memtable, NewRow, PATCH_OVERHEAD_BYTES, Patch, payload_bytes};
use crate::shard::Shard;
use crate::state::ShardState;
use crate::view::ReadView;

/// Where the visible version of a point lies.
#[derive(Debug, Clone, Copy)]
enum Location {
    Active(u32),
    Frozen(u32),
    Segment(usize, Ordinal),
}

/// One operation being applied. The caller holds the applier's lock.
struct Apply<'a> {
    shard: &'a Arc<Shard>,
    state: Arc<ShardState>,
    seq: SequenceNumber,
    /// Bytes that were reserved for it.
    reserved: u64,
}

impl Shard {
    /// Applies the next operation and shows it to readers.
    ///
    /// # Errors
    /// [`EngineError::InvalidOperation`] and its like: the operation does not fit the state; it
    /// changed nothing, here and on every replica. Any other error is a disk that failed: the
    /// shard must stop.
    pub(crate) fn apply(
        self: &Arc<Self>,
        seq: SequenceNumber,
        operation: &Operation,
        reserved: u64,
    ) -> Result<Applied> {
        let _applier = self.lock_applier();
        let apply = Apply { shard: self, state: self.state(), seq, reserved };
        let points = apply.run(operation);
        if points.is_ok() {
            self.advance(seq);
        }
        points.map(|points| Applied { seq, points })
    }
}

impl Apply<'_> {
    fn run(&self, operation: &Operation) -> Result<u64> {
        match operation {
            Operation::Upsert(batch) => self.upsert(batch),
            Operation::Delete(points) => self.delete(points),
            Operation::SetPayload { points, payload, at } => {
                self.change_payloads(points, |old| set_at(old, at.as_ref(), payload))
            }
            Operation::OverwritePayload { points, payload } => {
                self.change_payloads(points, |old| old.clone_from(payload))
            }
            Operation::DeletePayload { points, keys } => {
                self.change_payloads(points, |old| delete_keys(old, keys))
            }
            Operation::ClearPayload { points } => {
                self.change_payloads(points, |old| *old = Payload::new())
            }
            Operation::UpdateSettings(settings) => {
                self.replace_settings((**settings).clone());
                Ok(0)
            }
            Operation::CreateFieldIndex { key, kind } => {
                let mut settings = (*self.state.settings).clone();
                settings.field_indexes.insert(key.clone(), *kind);
                self.replace_settings(settings);
                Ok(0)
            }
            Operation::DropFieldIndex { key } => {
                let mut settings = (*self.state.settings).clone();
                settings.field_indexes.remove(key);
                self.replace_settings(settings);
                Ok(0)
            }
            Operation::CreateCollection { .. } | Operation::DropCollection { .. } => {
                Err(EngineError::InvalidOperation("a catalogue entry in a shard's log".to_owned()))
            }
        }
    }

    fn replace_settings(&self, settings: CollectionSettings) {
        let mut state = (*self.state).clone();
        state.settings = Arc::new(settings);
        self.shard.publish(state);
    }

    fn upsert(&self, batch: &PointBatch) -> Result<u64> {
        batch
            .validate(&self.state.settings)
            .map_err(|error| EngineError::InvalidOperation(error.to_string()))?;
        let columns = Arc::clone(self.state.active.columns());
        let prepared: Vec<_> = columns.iter().map(|shape| Prepared::new(shape, batch)).collect();
        let mut next = vec![0; columns.len()];
        for (row, &id) in batch.ids.iter().enumerate() {
            let vectors: Vec<Option<&[f32]>> = prepared
                .iter()
                .zip(&mut next)
                .map(|(column, next)| column.take(row, next))
                .collect();
            if let Some(location) = self.locate(id)? {
                self.supersede(location);
            }
            let payload = batch.payloads.get(row).cloned().unwrap_or_default();
            self.state.active.append(NewRow { id, seq: self.seq, vectors: &vectors, payload });
        }
        Ok(batch.ids.len() as u64)
    }

    fn delete(&self, points: &PointSelector) -> Result<u64> {
        let mut deleted = 0;
        for &id in self.view().resolve(points)?.iter() {
            if let Some(location) = self.locate(id)? {
                self.supersede(location);
                deleted += 1;
            }
        }
        Ok(deleted)
    }

    fn change_payloads(
        &self,
        points: &PointSelector,
        change: impl Fn(&mut Payload),
    ) -> Result<u64> {
        let (mut changed, mut taken) = (0, 0);
        for &id in self.view().resolve(points)?.iter() {
            let Some(location) = self.locate(id)? else { continue };
            taken += match location {
                Location::Active(row) => self.rewrite(&self.state.active, row, location, &change),
                Location::Frozen(row) => match &self.state.frozen {
                    Some(frozen) => self.rewrite(&frozen.memtable, row, location, &change),
                    None => 0,
                },
                Location::Segment(at, ordinal) => {
                    let live = &self.state.segments[at];
                    let mut payload = (*self.view().payload_of(live, ordinal)?).clone();
                    change(&mut payload);
                    let bytes = PATCH_OVERHEAD_BYTES + payload_bytes(&payload);
                    let patch = Patch { seq: self.seq, payload: Arc::new(payload) };
                    self.state.active.patch(live.segment.id(), ordinal, patch);
                    bytes
                }
            };
            changed += 1;
        }
        // Writes that were applied since the reservation may have made payloads larger.
        self.state.active.charge_growth(taken.saturating_sub(self.reserved));
        Ok(changed)
    }

    /// Appends a memtable's row again with another payload; the bytes that it takes.
    fn rewrite(
        &self,
        memtable: &Memtable,
        row: u32,
        location: Location,
        change: &impl Fn(&mut Payload),
    ) -> u64 {
        let copied = memtable.with_row(row, |row| {
            let vectors: Vec<Option<Vec<f32>>> = (0..memtable.columns().len())
                .map(|column| row.vector(column).map(<[f32]>::to_vec))
                .collect();
            (row.id, vectors, row.payload().clone())
        });
        let Some((id, vectors, mut payload)) = copied else { return 0 };
        change(&mut payload);
        let bytes = Memtable::row_bytes(&self.state.settings) + payload_bytes(&payload);
        self.supersede(location);
        let vectors: Vec<Option<&[f32]>> = vectors.iter().map(Option::as_deref).collect();
        self.state.active.append(NewRow { id, seq: self.seq, vectors: &vectors, payload });
        bytes
    }

    /// What this operation sees. Caches reserve bytes, which nobody does who holds the applier's
    /// lock.
    fn view(&self) -> ReadView {
        ReadView::new(Arc::clone(self.shard), Arc::clone(&self.state), self.seq).uncached()
    }

    /// The visible version of a point, this operation's own writes included.
    fn locate(&self, id: PointId) -> Result<Option<Location>> {
        if let Some(row) = self.state.active.find(id, self.seq) {
            return Ok(Some(Location::Active(row)));
        }
        if let Some(frozen) = &self.state.frozen
            && let Some(row) = frozen.memtable.find(id, self.seq)
        {
            return Ok(Some(Location::Frozen(row)));
        }
        let found = locate_in_segments(&self.state.segments, id, self.seq)?;
        Ok(found.map(|(at, ordinal)| Location::Segment(at, ordinal)))
    }

    fn supersede(&self, location: Location) {
        let first = match location {
            Location::Active(row) => self.state.active.kill(row, self.seq),
            Location::Frozen(row) => {
                self.state.frozen.as_ref().is_some_and(|f| f.memtable.kill(row, self.seq))
            }
            Location::Segment(at, row) => self.state.segments[at].deaths.kill(row, self.seq),
        };
        debug_assert!(first, "a visible row dies once");
    }
}

/// One column of a batch as it is stored: rounded to its datatype, normalised for cosine.
struct Prepared<'a> {
    dim: usize,
    values: Cow<'a, [f32]>,
    present: &'a [bool],
    given: bool,
}

impl<'a> Prepared<'a> {
    fn new(shape: &ColumnShape, batch: &'a PointBatch) -> Self {
        let dim = shape.settings.dim as usize;
        let Some(column) = batch.vectors.iter().find(|column| column.name == shape.name) else {
            return Self { dim, values: Cow::Borrowed(&[]), present: &[], given: false };
        };
        let mut values = Cow::Borrowed(column.values.as_slice());
        if shape.settings.stores_normalised() {
            values.to_mut().chunks_exact_mut(dim).for_each(|row| {
                normalise(row);
            });
        }
        if shape.settings.datatype.bytes() < 4 {
            values.to_mut().iter_mut().for_each(|v| *v = shape.settings.datatype.round(*v));
        }
        Self { dim, values, present: &column.present, given: true }
    }

    /// The row's vector, if it has one; rows are asked for in order.
    fn take(&self, row: usize, next: &mut usize) -> Option<&[f32]> {
        if !self.given || !self.present.get(row).copied().unwrap_or(true) {
            return None;
        }
        let start = *next * self.dim;
        *next += 1;
        self.values.get(start..start + self.dim)
    }
}
