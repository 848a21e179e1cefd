//! Changes a collection's settings.

use vectorizer_model::{self as model, CollectionName};

use crate::context::Context;
use crate::error::Result;
use crate::estimate::{Estimate, MemoryAwareOperation};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};
use crate::settings::SettingsChanges;

/// Changes a collection's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateCollection {
    /// Its name.
    pub name: CollectionName,
    /// What changes.
    pub changes: SettingsChanges,
}

impl MemoryAwareOperation for UpdateCollection {
    fn estimate_memory_usage(&self, _: &Context) -> Result<Estimate> {
        Ok(Estimate::settings())
    }
}

impl Operation for UpdateCollection {
    const ENTRY: Entry = Entry {
        name: "update_collection",
        summary: "Changes a collection's settings",
        access: Access::Manage,
    };

    type Output = ();

    async fn execute(self, context: &Guarded<'_>) -> Result<()> {
        let line = context.settings_line(&self.name).await?;
        let _turn = line.take().await;
        let before = context.view(&self.name).await?;
        let mut settings = (**before.settings()).clone();
        self.changes.apply(&mut settings)?;
        if settings != **before.settings() {
            let operation = model::Operation::UpdateSettings(Box::new(settings));
            context.write(&self.name, operation).await?;
        }
        Ok(())
    }
}
