//! What there is: tenants with what they hold, and the components of Grafana Mimir.
//!
//! What was found is kept in two caches of the class discovery, and told with its age.

mod caches;
pub mod mimir;
mod tenants;

pub(crate) use caches::DiscoveryCaches;
pub use caches::{Found, MIMIR_DISCOVERY, TENANT_DISCOVERY};
pub use mimir::DiscoverMimir;
pub use tenants::{CollectionFound, DiscoverTenants, TenantFound, TenantsFound};
