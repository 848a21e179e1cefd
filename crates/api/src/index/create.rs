//! Indexes a payload field.

use vectorizer_model::settings::FieldIndexKind;
use vectorizer_model::{self as model, CollectionName, KeyPath};

use crate::context::Context;
use crate::error::Result;
use crate::estimate::{Estimate, MemoryAwareOperation};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};
use crate::settings::SettingsChanges;
use crate::write::Written;

/// Indexes a payload field from now on; the points that are there are indexed in the background.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateFieldIndex {
    /// Where.
    pub collection: CollectionName,
    /// Which field.
    pub key: KeyPath,
    /// What the index holds.
    pub kind: FieldIndexKind,
    /// Parameters that are stored and shown, as one text.
    pub params: Option<String>,
}

/// Where the parameters of a field's index are kept among the tuning.
pub fn params_path(key: &KeyPath) -> String {
    format!("payload_schema.{key}")
}

impl MemoryAwareOperation for CreateFieldIndex {
    fn estimate_memory_usage(&self, _: &Context) -> Result<Estimate> {
        Ok(Estimate::settings())
    }
}

impl Operation for CreateFieldIndex {
    const ENTRY: Entry = Entry {
        name: "create_field_index",
        summary: "Indexes a payload field",
        access: Access::Write,
    };

    type Output = Written;

    async fn execute(self, context: &Guarded<'_>) -> Result<Written> {
        let line = context.settings_line(&self.collection).await?;
        let _turn = line.take().await;
        let view = context.view(&self.collection).await?;
        let path = params_path(&self.key);
        if view.settings().tuning.get(&path) != self.params.as_ref() {
            let mut settings = (**view.settings()).clone();
            settings.tuning.remove(&path);
            let tuning = self.params.map(|params| (path, params)).into_iter().collect();
            SettingsChanges { tuning, ..SettingsChanges::default() }.apply(&mut settings)?;
            let operation = model::Operation::UpdateSettings(Box::new(settings));
            context.write(&self.collection, operation).await?;
        }
        let operation = model::Operation::CreateFieldIndex { key: self.key, kind: self.kind };
        context.write(&self.collection, operation).await
    }
}
