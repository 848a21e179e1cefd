//! Creates a collection.

use std::collections::BTreeMap;

use vectorizer_engine::EngineError;
use vectorizer_model::settings::{StorageType, VectorSettings};
use vectorizer_model::{CollectionName, CollectionSettings, Datatype, Metric, VectorName};

use crate::context::Context;
use crate::error::Result;
use crate::estimate::{Estimate, MemoryAwareOperation};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};
use crate::settings::SettingsChanges;

/// Creates a collection.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateCollection {
    /// Its name, unused until now.
    pub name: CollectionName,
    /// Its vectors by name.
    pub vectors: BTreeMap<VectorName, NewVector>,
    /// Where its index bytes live, if not where they do by default.
    pub storage_type: Option<StorageType>,
    /// What differs from the defaults.
    pub changes: SettingsChanges,
}

/// What a vector of a new collection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewVector {
    /// Components.
    pub dim: u32,
    /// How two vectors are compared.
    pub metric: Metric,
    /// How a component is stored.
    pub datatype: Datatype,
}

impl MemoryAwareOperation for CreateCollection {
    fn estimate_memory_usage(&self, _: &Context) -> Result<Estimate> {
        Ok(Estimate::settings())
    }
}

impl Operation for CreateCollection {
    const ENTRY: Entry = Entry {
        name: "create_collection",
        summary: "Creates a collection",
        access: Access::Manage,
    };

    type Output = ();

    async fn execute(self, context: &Guarded<'_>) -> Result<()> {
        let defaults = context.defaults();
        let vectors = self.vectors.into_iter().map(|(name, vector)| {
            let NewVector { dim, metric, datatype } = vector;
            (name, VectorSettings { datatype, ..VectorSettings::new(dim, metric) })
        });
        let rule = context.engine().storage_rule();
        let mut settings = CollectionSettings {
            hnsw: defaults.hnsw,
            quantization: defaults.quantization,
            storage_type: rule.resolve(self.storage_type, defaults.storage_type),
            ..CollectionSettings::new(vectors)
        };
        self.changes.apply(&mut settings)?;
        let owner = context.caller().name().clone();
        let refused = |error| context.caller().refused(error);
        let created = context.engine().create_collection_of(owner, self.name, settings);
        created.map_err(refused)?.await.map_err(EngineError::from)?.map_err(refused)?;
        Ok(())
    }
}
