//! An open segment: immutable rows, and the components that were added since.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use roaring::RoaringBitmap;
use vectorizer_hnsw::Basis;
use vectorizer_memory::Reservation;
use vectorizer_model::{
    CollectionSettings, KeyPath, Ordinal, Payload, PointId, SegmentId, SequenceNumber, VectorName,
};
use vectorizer_payload::{FieldIndex, FieldIndexes};

use crate::codes::{CodeColumn, LoadedCodes};
use crate::component::{ComponentHead, ComponentRef};
use crate::error::{Result, SegmentError};
use crate::flat::Digest;
use crate::footer::{ComponentKind, SectionKind};
use crate::graph::{GraphColumn, PagedLinks};
use crate::payloads::{PatchColumn, PatchRow, PayloadColumn, write_patches};
use crate::rows::RowTable;
use crate::store::{OpenComponent, Store};
use crate::vectors::VectorColumn;

/// A segment as the manifest names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRecord {
    /// Its number.
    pub id: SegmentId,
    /// Its rows, dead ones included.
    pub rows: u32,
    /// Its live components.
    pub components: Vec<ComponentRef>,
}

impl SegmentRecord {
    /// The component of a kind and tag.
    pub fn component(&self, kind: ComponentKind, tag: &str) -> Option<&ComponentRef> {
        self.components.iter().find(|c| c.kind == kind && c.tag == tag)
    }

    /// Puts a component in the place of the one with its kind and tag, or adds it.
    pub fn replace(&mut self, component: ComponentRef) {
        self.components.retain(|c| c.kind != component.kind || c.tag != component.tag);
        self.components.push(component);
    }

    /// The head of a further component.
    pub fn head(&self, kind: ComponentKind, tag: &str) -> ComponentHead {
        ComponentHead { kind, tag: tag.to_owned(), segment: self.id, rows: self.rows }
    }
}

/// One vector name's open components.
#[derive(Debug, Clone)]
pub(crate) struct VectorParts {
    pub(crate) column: Arc<VectorColumn>,
    pub(crate) codes: Option<Arc<CodeColumn>>,
    pub(crate) graph: Option<Arc<GraphColumn>>,
}

/// An open segment. Its rows never change; adding a component gives another value that shares the
/// ones before.
#[derive(Debug, Clone)]
pub struct Segment {
    record: SegmentRecord,
    rows: Arc<RowTable>,
    vectors: BTreeMap<VectorName, VectorParts>,
    payloads: Arc<PayloadColumn>,
    patches: Option<Arc<PatchColumn>>,
    indexes: FieldIndexes,
    /// For what each of its components takes besides its tables.
    _charge: Arc<Reservation>,
}

/// Bytes of an open component besides its tables: its footer, its frames and its file.
const COMPONENT_BYTES: u64 = 1536;

impl Segment {
    /// Opens the components that a record names.
    ///
    /// # Errors
    /// [`SegmentError::Damaged`] or [`SegmentError::Missing`], a refusing disk or budget.
    pub fn open(
        store: &Store,
        record: &SegmentRecord,
        settings: &CollectionSettings,
    ) -> Result<Self> {
        let missing = |what| SegmentError::Missing { segment: record.id.0, what };
        let need = |kind: ComponentKind, tag: &str| {
            record.component(kind, tag).ok_or_else(|| missing(kind.name()))
        };
        let charge = store.charge(record.components.len() as u64 * COMPONENT_BYTES)?;
        let rows = Arc::new(RowTable::open(store, need(ComponentKind::Rows, "")?)?);
        if rows.rows() != record.rows {
            return Err(missing("matching rows"));
        }
        let mut vectors = BTreeMap::new();
        for (name, settings) in &settings.vectors {
            let Some(reference) = record.component(ComponentKind::Vectors, &name.0) else {
                continue;
            };
            let column = Arc::new(VectorColumn::open(store, reference, settings)?);
            vectors.insert(name.clone(), VectorParts { column, codes: None, graph: None });
        }
        let payloads = PayloadColumn::open(store, need(ComponentKind::Payload, "")?)?;
        let mut segment = Self {
            record: SegmentRecord { components: Vec::new(), ..record.clone() },
            rows,
            vectors,
            payloads: Arc::new(payloads),
            patches: None,
            indexes: FieldIndexes::new(),
            _charge: Arc::new(charge),
        };
        for component in &record.components {
            segment.add(store, component)?;
        }
        Ok(segment)
    }

    /// This segment with further or newer components.
    ///
    /// # Errors
    /// As [`Segment::open`].
    pub fn with_components(&self, store: &Store, added: &[ComponentRef]) -> Result<Self> {
        let mut segment = self.clone();
        for component in added {
            segment.add(store, component)?;
        }
        Ok(segment)
    }

    /// This segment without the index of a field.
    #[must_use]
    pub fn without_index(&self, key: &KeyPath) -> Self {
        let mut segment = self.clone();
        segment.indexes.remove(key);
        let tag = key.to_string();
        let is_index = |c: &ComponentRef| c.kind == ComponentKind::FieldIndex && c.tag == tag;
        segment.record.components.retain(|c| !is_index(c));
        segment
    }

    fn add(&mut self, store: &Store, component: &ComponentRef) -> Result<()> {
        self.add_component(store, component)
            .map_err(|error| error.in_file(|| component.file_name()))
    }

    fn add_component(&mut self, store: &Store, component: &ComponentRef) -> Result<()> {
        match component.kind {
            ComponentKind::Codes => {
                let codes = Arc::new(CodeColumn::open(store, component)?);
                self.parts_mut(&component.tag)?.codes = Some(codes);
            }
            ComponentKind::Graph => {
                let graph = Arc::new(GraphColumn::open(store, component)?);
                self.parts_mut(&component.tag)?.graph = Some(graph);
            }
            ComponentKind::Patch => {
                self.patches = Some(Arc::new(PatchColumn::open(store, component)?));
            }
            ComponentKind::FieldIndex => {
                let open = OpenComponent::open(store, component)?;
                let bytes = open.footer.section(SectionKind::Index).map_or(0, |s| s.len);
                // The bytes, and what is made of them.
                let mut charge = store.charge(2 * bytes)?;
                let bytes = open.read(store, SectionKind::Index)?.unwrap_or_default();
                let index = FieldIndex::parse(&bytes)?;
                drop(bytes);
                let held = charge.bytes();
                match index.bytes().checked_sub(held) {
                    Some(more) => charge.try_grow(more)?,
                    None => charge.shrink(held - index.bytes()),
                }
                self.indexes.insert(index, Box::new(charge));
            }
            ComponentKind::Rows
            | ComponentKind::Vectors
            | ComponentKind::Payload
            | ComponentKind::Tombstones => {}
        }
        self.record.replace(component.clone());
        Ok(())
    }

    fn parts_mut(&mut self, tag: &str) -> Result<&mut VectorParts> {
        let segment = self.record.id.0;
        self.vectors
            .iter_mut()
            .find_map(|(name, parts)| (&*name.0 == tag).then_some(parts))
            .ok_or(SegmentError::Missing { segment, what: "vectors" })
    }

    /// Its number.
    pub fn id(&self) -> SegmentId {
        self.record.id
    }

    /// Its rows, dead ones included.
    pub fn rows(&self) -> u32 {
        self.record.rows
    }

    /// The record that opens it again.
    pub fn record(&self) -> &SegmentRecord {
        &self.record
    }

    pub(crate) fn rows_table(&self) -> &RowTable {
        &self.rows
    }

    pub(crate) fn vector_parts(&self) -> &BTreeMap<VectorName, VectorParts> {
        &self.vectors
    }

    pub(crate) fn payload_column(&self) -> &PayloadColumn {
        &self.payloads
    }

    pub(crate) fn parts(&self, name: &VectorName) -> Option<&VectorParts> {
        self.vectors.get(name)
    }

    /// Whether a vector name has a graph here.
    pub fn has_graph(&self, name: &VectorName) -> bool {
        self.parts(name).is_some_and(|parts| parts.graph.is_some())
    }

    /// Whether a vector name has codes here.
    pub fn has_codes(&self, name: &VectorName) -> bool {
        self.parts(name).is_some_and(|parts| parts.codes.is_some())
    }

    /// The row of a point; dead rows are found too.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub fn find(&self, id: PointId) -> Result<Option<Ordinal>> {
        self.rows.find(id)
    }

    /// The first place in the order of ids whose id is not below `id`; the number of rows if there
    /// is none.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub fn lower_bound(&self, id: PointId) -> Result<u32> {
        self.rows.lower_bound(id)
    }

    /// The row of a place in the order of ids.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub fn row_at(&self, place: u32) -> Result<Ordinal> {
        self.rows.row_at(place)
    }

    /// The place of a row in the order of ids.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub fn place_of(&self, ordinal: Ordinal) -> Result<u32> {
        self.rows.place(ordinal)
    }

    /// The id of a place in their order.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub fn id_at(&self, place: u32) -> Result<PointId> {
        self.rows.id_at(place)
    }

    /// The id of a row.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub fn id_of(&self, ordinal: Ordinal) -> Result<PointId> {
        self.rows.id(ordinal)
    }

    /// Sequence number of the row's last change.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub fn version(&self, ordinal: Ordinal) -> Result<SequenceNumber> {
        let patched = self.patches.as_ref().map(|p| p.version(ordinal)).transpose()?.flatten();
        patched.map_or_else(|| self.rows.version(ordinal), Ok)
    }

    /// The row's digest: equal rows have equal digests on every node.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub fn digest(&self, ordinal: Ordinal) -> Result<u64> {
        let patched = self.patches.as_ref().map(|p| p.digest(ordinal)).transpose()?.flatten();
        patched.map_or_else(|| self.rows.digest(ordinal), Ok)
    }

    /// The row's payload.
    ///
    /// # Errors
    /// If a page cannot be read or decoded.
    pub fn payload(&self, ordinal: Ordinal) -> Result<Payload> {
        self.patched_payload(ordinal)?.map_or_else(|| self.payloads.read(ordinal), Ok)
    }

    /// Bytes of the row's payload as it is stored.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub(crate) fn payload_len(&self, ordinal: Ordinal) -> Result<u64> {
        let patched = self.patches.as_ref().map(|p| p.len_of(ordinal)).transpose()?.flatten();
        patched.map_or_else(|| self.payloads.len_of(ordinal), Ok)
    }

    /// What replaced the payload that the row was flushed with; none if nothing did.
    ///
    /// # Errors
    /// If a page cannot be read or decoded.
    pub fn patched_payload(&self, ordinal: Ordinal) -> Result<Option<Payload>> {
        self.patches.as_ref().map_or(Ok(None), |patches| patches.read(ordinal))
    }

    /// Reads the pages of these rows' payloads side by side: a hint that they are read next.
    pub fn prefetch_payloads(&self, ordinals: &[Ordinal]) {
        self.payloads.prefetch(ordinals);
    }

    /// The rows whose payload was patched after the segment was written, if any.
    pub fn patched(&self) -> Option<&RoaringBitmap> {
        self.patches.as_ref().map(|patches| patches.rows())
    }

    /// The row's vector of a name, shape `[dim]`; none if it has none.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub fn vector(&self, name: &VectorName, ordinal: Ordinal) -> Result<Option<Vec<f32>>> {
        self.parts(name).map_or(Ok(None), |parts| parts.column.read(ordinal))
    }

    /// Vectors of rows, appended to `out` and read side by side; shape `[n, dim]`, zeros for rows
    /// without.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub fn read_vectors(
        &self,
        (name, dim): (&VectorName, usize),
        rows: &[Ordinal],
        out: &mut Vec<f32>,
    ) -> Result<()> {
        match self.parts(name) {
            Some(parts) => parts.column.read_rows(rows, out)?,
            None => out.resize(out.len() + rows.len() * dim, 0.0),
        }
        Ok(())
    }

    /// Whether the row has a vector of a name.
    pub fn has_vector(&self, name: &VectorName, ordinal: Ordinal) -> bool {
        self.parts(name).is_some_and(|parts| parts.column.is_present(ordinal))
    }

    /// Whether every row has a vector of a name.
    pub fn is_complete(&self, name: &VectorName) -> bool {
        self.parts(name).is_some_and(|parts| parts.column.is_complete())
    }

    /// The indexes of payload fields. They do not know of patched rows.
    pub fn indexes(&self) -> &FieldIndexes {
        &self.indexes
    }

    /// Bytes that [`Segment::load_codes`] takes; none if the name has no codes.
    pub fn code_bytes(&self, name: &VectorName) -> Option<u64> {
        Some(self.parts(name)?.codes.as_ref()?.bytes())
    }

    /// All codes of a name in memory, for building its graph; none if it has no codes.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub fn load_codes(&self, name: &VectorName) -> Result<Option<LoadedCodes>> {
        let codes = self.parts(name).and_then(|parts| parts.codes.as_ref());
        codes.map(|codes| codes.load(256 << 10)).transpose()
    }

    /// Brings in what every search reads, most wanted first, before the first search comes: the
    /// bytes of a new file lie on the disk alone. A mapped segment takes at most `room` bytes of
    /// the kernel's cache, a governed one the frames that are free.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub fn warm(&self, mut room: u64) -> Result<()> {
        let parts = || self.vectors.values();
        parts().filter_map(|p| p.graph.as_ref()).try_for_each(|graph| graph.warm(&mut room))?;
        parts().filter_map(|p| p.codes.as_ref()).try_for_each(|codes| codes.warm(&mut room))?;
        self.rows.warm(&mut room)?;
        parts().try_for_each(|p| p.column.warm(&mut room))
    }

    /// The graph of a name, for building that of a segment that this one's rows go to; none if it
    /// has no graph. `places` says where each row goes; shape `[rows]`.
    ///
    /// # Errors
    /// If there are too many readers.
    pub fn graph_basis<'a>(
        &'a self,
        name: &VectorName,
        places: &'a [u32],
    ) -> Result<Option<Basis<'a, PagedLinks<'a>>>> {
        let graph = self.parts(name).and_then(|parts| parts.graph.as_ref());
        graph.map(|graph| graph.basis(places)).transpose()
    }

    /// Writes the patches that replace this segment's patch component: those it has, and `newer`
    /// ones over them.
    ///
    /// # Errors
    /// If a page cannot be read, or a refusing disk.
    pub fn write_patches(
        &self,
        store: &Store,
        file: u64,
        newer: &BTreeMap<Ordinal, PatchRow>,
    ) -> Result<ComponentRef> {
        let mut rows = newer.clone();
        for ordinal in self.patched().into_iter().flatten().map(Ordinal) {
            if let Entry::Vacant(entry) = rows.entry(ordinal) {
                let payload = Arc::new(self.payload(ordinal)?);
                let version = self.version(ordinal)?;
                entry.insert(PatchRow { ordinal, version, payload });
            }
        }
        let rows = rows
            .into_values()
            .map(|row| self.digest_with(&row).map(|digest| (row, digest)))
            .collect::<Result<Vec<_>>>()?;
        let head = self.record.head(ComponentKind::Patch, "");
        write_patches(&*store.directory, head, file, &rows)
    }

    pub(crate) fn digest_with(&self, row: &PatchRow) -> Result<u64> {
        let mut digest = Digest::new(self.id_of(row.ordinal)?, row.version);
        let mut bytes = Vec::new();
        for (name, parts) in &self.vectors {
            if parts.column.is_present(row.ordinal) {
                bytes.clear();
                parts.column.read_bytes(row.ordinal, &mut bytes)?;
                digest.add(name.0.as_bytes());
                digest.add(&bytes);
            }
        }
        bytes.clear();
        if !row.payload.is_empty() {
            vectorizer_model::encode::encode_payload(&row.payload, &mut bytes);
        }
        digest.add(&bytes);
        Ok(digest.finish())
    }
}
