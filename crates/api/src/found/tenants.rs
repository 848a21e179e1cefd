//! Tenants, and what they hold.

use vectorizer_cache::{Footprint, allocated_bytes};
use vectorizer_memory::Class;
use vectorizer_model::CollectionName;

use super::Found;

/// A tenant, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantFound {
    /// Its name.
    pub name: Box<str>,
    /// Bytes that it holds.
    pub bytes: u64,
    /// The most that it ever held.
    pub peak: u64,
    /// What it may hold, if that is bounded.
    pub quota: Option<u64>,
    /// Bytes that it holds for each class.
    pub classes: Vec<(Class, u64)>,
    /// Its collections, by name.
    pub collections: Vec<CollectionFound>,
}

/// A collection of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionFound {
    /// Its name.
    pub name: CollectionName,
    /// Whether its segments are open.
    pub open: bool,
    /// Points, unless only opening it would tell.
    pub points: Option<u64>,
    /// Bytes of rows that are not flushed yet.
    pub memtable_bytes: u64,
    /// Bytes on disk.
    pub disk_bytes: u64,
}

impl TenantFound {
    /// Points of all its collections whose points are known.
    pub fn points(&self) -> u64 {
        self.collections.iter().filter_map(|collection| collection.points).sum()
    }
}

impl Footprint for TenantFound {
    fn heap_bytes(&self) -> u64 {
        let classes = self.classes.capacity() * size_of::<(Class, u64)>();
        let classes = allocated_bytes(classes as u64);
        self.name.heap_bytes() + classes + self.collections.heap_bytes()
    }
}

impl Footprint for CollectionFound {
    fn heap_bytes(&self) -> u64 {
        allocated_bytes(self.name.as_str().len() as u64)
    }
}

/// The tenants.
#[derive(Debug)]
pub struct TenantsFound {
    /// Each of them, by name.
    pub tenants: Vec<Found<TenantFound>>,
    /// The most that are kept.
    pub items_max: u64,
}
