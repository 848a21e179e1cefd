//! What a collection is: its vectors, indexes and tuning.

use std::collections::BTreeMap;

use crate::{Datatype, KeyPath, Metric, VectorName};

/// A collection's validated settings. They change only through operations of its own log.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectionSettings {
    /// Its vectors by name.
    pub vectors: BTreeMap<VectorName, VectorSettings>,
    /// Graph parameters, unless a vector has its own.
    pub hnsw: HnswSettings,
    /// Codes that traversal uses, unless a vector has its own.
    pub quantization: Quantization,
    /// Where index bytes live.
    pub storage_type: StorageType,
    /// Payload fields with an index.
    pub field_indexes: BTreeMap<KeyPath, FieldIndexKind>,
    /// Whether payloads are read from disk only.
    pub on_disk_payload: bool,
    /// Tuning that the contract knows and this engine stores and shows, as `path -> text`,
    /// for example `optimizers_config.indexing_threshold -> 20000`.
    pub tuning: BTreeMap<String, String>,
}

impl CollectionSettings {
    /// These vectors, and everything else by default.
    pub fn new(vectors: impl IntoIterator<Item = (VectorName, VectorSettings)>) -> Self {
        Self {
            vectors: vectors.into_iter().collect(),
            hnsw: HnswSettings::default(),
            quantization: Quantization::default(),
            storage_type: StorageType::default(),
            field_indexes: BTreeMap::new(),
            on_disk_payload: true,
            tuning: BTreeMap::new(),
        }
    }
}

/// One vector's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorSettings {
    /// Components, 1 to [`crate::limits::DIMENSION_MAX`].
    pub dim: u32,
    /// How two vectors are compared.
    pub metric: Metric,
    /// How a component is stored.
    pub datatype: Datatype,
    /// A hint that originals are rarely read.
    pub on_disk: Option<bool>,
    /// Graph parameters of this vector's own.
    pub hnsw: Option<HnswSettings>,
    /// Codes of this vector's own.
    pub quantization: Option<Quantization>,
}

impl VectorSettings {
    /// Singles compared by a metric, and everything else by default.
    pub fn new(dim: u32, metric: Metric) -> Self {
        let datatype = Datatype::Float32;
        Self { dim, metric, datatype, on_disk: None, hnsw: None, quantization: None }
    }

    /// Whether vectors are brought to length 1 before they are stored. Bytes cannot hold such
    /// vectors; for them the length is divided out whenever two are compared.
    pub fn stores_normalised(&self) -> bool {
        self.metric == Metric::Cosine && self.datatype != Datatype::Uint8
    }

    /// Whether stored vectors have lengths that the metric must divide out.
    pub fn divides_by_length(&self) -> bool {
        self.metric == Metric::Cosine && self.datatype == Datatype::Uint8
    }
}

/// Parameters of the graph (Malkov & Yashunin 2018).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HnswSettings {
    /// Links of a node on the upper layers; layer 0 has twice as many. 0 means no graph.
    pub m: u32,
    /// Candidates while building.
    pub ef_construct: u32,
    /// Kept and shown for clients, in KiB; what a search costs decides whether it scans.
    pub full_scan_threshold_kib: u64,
}

impl Default for HnswSettings {
    fn default() -> Self {
        Self { m: 16, ef_construct: 100, full_scan_threshold_kib: 10_000 }
    }
}

/// The codes that traversal uses; answers are rescored from the originals.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Quantization {
    /// One byte for each component.
    #[default]
    Int8,
    /// None: traversal reads the originals.
    Off,
}

/// Where a collection's index bytes live. Durability is the same for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StorageType {
    /// On disk, cached in page frames.
    #[default]
    Mmap,
    /// On disk, and pinned in memory under a declared reservation.
    Memory,
}

/// What a payload field's index holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldIndexKind {
    /// Texts, for exact match.
    Keyword,
    /// Integers, for match and range.
    Integer,
    /// Numbers, for range.
    Float,
    /// Truth values.
    Bool,
}
