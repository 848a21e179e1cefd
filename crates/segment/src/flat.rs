//! Writes a segment's flat components: ids, vectors, codes, payload.
//!
//! Rows are written in the order in which they arrive; the id column is sorted at the end.

use std::sync::Arc;

use vectorizer_kernels::normalise;
use vectorizer_model::layout::{PAGE_BYTES, RowLayout};
use vectorizer_model::settings::VectorSettings;
use vectorizer_model::{Budget, Datatype, Ordinal, PointId, SegmentId, SequenceNumber, VectorName};
use vectorizer_quantize::ScalarQuantizer;
use vectorizer_vfs::{Directory, SequentialWriter};

use crate::component::{ComponentHead, ComponentRef, ComponentWriter};
use crate::error::Result;
use crate::footer::{ComponentKind, SectionKind};
use crate::id_filter::IdFilter;

/// One row of a new segment.
#[derive(Debug)]
pub struct FlatRow<'a> {
    /// No other row has it.
    pub id: PointId,
    /// Sequence number of the row's last change.
    pub version: SequenceNumber,
    /// One for each column, in the columns' order; shape `[dim]`.
    pub vectors: &'a [Option<&'a [f32]>],
    /// Its encoded payload.
    pub payload: &'a [u8],
}

/// One vector column of a new segment.
#[derive(Debug)]
pub struct FlatColumn {
    /// Its name.
    pub name: VectorName,
    /// Its shape.
    pub settings: VectorSettings,
    /// What makes its codes, trained on a sample; none if it gets no codes.
    pub quantizer: Option<ScalarQuantizer>,
}

struct ColumnWriter {
    name: VectorName,
    datatype: Datatype,
    dim: usize,
    values: ComponentWriter,
    present: Vec<u8>,
    absent: u32,
    codes: Option<CodesWriter>,
    scratch: Vec<u8>,
}

struct CodesWriter {
    out: ComponentWriter,
    quantizer: ScalarQuantizer,
    /// Whether codes are of the vectors at length 1.
    normalises: bool,
    layout: RowLayout,
    written: usize,
    /// Bytes of the section so far.
    end: usize,
    code: Vec<u8>,
}

/// Writes rows into the files of one segment.
pub struct FlatWriter {
    directory: Arc<dyn Directory>,
    segment: SegmentId,
    rows: u32,
    rows_file: u64,
    ids: Ids,
    versions: Vec<u64>,
    digests: Vec<u64>,
    filter: IdFilter,
    columns: Vec<ColumnWriter>,
    payload: ComponentWriter,
    offsets: Vec<u64>,
    payload_bytes: u64,
}

impl std::fmt::Debug for FlatWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlatWriter").field("segment", &self.segment).finish_non_exhaustive()
    }
}

/// Where a new segment goes.
#[derive(Debug, Clone)]
pub struct FlatTarget {
    /// The shard's folder.
    pub directory: Arc<dyn Directory>,
    /// The segment's number.
    pub segment: SegmentId,
    /// Rows that will be pushed, at most.
    pub rows: u32,
    /// The first of [`FlatWriter::files_needed`] file numbers that no file of the shard has had.
    pub first_file: u64,
}

impl FlatWriter {
    /// Bytes that writing a segment takes: per-row tables, and one buffer for each open file.
    pub fn bytes_needed(rows: u32, columns: usize) -> u64 {
        let tables =
            u64::from(rows) * (Ids::ROW_BYTES + 8 + 8 + 8) + IdFilter::bytes_needed(rows as usize);
        let files = Self::files_needed(columns);
        tables + files * SequentialWriter::bytes_needed() as u64
    }

    /// Files that a segment with so many vector columns may have.
    pub fn files_needed(columns: usize) -> u64 {
        2 + 2 * columns as u64
    }

    /// Creates the files. `budget` holds [`FlatWriter::bytes_needed`] until the writer is done.
    ///
    /// # Errors
    /// A refusing budget or disk; files already created are for the caller to remove.
    pub fn create(
        target: FlatTarget,
        columns: Vec<FlatColumn>,
        budget: &mut dyn Budget,
    ) -> Result<Self> {
        budget.try_grow(Self::bytes_needed(target.rows, columns.len()))?;
        let FlatTarget { directory, segment, rows, first_file } = target;
        let head =
            ComponentHead { kind: ComponentKind::Payload, tag: String::new(), segment, rows };
        let columns = (first_file + 2..)
            .step_by(2)
            .zip(columns)
            .map(|(file, column)| ColumnWriter::create(&*directory, &head, file, column))
            .collect::<Result<Vec<_>>>()?;
        let mut payload = ComponentWriter::create(&*directory, head, first_file + 1)?;
        payload.begin(SectionKind::Payloads)?;
        Ok(Self {
            directory,
            segment,
            rows,
            rows_file: first_file,
            ids: Ids { rows: rows as usize, ..Ids::default() },
            versions: Vec::with_capacity(rows as usize),
            digests: Vec::with_capacity(rows as usize),
            filter: IdFilter::new(rows as usize),
            columns,
            payload,
            offsets: Vec::with_capacity(rows as usize + 1),
            payload_bytes: 0,
        })
    }

    /// Appends a row.
    ///
    /// # Errors
    /// A refusing disk; the segment cannot be finished.
    pub fn push(&mut self, row: &FlatRow<'_>) -> Result<()> {
        let number = self.versions.len();
        debug_assert!(number < self.rows as usize, "more rows than announced");
        self.ids.push(row.id);
        self.filter.insert(row.id);
        let mut digest = Digest::new(row.id, row.version);
        for (column, vector) in self.columns.iter_mut().zip(row.vectors) {
            column.push(number, *vector, &mut digest)?;
        }
        digest.add(row.payload);
        self.versions.push(row.version.0);
        self.digests.push(digest.finish());
        self.offsets.push(self.payload_bytes);
        self.payload_bytes += row.payload.len() as u64;
        self.payload.write(row.payload)
    }

    /// Writes the tables and footers and syncs every file. The folder's sync is the caller's.
    ///
    /// # Errors
    /// A refusing disk; the segment does not exist.
    pub fn finish(mut self) -> Result<(u32, Vec<ComponentRef>)> {
        let rows = u32::try_from(self.versions.len()).unwrap_or(u32::MAX);
        let head = |kind| ComponentHead { kind, tag: String::new(), segment: self.segment, rows };
        let mut out =
            ComponentWriter::create(&*self.directory, head(ComponentKind::Rows), self.rows_file)?;
        self.ids.write(&mut out)?;
        write_words(&mut out, SectionKind::Versions, &self.versions, u64::to_le_bytes)?;
        write_words(&mut out, SectionKind::Digests, &self.digests, u64::to_le_bytes)?;
        out.section(SectionKind::IdFilter, &self.filter.to_bytes())?;
        let mut components = vec![out.finish()?];
        for column in self.columns {
            column.finish(rows, &mut components)?;
        }
        self.offsets.push(self.payload_bytes);
        write_words(&mut self.payload, SectionKind::Offsets, &self.offsets, u64::to_le_bytes)?;
        components.push(self.payload.finish_with_rows(rows)?);
        Ok((rows, components))
    }
}

/// Ids as they arrive, each with its row.
#[derive(Default)]
struct Ids {
    /// At most.
    rows: usize,
    nums: Vec<(u64, u32)>,
    uuids: Vec<(u128, u32)>,
}

impl Ids {
    /// Bytes of the larger kind, and of the tables that lead from ids to rows and back.
    const ROW_BYTES: u64 = (size_of::<(u128, u32)>() + 2 * size_of::<u32>()) as u64;

    fn push(&mut self, id: PointId) {
        let row = u32::try_from(self.nums.len() + self.uuids.len()).unwrap_or(u32::MAX);
        match id {
            PointId::Num(id) => push_within(&mut self.nums, self.rows, (id, row)),
            PointId::Uuid(id) => push_within(&mut self.uuids, self.rows, (id, row)),
        }
    }

    /// Sorts them and writes the tables; what leads to rows only if they have another order.
    fn write(&mut self, out: &mut ComponentWriter) -> Result<()> {
        self.nums.sort_unstable();
        self.uuids.sort_unstable();
        let unique = |at: bool| debug_assert!(at, "two rows have one id");
        unique(self.nums.windows(2).all(|two| two[0].0 < two[1].0));
        unique(self.uuids.windows(2).all(|two| two[0].0 < two[1].0));
        write_words(out, SectionKind::NumIds, &self.nums, |(id, _)| id.to_le_bytes())?;
        write_words(out, SectionKind::UuidIds, &self.uuids, |(id, _)| id.to_le_bytes())?;
        let nums = self.nums.iter().map(|(_, row)| *row);
        let rows: Vec<u32> = nums.chain(self.uuids.iter().map(|(_, row)| *row)).collect();
        if rows.is_sorted() {
            return Ok(());
        }
        write_words(out, SectionKind::RowsById, &rows, u32::to_le_bytes)?;
        let mut places = vec![0; rows.len()];
        for (place, row) in (0..).zip(&rows) {
            places[*row as usize] = place;
        }
        write_words(out, SectionKind::IdPlaces, &places, u32::to_le_bytes)
    }
}

/// Pushes into a list that never grows beyond its first room.
fn push_within<T>(list: &mut Vec<T>, most: usize, item: T) {
    if list.is_empty() {
        list.reserve_exact(most);
    }
    list.push(item);
}

impl ColumnWriter {
    fn create(
        directory: &dyn Directory,
        head: &ComponentHead,
        file: u64,
        column: FlatColumn,
    ) -> Result<Self> {
        let tag = column.name.0.to_string();
        let head = |kind| ComponentHead { kind, tag: tag.clone(), ..head.clone() };
        let mut values = ComponentWriter::create(directory, head(ComponentKind::Vectors), file)?;
        values.begin(SectionKind::Values)?;
        let codes = match column.quantizer {
            None => None,
            Some(quantizer) => {
                let head = head(ComponentKind::Codes);
                let out = ComponentWriter::create(directory, head, file + 1)?;
                let normalises = column.settings.divides_by_length();
                Some(CodesWriter::new(out, quantizer, normalises)?)
            }
        };
        Ok(Self {
            name: column.name,
            datatype: column.settings.datatype,
            dim: column.settings.dim as usize,
            values,
            present: Vec::new(),
            absent: 0,
            codes,
            scratch: Vec::new(),
        })
    }

    fn push(&mut self, number: usize, vector: Option<&[f32]>, digest: &mut Digest) -> Result<()> {
        if number.is_multiple_of(8) {
            self.present.push(0);
        }
        self.scratch.clear();
        if let Some(vector) = vector {
            if let Some(byte) = self.present.last_mut() {
                *byte |= 1 << (number % 8);
            }
            encode_vector(self.datatype, vector, &mut self.scratch);
            digest.add(self.name.0.as_bytes());
            digest.add(&self.scratch);
        } else {
            self.absent += 1;
            self.scratch.resize(self.dim * self.datatype.bytes(), 0);
        }
        self.values.write(&self.scratch)?;
        match &mut self.codes {
            Some(codes) => codes.push(vector),
            None => Ok(()),
        }
    }

    fn finish(mut self, rows: u32, components: &mut Vec<ComponentRef>) -> Result<()> {
        if self.absent > 0 {
            self.values.section(SectionKind::Presence, &self.present)?;
        }
        components.push(self.values.finish_with_rows(rows)?);
        if let Some(codes) = self.codes {
            components.push(codes.finish(rows)?);
        }
        Ok(())
    }
}

impl CodesWriter {
    fn new(mut out: ComponentWriter, quantizer: ScalarQuantizer, normalises: bool) -> Result<Self> {
        out.begin(SectionKind::Codes)?;
        let code_bytes = quantizer.code_bytes();
        Ok(Self {
            out,
            layout: RowLayout::paged(code_bytes),
            code: vec![0; code_bytes],
            quantizer,
            normalises,
            written: 0,
            end: 0,
        })
    }

    fn push(&mut self, vector: Option<&[f32]>) -> Result<()> {
        match vector {
            Some(vector) if self.normalises => {
                let mut unit = vector.to_vec();
                normalise(&mut unit);
                self.quantizer.encode(&unit, &mut self.code);
            }
            Some(vector) => self.quantizer.encode(vector, &mut self.code),
            None => self.code.fill(0),
        }
        let start = self.layout.offset(Ordinal::from_index(self.written));
        self.out.write(&ZEROS[..start - self.end])?;
        self.end = start + self.code.len();
        self.written += 1;
        self.out.write(&self.code)
    }

    fn finish(mut self, rows: u32) -> Result<ComponentRef> {
        self.out.section(SectionKind::Quantizer, &self.quantizer.to_bytes())?;
        self.out.finish_with_rows(rows)
    }
}

const ZEROS: [u8; PAGE_BYTES] = [0; PAGE_BYTES];

/// The stored bytes of a vector, appended to `out`.
pub(crate) fn encode_vector(datatype: Datatype, vector: &[f32], out: &mut Vec<u8>) {
    match datatype {
        Datatype::Float32 => out.extend(vector.iter().flat_map(|v| v.to_le_bytes())),
        Datatype::Float16 => {
            out.extend(vector.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "components were brought into 0 to 255"
        )]
        Datatype::Uint8 => out.extend(vector.iter().map(|v| v.clamp(0.0, 255.0) as u8)),
    }
}

pub(crate) fn write_words<T: Copy, const N: usize>(
    out: &mut ComponentWriter,
    kind: SectionKind,
    words: &[T],
    bytes: impl Fn(T) -> [u8; N],
) -> Result<()> {
    out.begin(kind)?;
    let mut buffer = Vec::with_capacity(4096 * N);
    for run in words.chunks(4096) {
        buffer.clear();
        buffer.extend(run.iter().flat_map(|word| bytes(*word)));
        out.write(&buffer)?;
    }
    Ok(())
}

/// XXH3 over id, version, stored vectors and payload: equal rows have equal digests everywhere.
pub(crate) struct Digest(xxhash_rust::xxh3::Xxh3);

impl Digest {
    pub(crate) fn new(id: PointId, version: SequenceNumber) -> Self {
        let mut state = xxhash_rust::xxh3::Xxh3::new();
        match id {
            PointId::Num(id) => state.update(&id.to_le_bytes()),
            PointId::Uuid(id) => state.update(&id.to_le_bytes()),
        }
        state.update(&version.0.to_le_bytes());
        Self(state)
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    pub(crate) fn finish(&self) -> u64 {
        self.0.digest()
    }
}
