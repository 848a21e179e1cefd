//! Tells which tenants there are, and what they hold.

use std::collections::BTreeMap;

use vectorizer_cache::{Footprint, allocated_bytes};
use vectorizer_memory::{Class, Holder, TenantUsage};
use vectorizer_model::CollectionName;

use super::Found;
use crate::context::Context;
use crate::error::Result;
use crate::estimate::{Estimate, MemoryAwareOperation};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};

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

/// Tells which tenants there are, and what they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiscoverTenants {
    /// Whether what is kept is passed over.
    pub fresh: bool,
}

impl MemoryAwareOperation for DiscoverTenants {
    fn estimate_memory_usage(&self, context: &Context) -> Result<Estimate> {
        Ok(Estimate::of_tenants(context))
    }
}

impl Operation for DiscoverTenants {
    const ENTRY: Entry = Entry {
        name: "discover_tenants",
        summary: "Tells which tenants there are, and what they hold",
        access: Access::Read,
    };

    type Output = TenantsFound;

    async fn execute(self, context: &Guarded<'_>) -> Result<TenantsFound> {
        let _drawn = context.draw(Estimate::of_tenants(context).bytes / 2)?;
        let governor = context.engine().governor();
        let books: BTreeMap<_, _> = governor
            .usage()
            .tenants
            .into_iter()
            .map(|of| (Box::<str>::from(&*of.name), of))
            .collect();
        let mut owned: BTreeMap<Box<str>, Vec<CollectionName>> =
            books.keys().map(|name| (name.clone(), Vec::new())).collect();
        for (collection, tenant) in context.engine().owners() {
            owned.entry(tenant.name().into()).or_default().push(collection);
        }
        let holdings = governor.holdings();
        let caches = context.discovery();
        let tenants = owned.into_iter().map(|(name, collections)| {
            let kept = if self.fresh { None } else { caches.tenant(&name) };
            kept.unwrap_or_else(|| {
                let found = found(context, name, collections, (&books, &holdings));
                caches.keep_tenant(found)
            })
        });
        let settings = context.cache_settings();
        let items_max = settings.tenant_items_max.min(settings.items_max);
        Ok(TenantsFound { tenants: tenants.collect(), items_max })
    }
}

/// What a tenant holds now.
fn found(
    context: &Context,
    name: Box<str>,
    collections: Vec<CollectionName>,
    (books, holdings): (&BTreeMap<Box<str>, TenantUsage>, &[Holder]),
) -> TenantFound {
    let of = books.get(&name);
    let classes = holdings.iter().filter(|holder| *holder.tenant == *name);
    let quota = of.map(|of| of.limit).filter(|limit| *limit != u64::MAX);
    TenantFound {
        bytes: of.map_or(0, |of| of.bytes),
        peak: of.map_or(0, |of| of.peak),
        quota,
        classes: classes.map(|holder| (holder.class, holder.bytes)).collect(),
        // One may be gone meanwhile.
        collections: collections.into_iter().filter_map(|name| shown(context, name)).collect(),
        name,
    }
}

fn shown(context: &Context, name: CollectionName) -> Option<CollectionFound> {
    let info = context.engine().info_at_hand(&name).ok()?;
    Some(CollectionFound {
        name,
        open: info.as_ref().is_some_and(|info| info.open),
        points: info.as_ref().map(|info| info.points),
        memtable_bytes: info.as_ref().map_or(0, |info| info.memtable_bytes),
        disk_bytes: info.as_ref().map_or(0, |info| info.bytes.values().sum()),
    })
}
