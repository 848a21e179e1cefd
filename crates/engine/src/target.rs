//! Which collection is meant: one by its name, or one that was found before.
//!
//! A name may come to be another's collection while an operation is on its way. What was found stays
//! what it is: once it was dropped nothing of that name takes its place.

use std::sync::Arc;

use vectorizer_memory::Tenant;
use vectorizer_model::CollectionName;

use crate::collection::Collection;

/// A collection that was found.
#[derive(Debug, Clone)]
pub struct FoundCollection(pub(crate) Arc<Collection>);

impl FoundCollection {
    /// Its name.
    pub fn name(&self) -> &CollectionName {
        &self.0.name
    }

    /// Who created it.
    pub fn owner(&self) -> &Tenant {
        &self.0.tenant
    }

    /// Its number, which no other collection of the engine's ever has.
    pub fn number(&self) -> u32 {
        self.0.id.0
    }
}

/// Which collection is meant.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// The one that has this name now.
    Named(&'a CollectionName),
    /// This one.
    Found(&'a FoundCollection),
}

impl<'a> From<&'a CollectionName> for Target<'a> {
    fn from(name: &'a CollectionName) -> Self {
        Self::Named(name)
    }
}

impl<'a> From<&'a FoundCollection> for Target<'a> {
    fn from(found: &'a FoundCollection) -> Self {
        Self::Found(found)
    }
}
