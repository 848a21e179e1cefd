//! Building a graph in parts: codes are read from their file a part at a time, and links wait in a
//! draft until all are known.

use std::sync::Arc;

use vectorizer_hnsw::{Host, Params, PartsError, Plan, Workshop, build_in_parts};
use vectorizer_model::{Budget, Ordinal, VectorName};
use vectorizer_vfs::{Access, Directory, File, SequentialWriter};

use crate::codes::{CodeColumn, LoadedCodes};
use crate::component::{
    self, ComponentHead, ComponentRef, ComponentWriter, VERIFY_BYTES, file_name,
};
use crate::error::{Result, SegmentError};
use crate::footer::{ComponentKind, SectionKind};
use crate::segment::Segment;

/// Bytes of codes that are read at once.
const READ_BYTES: usize = 256 << 10;

/// Bytes of codes that are read at once: a row at least.
fn read_bytes(codes: &CodeColumn) -> usize {
    READ_BYTES.max(codes.row_range(Ordinal(0)).len())
}

/// Buffers of a build in parts beside its plan: of the codes, the draft and the graph.
fn buffer_bytes(codes: &CodeColumn) -> u64 {
    (read_bytes(codes) + 2 * SequentialWriter::bytes_needed()) as u64
}

type Built<T> = std::result::Result<T, PartsError<SegmentError>>;

/// The files of one build, by number.
#[derive(Debug, Clone, Copy)]
pub struct GraphFiles {
    /// The graph's.
    pub graph: u64,
    /// The draft's. It has a name for a moment only: nothing finds it after a crash.
    pub draft: u64,
}

/// How the graph of a segment's vectors of one name is built in parts.
#[derive(Debug, Clone)]
pub struct GraphPlan {
    plan: Plan,
    params: Params,
    rows: u64,
    buffer_bytes: u64,
}

impl GraphPlan {
    /// Bytes that the build holds at its peak.
    pub fn bytes(&self) -> u64 {
        VERIFY_BYTES.max(self.plan.bytes() + self.buffer_bytes)
    }

    fn within(
        limit: u64,
        codes: &CodeColumn,
        rows: usize,
        (params, workers): (&Params, usize),
    ) -> Option<Self> {
        if limit < VERIFY_BYTES {
            return None;
        }
        let buffer_bytes = buffer_bytes(codes);
        let limit = limit.checked_sub(buffer_bytes)?;
        let plan = Plan::within(limit, (rows, &|rows| codes.loaded_bytes(rows)), params, workers)?;
        Some(Self { plan, params: *params, rows: rows as u64, buffer_bytes })
    }

    /// Bytes that its draft has at most.
    pub fn draft_bytes(&self) -> u64 {
        self.rows * Plan::draft_row_bytes(&self.params)
    }
}

impl Segment {
    /// How the graph of a name over so many rows with codes such as these is built in parts within
    /// `limit` bytes; none if that is too little.
    pub fn plan_graph(
        &self,
        (name, rows): (&VectorName, u32),
        limit: u64,
        (params, workers): (&Params, usize),
    ) -> Option<GraphPlan> {
        let codes = self.parts(name)?.codes.as_ref()?;
        GraphPlan::within(limit, codes, rows as usize, (params, workers))
    }
}

/// Builds the graph of a name in parts, and writes its component.
///
/// # Errors
/// Those of [`build_in_parts`], and [`SegmentError::Damaged`] if the codes are not those that were
/// written: the graph's own checksum would bless it. No file is left.
pub fn build_graph_in_parts(
    directory: &dyn Directory,
    (segment, name): (&Segment, &VectorName),
    files: GraphFiles,
    (plan, host): (&GraphPlan, Host<'_>),
    budget: &mut dyn Budget,
) -> Built<ComponentRef> {
    let what = "codes";
    let missing = || PartsError::Workshop(SegmentError::Missing { segment: segment.id().0, what });
    let reference = segment.record().component(ComponentKind::Codes, &name.0);
    let codes = segment.parts(name).and_then(|parts| parts.codes.as_deref());
    let (reference, codes) = reference.zip(codes).ok_or_else(missing)?;
    let head = segment.record().head(ComponentKind::Graph, &name.0);
    build((directory, head), (codes, reference), files, (plan, host), budget)
}

fn build(
    (directory, head): (&dyn Directory, ComponentHead),
    codes: (&CodeColumn, &ComponentRef),
    files: GraphFiles,
    (plan, host): (&GraphPlan, Host<'_>),
    budget: &mut dyn Budget,
) -> Built<ComponentRef> {
    check(directory, codes.1, budget)?;
    budget.try_grow(plan.buffer_bytes)?;
    let site = Site::open((directory, head), codes, files).map_err(PartsError::Workshop);
    let built = site.and_then(|mut site| {
        let built = build_in_parts(&mut site, &plan.plan, &plan.params, host, budget);
        site.close(built)
    });
    budget.shrink(plan.buffer_bytes);
    built
}

/// Compares all checksums of the codes once: they are read by rows, which have none.
fn check(directory: &dyn Directory, codes: &ComponentRef, budget: &mut dyn Budget) -> Built<()> {
    budget.try_grow(VERIFY_BYTES)?;
    let mut found = Ok(());
    let read = component::verify(directory, codes, &mut |error| found = Err(error));
    budget.shrink(VERIFY_BYTES);
    read.and(found).map_err(PartsError::Workshop)
}

/// The files of one build, open.
struct Site<'a> {
    directory: &'a dyn Directory,
    head: ComponentHead,
    codes: &'a CodeColumn,
    code_file: Arc<dyn File>,
    draft: Arc<dyn File>,
    /// Until the draft is whole.
    drafting: Option<SequentialWriter>,
    graph_file: u64,
    /// Since the graph's first byte.
    graph: Option<ComponentWriter>,
}

impl<'a> Site<'a> {
    fn open(
        (directory, head): (&'a dyn Directory, ComponentHead),
        (codes, reference): (&'a CodeColumn, &ComponentRef),
        files: GraphFiles,
    ) -> Result<Self> {
        let code_file = directory.open(&reference.file_name(), Access::Read)?;
        let draft_name = file_name(files.draft);
        let draft = directory.create(&draft_name)?;
        directory.remove(&draft_name)?;
        let drafting = Some(SequentialWriter::new(Arc::clone(&draft)));
        let graph_file = files.graph;
        Ok(Self { directory, head, codes, code_file, draft, drafting, graph_file, graph: None })
    }

    /// The component, or no file of it.
    fn close(mut self, built: Built<()>) -> Built<ComponentRef> {
        let what = "graph";
        let missing = SegmentError::Missing { segment: self.head.segment.0, what };
        let begun = self.graph.take();
        let is_begun = begun.is_some();
        let finish = || begun.map_or(Err(missing), ComponentWriter::finish);
        let written = built.and_then(|()| finish().map_err(PartsError::Workshop));
        if written.is_err() && is_begun {
            // What stays is removed when the shard is opened.
            drop(self.directory.remove(&file_name(self.graph_file)));
        }
        written
    }
}

impl Workshop for Site<'_> {
    type Rows = LoadedCodes;
    type Error = SegmentError;

    fn rows(&self) -> usize {
        self.head.rows as usize
    }

    fn room(&self, rows: usize) -> LoadedCodes {
        self.codes.room(rows)
    }

    fn load(&self, into: &mut LoadedCodes, kept: usize, rows: &[u32]) -> Result<()> {
        into.truncate(kept);
        let mut buffer = Vec::with_capacity(read_bytes(self.codes));
        let mut left = rows;
        while let Some(first) = left.first() {
            let start = self.codes.row_range(Ordinal(*first)).start;
            let end = |row: u32| self.codes.row_range(Ordinal(row)).end - start;
            let count = left.partition_point(|row| end(*row) <= READ_BYTES).max(1);
            let (now, later) = left.split_at(count);
            let bytes = now.last().map_or(0, |last| end(*last));
            buffer.resize(bytes, 0);
            let offset = self.codes.place(start);
            self.code_file.read_exact_at(&mut buffer, offset)?;
            self.code_file.drop_cache(offset, bytes as u64);
            for row in now {
                let range = self.codes.row_range(Ordinal(*row));
                into.push(&buffer[range.start - start..range.end - start]);
            }
            left = later;
        }
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.drafting.as_mut().map_or(Ok(()), |draft| draft.write(bytes))?)
    }

    fn read(&mut self, from: u64, out: &mut [u8]) -> Result<()> {
        self.drafting.take().map(SequentialWriter::finish).transpose()?;
        self.draft.read_exact_at(out, from)?;
        self.draft.drop_cache(from, out.len() as u64);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(graph) = &mut self.graph {
            return graph.write(bytes);
        }
        let graph = ComponentWriter::create(self.directory, self.head.clone(), self.graph_file)?;
        let graph = self.graph.insert(graph);
        graph.begin(SectionKind::Graph)?;
        graph.write(bytes)
    }
}

#[cfg(test)]
mod tests;
