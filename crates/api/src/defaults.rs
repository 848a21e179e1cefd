//! What a new collection has where its creator says nothing.

use vectorizer_model::settings::{HnswSettings, Quantization, StorageType};

/// What a new collection has where its creator says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CollectionDefaults {
    /// Graph parameters.
    pub hnsw: HnswSettings,
    /// Codes that traversal uses.
    pub quantization: Quantization,
    /// Where index bytes live.
    pub storage_type: StorageType,
}
