//! In which order rows are written: similar ones side by side, so that a search that meets one
//! finds on its page others that it will want.
//!
//! The order is that of the vector that takes the most bytes. It is a matter of speed alone: where
//! there is no memory to find it, rows are written in the order of their ids.

use std::ops::Range;

use vectorizer_model::settings::VectorSettings;
use vectorizer_model::{Budget, Ordinal, PointId, SequenceNumber, VectorName};
use vectorizer_segment::{SimilarityTree, order_by_similarity, order_bytes_needed};

use crate::error::Result;
use crate::memtable::Memtable;
use crate::state::LiveSegment;

/// Bytes of vectors that are ordered at once.
const GROUP_BYTES: usize = 8 << 20;
/// Bytes of vectors that tell parts of a merge apart.
const SAMPLE_BYTES: usize = 8 << 20;
/// Rows that are read side by side, and their bytes: page frames must hold them at once.
const READ_ROWS: usize = 64;
const READ_BYTES: usize = 256 << 10;

/// The vector whose similarity orders rows; none if there are none.
fn leading<'a>(
    vectors: impl Iterator<Item = (&'a VectorName, &'a VectorSettings)>,
) -> Option<(usize, &'a VectorName, usize)> {
    let numbered = vectors.enumerate();
    let (at, (name, settings)) = numbered.max_by_key(|(at, (_, settings))| {
        let bytes = settings.dim as usize * settings.datatype.bytes();
        (bytes, std::cmp::Reverse(*at))
    })?;
    Some((at, name, settings.dim as usize))
}

/// Rows of so many components that are read side by side.
fn read_rows(dim: usize) -> usize {
    (READ_BYTES / (dim * size_of::<f32>()).max(1)).clamp(1, READ_ROWS)
}

/// Orders a memtable's rows, as far as there is memory for it.
pub(crate) fn order_memtable(
    memtable: &Memtable,
    rows: &[(PointId, u32)],
    budget: &mut dyn Budget,
) -> Vec<u32> {
    let mut rows: Vec<u32> = rows.iter().map(|(_, row)| *row).collect();
    let columns = memtable.columns();
    let vectors = columns.iter().map(|column| (&column.name, &column.settings));
    let Some((column, _, dim)) = leading(vectors) else { return rows };
    let needed = order_bytes_needed(rows.len(), dim);
    if budget.try_grow(needed).is_err() {
        return rows;
    }
    let vectors = |row: u32, to: &mut dyn FnMut(&[f32])| {
        memtable.with_row(row, |row| row.vector(column).map(&mut *to));
    };
    order_by_similarity(&mut rows, dim, &vectors);
    budget.shrink(needed);
    rows
}

/// A live row of a merge, and the part that its vector lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    part: u32,
    source: u32,
    row: Ordinal,
}

/// The live rows of a merge in the order in which they are written.
pub(crate) struct MergeOrder<'a> {
    sources: &'a [LiveSegment],
    name: &'a VectorName,
    dim: usize,
    entries: Vec<Entry>,
    /// What it took of the budget.
    held: u64,
}

/// A row to be written, by its source, and the vector that was read of it, shape `[dim]`, zeros if
/// it has none.
pub(crate) type OrderedRow<'a> = (usize, Ordinal, (&'a VectorName, &'a [f32]));

impl<'a> MergeOrder<'a> {
    /// Finds the order; none if there is no memory for it, or nothing to go by.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub(crate) fn find(
        sources: &'a [LiveSegment],
        vectors: impl Iterator<Item = (&'a VectorName, &'a VectorSettings)>,
        covered: SequenceNumber,
        budget: &mut dyn Budget,
    ) -> Result<Option<Self>> {
        let Some((_, name, dim)) = leading(vectors) else { return Ok(None) };
        let rows: usize = sources.iter().map(|live| live.segment.rows() as usize).sum();
        let sampled = (SAMPLE_BYTES / (dim * size_of::<f32>())).clamp(1, rows.max(1));
        let tree = SimilarityTree::bytes_needed(sampled, dim);
        let group = (rows * dim * size_of::<f32>()).min(GROUP_BYTES + dim * size_of::<f32>());
        let held = (rows * size_of::<Entry>() + group + sampled * dim * size_of::<f32>()) as u64
            + order_bytes_needed(group / (dim * size_of::<f32>()).max(1) + 1, dim)
            + tree;
        if budget.try_grow(held).is_err() {
            return Ok(None);
        }
        let mut order = Self { sources, name, dim, entries: Vec::with_capacity(rows), held };
        let sample = order.sample(rows.div_ceil(sampled), covered)?;
        let tree = SimilarityTree::of(&sample, dim);
        order.enter(&tree, covered)?;
        Ok(Some(order))
    }

    /// Every `step`th row that is alive.
    fn sample(&self, step: usize, covered: SequenceNumber) -> Result<Vec<f32>> {
        let mut sample = Vec::new();
        for live in self.sources {
            let rows = (0..live.segment.rows()).step_by(step).map(Ordinal);
            let rows: Vec<Ordinal> =
                rows.filter(|row| !live.deaths.is_dead(*row, covered)).collect();
            sample.reserve_exact(rows.len() * self.dim);
            for rows in rows.chunks(read_rows(self.dim)) {
                live.segment.read_vectors((self.name, self.dim), rows, &mut sample)?;
            }
        }
        Ok(sample)
    }

    /// Enters all live rows, by the part that they lie in.
    fn enter(&mut self, tree: &SimilarityTree, covered: SequenceNumber) -> Result<()> {
        let mut vectors = Vec::with_capacity(read_rows(self.dim) * self.dim);
        for (source, live) in (0..).zip(self.sources) {
            let mut alive = (0..live.segment.rows())
                .map(Ordinal)
                .filter(|row| !live.deaths.is_dead(*row, covered));
            loop {
                let rows: Vec<Ordinal> = alive.by_ref().take(read_rows(self.dim)).collect();
                if rows.is_empty() {
                    break;
                }
                vectors.clear();
                live.segment.read_vectors((self.name, self.dim), &rows, &mut vectors)?;
                let parts = vectors.chunks_exact(self.dim).map(|vector| tree.part(vector));
                let entries = parts.zip(&rows).map(|(part, row)| Entry { part, source, row: *row });
                self.entries.extend(entries);
            }
        }
        self.entries.sort_unstable();
        Ok(())
    }

    /// Shows each row in its turn, and gives back what the order took.
    ///
    /// # Errors
    /// If a page cannot be read, and what `write` fails with.
    pub(crate) fn write(
        self,
        budget: &mut dyn Budget,
        mut write: impl FnMut(OrderedRow<'_>) -> Result<()>,
    ) -> Result<()> {
        let rows_max = (GROUP_BYTES / (self.dim * size_of::<f32>())).max(1);
        let mut vectors = Vec::new();
        for group in self.entries.chunk_by(|a, b| a.part == b.part) {
            for group in group.chunks(rows_max) {
                self.write_group(group, &mut vectors, &mut write)?;
            }
        }
        budget.shrink(self.held);
        Ok(())
    }

    fn write_group(
        &self,
        group: &[Entry],
        vectors: &mut Vec<f32>,
        write: &mut impl FnMut(OrderedRow<'_>) -> Result<()>,
    ) -> Result<()> {
        let dim = self.dim;
        vectors.clear();
        vectors.reserve_exact(group.len() * dim);
        for run in group.chunk_by(|a, b| a.source == b.source) {
            let rows: Vec<Ordinal> = run.iter().map(|entry| entry.row).collect();
            let segment = &self.sources[run[0].source as usize].segment;
            for rows in rows.chunks(read_rows(self.dim)) {
                segment.read_vectors((self.name, dim), rows, vectors)?;
            }
        }
        let place = |at: u32| -> Range<usize> { at as usize * dim..(at as usize + 1) * dim };
        let shown = &*vectors;
        let mut order: Vec<u32> = (0..).take(group.len()).collect();
        let show = |at: u32, to: &mut dyn FnMut(&[f32])| to(&shown[place(at)]);
        order_by_similarity(&mut order, dim, &show);
        for at in order {
            let Entry { source, row, .. } = group[at as usize];
            write((source as usize, row, (self.name, &shown[place(at)])))?;
        }
        Ok(())
    }
}
