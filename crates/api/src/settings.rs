//! What a collection's settings become.

use std::collections::BTreeMap;

use vectorizer_model::settings::{HnswSettings, Quantization, VectorSettings};
use vectorizer_model::{CollectionSettings, VectorName};

use crate::error::{ApiError, Result};

/// Changes to a collection's settings; what is absent stays.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SettingsChanges {
    /// Of the graph parameters.
    pub hnsw: HnswChanges,
    /// Of the codes that traversal uses.
    pub quantization: Option<Quantization>,
    /// Whether payloads are read from disk only.
    pub on_disk_payload: Option<bool>,
    /// Of single vectors.
    pub vectors: BTreeMap<VectorName, VectorChanges>,
    /// Tuning that is stored and shown, as `path -> text`.
    pub tuning: BTreeMap<String, String>,
    /// Tuning that is forgotten, by the beginning of its path.
    pub forget: Vec<&'static str>,
}

/// Changes to graph parameters; what is absent stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HnswChanges {
    /// Links of a node on the upper layers.
    pub m: Option<u32>,
    /// Candidates while building.
    pub ef_construct: Option<u32>,
    /// Kept and shown for clients.
    pub full_scan_threshold_kib: Option<u64>,
}

/// Changes to one vector's settings; what is absent stays.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VectorChanges {
    /// A hint that originals are rarely read.
    pub on_disk: Option<bool>,
    /// Of graph parameters of its own.
    pub hnsw: HnswChanges,
    /// Of codes of its own.
    pub quantization: Option<Quantization>,
}

impl HnswChanges {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn apply(&self, to: &mut HnswSettings) {
        to.m = self.m.unwrap_or(to.m);
        to.ef_construct = self.ef_construct.unwrap_or(to.ef_construct);
        let threshold = &mut to.full_scan_threshold_kib;
        *threshold = self.full_scan_threshold_kib.unwrap_or(*threshold);
    }
}

impl VectorChanges {
    fn apply(&self, collection: HnswSettings, to: &mut VectorSettings) {
        to.on_disk = self.on_disk.or(to.on_disk);
        to.quantization = self.quantization.or(to.quantization);
        if !self.hnsw.is_empty() {
            self.hnsw.apply(to.hnsw.get_or_insert(collection));
        }
    }
}

impl SettingsChanges {
    /// Applies the changes and checks the outcome.
    ///
    /// # Errors
    /// A vector is not there, or a value is beyond its bounds; `settings` is then of no use.
    pub fn apply(self, settings: &mut CollectionSettings) -> Result<()> {
        self.hnsw.apply(&mut settings.hnsw);
        settings.quantization = self.quantization.unwrap_or(settings.quantization);
        settings.on_disk_payload = self.on_disk_payload.unwrap_or(settings.on_disk_payload);
        for (name, changes) in &self.vectors {
            let vector = settings.vectors.get_mut(name).ok_or_else(|| {
                ApiError::invalid(format!("Not existing vector name error: {name}"))
            })?;
            changes.apply(settings.hnsw, vector);
        }
        for path in &self.forget {
            settings.tuning.retain(|known, _| !known.starts_with(path));
        }
        settings.tuning.extend(self.tuning);
        settings.validate().map_err(|error| ApiError::invalid(error.to_string()))
    }
}
