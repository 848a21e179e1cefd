//! What there is: tenants with what they hold, and the components of Grafana Mimir.
//!
//! What was found is kept in two caches of the class discovery, and told with its age.

mod mimir;
mod tenants;

pub use mimir::DiscoverMimir;
pub use tenants::DiscoverTenants;
