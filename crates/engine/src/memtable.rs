//! The newest rows of a shard, column by column, scanned flat: a write is searchable when it is
//! acknowledged, with no graph to lock.
//!
//! Invariants:
//! - one thread applies, many read; a row never changes after it was appended, except that it is
//!   marked dead once, at the sequence number of what superseded it;
//! - a row is visible at `s` if it was written at or before `s` and was not dead at `s`;
//! - all rows of one id are chained from the newest to the oldest.

mod chunk;
mod codes;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use vectorizer_memory::Reservation;
use vectorizer_model::settings::{Quantization, VectorSettings};
use vectorizer_model::value::heap_bytes;
use vectorizer_model::{
    CollectionSettings, Ordinal, Payload, PointId, SegmentId, SequenceNumber, VectorName,
};

pub(crate) use chunk::{Chunk, NewRow, RowView};

/// Most rows of one chunk: enough to scan fast, few enough that a reader of the chunk being filled
/// delays its writer by microseconds.
const CHUNK_ROWS_MAX: u32 = 1024;
/// A chunk is one allocation for each column, so wide rows come in chunks of fewer.
const CHUNK_BYTES: u64 = 512 << 10;
/// Bytes of a patch besides its payload: its entries in two maps at their worst load, its history
/// and the count of its readers.
pub(crate) const PATCH_OVERHEAD_BYTES: u64 = 288;
/// No earlier row of this id.
const NONE: u32 = u32::MAX;

/// A segment's row with another payload than the one it was flushed with.
#[derive(Debug, Clone)]
pub(crate) struct Patch {
    pub(crate) seq: SequenceNumber,
    pub(crate) payload: Arc<Payload>,
}

/// One vector name's shape in a memtable.
#[derive(Debug, Clone)]
pub(crate) struct ColumnShape {
    pub(crate) name: VectorName,
    pub(crate) settings: VectorSettings,
    /// Whether full chunks have codes.
    pub(crate) coded: bool,
}

/// All patches of one segment in one memtable: oldest first for each row.
pub(crate) type SegmentPatches = HashMap<Ordinal, Vec<Patch>>;

/// The rows and payload patches since the last flush.
#[derive(Debug)]
pub(crate) struct Memtable {
    chunk_rows: u32,
    columns: Arc<[ColumnShape]>,
    chunks: RwLock<Vec<Arc<RwLock<Chunk>>>>,
    newest: RwLock<HashMap<PointId, u32>>,
    patches: RwLock<HashMap<SegmentId, SegmentPatches>>,
    charges: Mutex<Vec<Reservation>>,
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

impl Memtable {
    /// An empty memtable for points of these settings.
    pub(crate) fn new(settings: &CollectionSettings) -> Self {
        let columns = settings
            .vectors
            .iter()
            .map(|(name, vector)| ColumnShape {
                name: name.clone(),
                settings: vector.clone(),
                coded: is_coded(vector, settings),
            })
            .collect();
        Self {
            chunk_rows: chunk_rows(settings),
            columns,
            chunks: RwLock::default(),
            newest: RwLock::default(),
            patches: RwLock::default(),
            charges: Mutex::default(),
        }
    }

    /// Bytes that a row of these settings takes besides its payload and id-map entry.
    pub(crate) fn row_bytes(settings: &CollectionSettings) -> u64 {
        let component = |vector| if is_coded(vector, settings) { 5 } else { 4 };
        let vectors = settings.vectors.values().map(|v| u64::from(v.dim) * component(v) + 1);
        vectors.sum::<u64>() + chunk::ROW_OVERHEAD_BYTES
    }

    /// Bytes of the room that a memtable with so many rows has for more of them, at most: while a
    /// chunk grows both its allocations are there.
    pub(crate) fn slack_bytes(settings: &CollectionSettings, rows: u64) -> u64 {
        let rows_max = chunk_rows(settings) as usize;
        let rows = usize::try_from(rows).unwrap_or(usize::MAX).min(rows_max);
        let room = if rows == 0 { 0 } else { Chunk::room_for(rows, rows_max) };
        Self::row_bytes(settings) * room as u64
    }

    /// Charges bytes that were taken already, unless the budget has no more: then only the
    /// measurement of the process knows of them until the next flush.
    pub(crate) fn charge_growth(&self, bytes: u64) {
        if let Some(held) = self.charges().last_mut() {
            held.try_grow(bytes).ok();
        }
    }

    fn charges(&self) -> MutexGuard<'_, Vec<Reservation>> {
        self.charges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over the bytes that were reserved for what is about to be applied.
    pub(crate) fn absorb(&self, mut reservation: Reservation) {
        let mut charges = self.charges();
        let merged = charges.last_mut().is_some_and(|held| held.merge(&mut reservation).is_ok());
        if !merged {
            charges.push(reservation);
        }
    }

    /// Bytes charged for this memtable.
    pub(crate) fn charged_bytes(&self) -> u64 {
        self.charges().iter().map(Reservation::bytes).sum()
    }

    /// The shapes of its vector columns.
    pub(crate) fn columns(&self) -> &Arc<[ColumnShape]> {
        &self.columns
    }

    /// Rows, dead ones included.
    pub(crate) fn rows(&self) -> u32 {
        let chunks = read(&self.chunks);
        chunks.last().map_or(0, |last| {
            let full = u32::try_from(chunks.len() - 1).unwrap_or(u32::MAX);
            full.saturating_mul(self.chunk_rows).saturating_add(read(last).len())
        })
    }

    /// Appends a row, chained to the id's earlier row, which must be dead or marked next.
    pub(crate) fn append(&self, row: NewRow<'_>) -> u32 {
        let id = row.id;
        let mut newest = write(&self.newest);
        let previous = newest.get(&id).copied().unwrap_or(NONE);
        let (chunk, base) = self.chunk_to_fill();
        let within = write(&chunk).push(row, previous);
        if within + 1 == self.chunk_rows {
            // Readers go on meanwhile; nobody else writes.
            read(&chunk).seal(&self.columns);
        }
        let number = base + within;
        newest.insert(id, number);
        number
    }

    fn chunk_to_fill(&self) -> (Arc<RwLock<Chunk>>, u32) {
        let mut chunks = write(&self.chunks);
        let full = chunks.last().is_none_or(|last| read(last).len() >= self.chunk_rows);
        if full {
            chunks.push(Arc::new(RwLock::new(Chunk::new(&self.columns, self.chunk_rows as usize))));
        }
        let at = chunks.len() - 1;
        let base = u32::try_from(at).unwrap_or(u32::MAX / self.chunk_rows) * self.chunk_rows;
        (Arc::clone(&chunks[at]), base)
    }

    /// Runs `with` on one row.
    pub(crate) fn with_row<T>(
        &self,
        number: u32,
        with: impl FnOnce(RowView<'_>) -> T,
    ) -> Option<T> {
        let chunk = Arc::clone(read(&self.chunks).get((number / self.chunk_rows) as usize)?);
        let chunk = read(&chunk);
        chunk.row(number % self.chunk_rows).map(with)
    }

    /// Marks a row as superseded at `seq`; the first mark stands.
    pub(crate) fn kill(&self, number: u32, seq: SequenceNumber) -> bool {
        self.with_row(number, |row| row.kill(seq)).unwrap_or(false)
    }

    /// The id's row that is visible at `seq`.
    pub(crate) fn find(&self, id: PointId, seq: SequenceNumber) -> Option<u32> {
        let mut number = *read(&self.newest).get(&id)?;
        loop {
            let step = self.with_row(number, |row| {
                if row.seq <= seq { Err(row.is_visible(seq)) } else { Ok(row.previous) }
            })?;
            match step {
                Err(visible) => return visible.then_some(number),
                Ok(NONE) => return None,
                Ok(previous) => number = previous,
            }
        }
    }

    /// The chunks as they stand now, oldest rows first, each with the number of its first row.
    pub(crate) fn chunks(&self) -> Vec<(u32, Arc<RwLock<Chunk>>)> {
        (0..).step_by(self.chunk_rows as usize).zip(read(&self.chunks).iter().cloned()).collect()
    }

    /// Gives a segment's row another payload from `seq` on.
    pub(crate) fn patch(&self, segment: SegmentId, ordinal: Ordinal, patch: Patch) {
        write(&self.patches).entry(segment).or_default().entry(ordinal).or_default().push(patch);
    }

    /// The row's newest patch at `seq`.
    pub(crate) fn find_patch(
        &self,
        segment: SegmentId,
        ordinal: Ordinal,
        seq: SequenceNumber,
    ) -> Option<Patch> {
        let patches = read(&self.patches);
        let history = patches.get(&segment)?.get(&ordinal)?;
        history.iter().rev().find(|patch| patch.seq <= seq).cloned()
    }

    /// The rows of a segment that have a patch at `seq`, sorted.
    pub(crate) fn patched_rows(&self, segment: SegmentId, seq: SequenceNumber) -> Vec<Ordinal> {
        let patches = read(&self.patches);
        let Some(of_segment) = patches.get(&segment) else { return Vec::new() };
        let mut rows: Vec<Ordinal> = of_segment
            .iter()
            .filter(|(_, history)| history.first().is_some_and(|patch| patch.seq <= seq))
            .map(|(&ordinal, _)| ordinal)
            .collect();
        rows.sort_unstable();
        rows
    }

    /// Bytes that [`Self::copy_patches`] of these segments takes at most; payloads are shared.
    pub(crate) fn copied_bytes(&self, merged: &[SegmentId]) -> u64 {
        let patches = read(&self.patches);
        let histories = merged.iter().filter_map(|from| patches.get(from)).flat_map(|s| s.values());
        histories.map(|history| history.len() as u64 * PATCH_OVERHEAD_BYTES).sum()
    }

    /// Gives the patches of segments that were merged to the rows that took their place too.
    pub(crate) fn copy_patches(
        &self,
        merged: &[SegmentId],
        into: SegmentId,
        place: impl Fn(SegmentId, Ordinal) -> Option<Ordinal>,
    ) {
        let mut patches = write(&self.patches);
        for &from in merged {
            let Some(of_segment) = patches.get(&from) else { continue };
            let moved: SegmentPatches = of_segment
                .iter()
                .filter_map(|(&row, history)| Some((place(from, row)?, history.clone())))
                .collect();
            patches.entry(into).or_default().extend(moved);
        }
    }

    /// The segments that have patches here, sorted.
    pub(crate) fn patched_segments(&self) -> Vec<SegmentId> {
        let mut segments: Vec<SegmentId> = read(&self.patches).keys().copied().collect();
        segments.sort_unstable();
        segments
    }
}

/// Whether full chunks of a vector have codes. Those of stored vectors that are divided by their
/// length at each comparison have none.
fn is_coded(vector: &VectorSettings, collection: &CollectionSettings) -> bool {
    let quantization = vector.quantization.unwrap_or(collection.quantization);
    quantization == Quantization::Int8 && !vector.divides_by_length()
}

/// Rows of one chunk of a memtable of these settings.
fn chunk_rows(settings: &CollectionSettings) -> u32 {
    let rows = CHUNK_BYTES / Memtable::row_bytes(settings);
    u32::try_from(rows).unwrap_or(CHUNK_ROWS_MAX).clamp(1, CHUNK_ROWS_MAX)
}

/// Heap bytes of a payload, its nodes and texts rounded up by the allocator.
pub(crate) fn payload_bytes(payload: &Payload) -> u64 {
    let bytes = heap_bytes(payload);
    bytes + bytes / 4
}
