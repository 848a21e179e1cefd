//! A run of a memtable's rows in columns.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use vectorizer_model::{Payload, PointId, SequenceNumber};

use super::ColumnShape;
use super::codes::ChunkCodes;

/// Bytes of a row besides vectors and payload: id, sequence numbers, chain, payload header, and
/// its entry in the id map: key, value and control byte, where the map has just grown and both the
/// old table and the new one, less than half full, are there.
pub(super) const ROW_OVERHEAD_BYTES: u64 = 32 + 8 + 8 + 4 + 24 + 168;

/// What a row is made of.
#[derive(Debug)]
pub(crate) struct NewRow<'a> {
    pub(crate) id: PointId,
    pub(crate) seq: SequenceNumber,
    /// One for each of the memtable's columns, in their order; shape `[dim]`.
    pub(crate) vectors: &'a [Option<&'a [f32]>],
    pub(crate) payload: Payload,
}

#[derive(Debug)]
struct Column {
    dim: usize,
    present: Vec<bool>,
    /// Shape `[rows, dim]`; absent rows hold zeros.
    values: Vec<f32>,
    /// Of a full chunk, unless its values are scanned as they are.
    codes: OnceLock<ChunkCodes>,
}

/// Rows that the first allocation of a chunk holds; each further one holds twice as many. Few rows
/// are all that many collections have.
const ROWS_MIN: usize = 16;

/// Up to a fixed number of rows.
#[derive(Debug)]
pub(crate) struct Chunk {
    rows_max: usize,
    ids: Vec<PointId>,
    seqs: Vec<SequenceNumber>,
    dead_at: Vec<AtomicU64>,
    previous: Vec<u32>,
    columns: Vec<Column>,
    payloads: Vec<Payload>,
}

/// One row of a chunk.
#[derive(Debug)]
pub(crate) struct RowView<'a> {
    chunk: &'a Chunk,
    at: usize,
    pub(crate) id: PointId,
    pub(crate) seq: SequenceNumber,
    pub(crate) previous: u32,
}

impl Chunk {
    pub(super) fn new(shapes: &[ColumnShape], rows_max: usize) -> Self {
        let column = |shape: &ColumnShape| Column {
            dim: shape.settings.dim as usize,
            present: Vec::new(),
            values: Vec::new(),
            codes: OnceLock::new(),
        };
        Self {
            rows_max,
            ids: Vec::new(),
            seqs: Vec::new(),
            dead_at: Vec::new(),
            previous: Vec::new(),
            columns: shapes.iter().map(column).collect(),
            payloads: Vec::new(),
        }
    }

    /// Rows that a chunk of `rows_max` has room for once it holds `rows`.
    pub(super) fn room_for(rows: usize, rows_max: usize) -> usize {
        rows.next_power_of_two().max(ROWS_MIN).min(rows_max)
    }

    /// Makes room for another row.
    fn grow(&mut self) {
        let rows = self.ids.len();
        if rows < self.ids.capacity() {
            return;
        }
        let more = Self::room_for(rows + 1, self.rows_max).max(rows + 1) - rows;
        self.ids.reserve_exact(more);
        self.seqs.reserve_exact(more);
        self.dead_at.reserve_exact(more);
        self.previous.reserve_exact(more);
        self.payloads.reserve_exact(more);
        for column in &mut self.columns {
            column.present.reserve_exact(more);
            column.values.reserve_exact(more * column.dim);
        }
    }

    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.ids.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn push(&mut self, row: NewRow<'_>, previous: u32) -> u32 {
        self.grow();
        let at = self.len();
        self.ids.push(row.id);
        self.seqs.push(row.seq);
        self.dead_at.push(AtomicU64::new(SequenceNumber::MAX.0));
        self.previous.push(previous);
        for (column, vector) in self.columns.iter_mut().zip(row.vectors) {
            column.present.push(vector.is_some());
            match vector {
                Some(values) => column.values.extend_from_slice(values),
                None => column.values.resize(column.values.len() + column.dim, 0.0),
            }
        }
        self.payloads.push(row.payload);
        at
    }

    /// Encodes the columns that want codes, once no row will be added.
    pub(super) fn seal(&self, shapes: &[ColumnShape]) {
        for (column, shape) in self.columns.iter().zip(shapes).filter(|(_, shape)| shape.coded) {
            if let Some(codes) = ChunkCodes::of(&shape.settings, &column.values) {
                column.codes.set(codes).ok();
            }
        }
    }

    /// The codes of a column, if it has them.
    pub(crate) fn codes(&self, column: usize) -> Option<&ChunkCodes> {
        self.columns.get(column)?.codes.get()
    }

    pub(crate) fn row(&self, at: u32) -> Option<RowView<'_>> {
        let at = at as usize;
        let id = *self.ids.get(at)?;
        Some(RowView { chunk: self, at, id, seq: self.seqs[at], previous: self.previous[at] })
    }

    /// Its rows, oldest first.
    pub(crate) fn rows(&self) -> impl Iterator<Item = RowView<'_>> {
        (0..self.len()).filter_map(|at| self.row(at))
    }
}

impl<'a> RowView<'a> {
    /// Whether the row is there for a reader at `seq`.
    pub(crate) fn is_visible(&self, seq: SequenceNumber) -> bool {
        self.seq <= seq && seq < self.dead_at()
    }

    /// When it was superseded; [`SequenceNumber::MAX`] if it was not.
    pub(crate) fn dead_at(&self) -> SequenceNumber {
        SequenceNumber(self.chunk.dead_at[self.at].load(Ordering::Acquire))
    }

    pub(super) fn kill(&self, seq: SequenceNumber) -> bool {
        self.chunk.dead_at[self.at]
            .compare_exchange(SequenceNumber::MAX.0, seq.0, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// One of its vectors, by column; shape `[dim]`.
    pub(crate) fn vector(&self, column: usize) -> Option<&'a [f32]> {
        let column = self.chunk.columns.get(column)?;
        if !*column.present.get(self.at)? {
            return None;
        }
        column.values.get(self.at * column.dim..(self.at + 1) * column.dim)
    }

    pub(crate) fn payload(&self) -> &'a Payload {
        &self.chunk.payloads[self.at]
    }
}
