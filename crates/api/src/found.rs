//! What was discovered, and the caches that keep it.

mod caches;
pub mod mimir;
mod tenants;

pub(crate) use caches::DiscoveryCaches;
pub use caches::{Found, MIMIR_DISCOVERY, TENANT_DISCOVERY};
pub use tenants::{CollectionFound, TenantFound, TenantsFound};
