//! Tells which tenants there are, and what they hold.

use std::collections::BTreeMap;

use vectorizer_memory::{Holder, TenantUsage};
use vectorizer_model::CollectionName;

use crate::context::Context;
use crate::error::Result;
use crate::estimate::{Estimate, MemoryAwareOperation};
use crate::found::{CollectionFound, TenantFound, TenantsFound};
use crate::guarded::Guarded;
use crate::operation::{Access, Entry, Operation};

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
        Ok(TenantsFound { tenants: tenants.collect(), items_max: settings.tenant_items_bound() })
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
