//! In which order rows are written: similar ones side by side, so that a search that meets one
//! finds on its page others that it will want.
//!
//! The order is that of the vector that takes the most bytes. It is a matter of speed alone: where
//! there is no memory to find it, a flush writes rows in the order of their ids, and a merge as they
//! lie, one source after another. Rows without vectors stay in the order of their ids.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
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
        (bytes, Reverse(*at))
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

/// A vector that was read before, if the row has it.
pub(crate) type Known<'a> = Option<(&'a VectorName, &'a [f32])>;

/// A row to be written, by its source, and the vector that was read of it, shape `[dim]`, zeros if
/// it has none.
pub(crate) type OrderedRow<'a> = (usize, Ordinal, Known<'a>);

/// Shows all live rows of a merge's sources in the order in which they are to be written.
///
/// # Errors
/// If a page cannot be read, and what `write` fails with.
pub(crate) fn each_row<'a>(
    (sources, covered): (&'a [LiveSegment], SequenceNumber),
    vectors: impl Iterator<Item = (&'a VectorName, &'a VectorSettings)>,
    budget: &mut dyn Budget,
    write: impl FnMut(OrderedRow<'_>) -> Result<()>,
) -> Result<()> {
    let Some((_, name, dim)) = leading(vectors) else {
        return each_by_id(sources, covered, write);
    };
    match MergeOrder::find(sources, (name, dim), covered, budget)? {
        Some(order) => order.write(budget, write),
        None => each_as_it_lies(sources, covered, write),
    }
}

/// Shows the rows of one source after another, similar ones side by side as they are there.
fn each_as_it_lies(
    sources: &[LiveSegment],
    covered: SequenceNumber,
    mut write: impl FnMut(OrderedRow<'_>) -> Result<()>,
) -> Result<()> {
    for (at, live) in sources.iter().enumerate() {
        for row in (0..live.segment.rows()).map(Ordinal) {
            if !live.deaths.is_dead(row, covered) {
                write((at, row, None))?;
            }
        }
    }
    Ok(())
}

/// Shows rows that lie in the order of their ids, as those without vectors do, in that order.
fn each_by_id(
    sources: &[LiveSegment],
    covered: SequenceNumber,
    mut write: impl FnMut(OrderedRow<'_>) -> Result<()>,
) -> Result<()> {
    let next = |at: usize, from: u32| -> Result<Option<Reverse<(PointId, usize, u32)>>> {
        let LiveSegment { segment, deaths } = &sources[at];
        for place in from..segment.rows() {
            if !deaths.is_dead(segment.row_at(place)?, covered) {
                return Ok(Some(Reverse((segment.id_at(place)?, at, place))));
            }
        }
        Ok(None)
    };
    let mut heads = BinaryHeap::with_capacity(sources.len());
    for at in 0..sources.len() {
        heads.extend(next(at, 0)?);
    }
    while let Some(Reverse((_, at, place))) = heads.pop() {
        write((at, sources[at].segment.row_at(place)?, None))?;
        heads.extend(next(at, place + 1)?);
    }
    Ok(())
}

/// The live rows of a merge in the order in which they are written.
struct MergeOrder<'a> {
    sources: &'a [LiveSegment],
    name: &'a VectorName,
    dim: usize,
    entries: Vec<Entry>,
    /// What it took of the budget.
    held: u64,
}

impl<'a> MergeOrder<'a> {
    /// Finds the order; none if there is no memory for it.
    fn find(
        sources: &'a [LiveSegment],
        (name, dim): (&'a VectorName, usize),
        covered: SequenceNumber,
        budget: &mut dyn Budget,
    ) -> Result<Option<Self>> {
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
    fn write(
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
            write((source as usize, row, Some((self.name, &shown[place(at)]))))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vectorizer_memory::{Governor, Limits};
    use vectorizer_model::budget::Unbounded;
    use vectorizer_model::operation::{PointBatch, PointSelector};
    use vectorizer_model::vector::VectorColumn;
    use vectorizer_model::{
        BudgetExceeded, CollectionName, CollectionSettings, Metric, Operation, Payload,
    };
    use vectorizer_vfs::crash::TraceDirectory;

    use crate::{Engine, EngineOptions, Residency};

    struct Nothing;

    impl Budget for Nothing {
        fn try_grow(&mut self, requested: u64) -> std::result::Result<(), BudgetExceeded> {
            Err(BudgetExceeded { requested, available: 0 })
        }

        fn shrink(&mut self, _: u64) {}

        fn held(&self) -> u64 {
            0
        }
    }

    /// Ids in an order that says nothing of their vectors.
    fn mixed(at: u64) -> u64 {
        at * 389 % 600
    }

    /// Two segments of 300 rows, with a tenth of the first one's deleted.
    fn engine(name: &CollectionName, settings: CollectionSettings) -> Engine {
        let root = TraceDirectory::new().directory();
        let residency = Residency::Governed;
        let options = EngineOptions { background: false, residency, ..EngineOptions::default() };
        let governor = Governor::new(Limits::of_root(1 << 30));
        let engine = Engine::open_in(root, None, governor, options).expect("opens");
        let columns: Vec<VectorName> = settings.vectors.keys().cloned().collect();
        let created = engine.create_collection(name.clone(), settings);
        created.expect("accepted").wait().expect("done").expect("created");
        for half in 0..2 {
            let ats = half * 300..(half + 1) * 300;
            let vectors = columns.iter().map(|name| VectorColumn {
                name: name.clone(),
                dim: 2,
                values: ats.clone().flat_map(|at| [at as f32, 1.0]).collect(),
                present: Vec::new(),
            });
            let points = PointBatch {
                vectors: vectors.collect(),
                ids: ats.clone().map(|at| PointId::Num(mixed(at))).collect(),
                payloads: ats.map(|_| Payload::new()).collect(),
            };
            engine.write(name, Operation::Upsert(points)).expect("room");
            engine.flush().expect("room");
        }
        let gone = (0..300).step_by(10).map(|at| PointId::Num(mixed(at))).collect();
        engine.write(name, Operation::Delete(PointSelector::Ids(gone))).expect("room");
        engine
    }

    /// The ids of a merge in the order in which they are written, by the source of each.
    fn written(engine: &Engine, name: &CollectionName, budget: &mut dyn Budget) -> Vec<PointId> {
        let view = engine.view(name).expect("there");
        let (sources, settings) = (&view.state().segments, view.settings());
        let mut ids = Vec::new();
        let write = |(at, row, _): OrderedRow<'_>| -> Result<()> {
            ids.push(sources[at].segment.id_of(row)?);
            Ok(())
        };
        each_row((sources, view.seq()), settings.vectors.iter(), budget, write).expect("readable");
        ids
    }

    #[test]
    fn without_memory_rows_are_merged_as_they_lie() {
        let name = CollectionName::new("things").expect("a name");
        let vector = VectorSettings::new(2, Metric::L2);
        let engine = engine(&name, CollectionSettings::new([(VectorName::unnamed(), vector)]));
        let view = engine.view(&name).expect("there");
        let mut lie = Vec::new();
        for live in &view.state().segments {
            for row in (0..live.segment.rows()).map(Ordinal) {
                if !live.deaths.is_dead(row, view.seq()) {
                    lie.push(live.segment.id_of(row).expect("readable"));
                }
            }
        }
        assert_eq!(lie.len(), 570);
        assert!(!lie.is_sorted(), "similar rows lie side by side");
        assert_eq!(written(&engine, &name, &mut Nothing), lie);
        let mut ordered = written(&engine, &name, &mut Unbounded::default());
        assert!(ordered != lie);
        ordered.sort_unstable();
        lie.sort_unstable();
        assert_eq!(ordered, lie);
    }

    #[test]
    fn rows_without_vectors_are_merged_in_the_order_of_ids() {
        let name = CollectionName::new("things").expect("a name");
        let engine = engine(&name, CollectionSettings::new([]));
        let ids = written(&engine, &name, &mut Nothing);
        assert_eq!(ids.len(), 570);
        assert!(ids.is_sorted());
    }
}
