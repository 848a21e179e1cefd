//! Whose a request is: the tenant of the key that it shows, else of its header.
//!
//! Without keys the header tells apart who is charged and served; it keeps nobody from what is
//! another's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::HeaderMap;
use vectorizer_api::{ApiError, Caller, Context, ErrorKind};
use vectorizer_memory::{Class, Governor, Reservation, Tenant};
use vectorizer_model::{TenantName, TenantNameError};
use vectorizer_wire::WireError;

use crate::auth::Identity;
use crate::config::TenantSettings;
use crate::status::RestError;

/// The header that names a tenant.
pub(crate) const HEADER: &str = "x-tenant-id";
/// Tenants known at once that neither the configuration nor a collection names.
const TENANTS_MAX: usize = 1024;
/// Bytes of a tenant that is known: its name, its accounts, its credit.
const TENANT_BYTES: u64 = 4 << 10;

/// The tenants of requests.
pub(crate) struct Tenants {
    governor: Arc<Governor>,
    settings: TenantSettings,
    nobody: Caller,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    by_name: BTreeMap<TenantName, Tenant>,
    held: Reservation,
}

impl Tenants {
    /// Bounds what the tenants of the configuration and of collections may hold from now on.
    ///
    /// # Errors
    /// The budget refuses, or its limits are being changed.
    pub(crate) fn new(context: &Context, settings: TenantSettings) -> Result<Self, ApiError> {
        let governor = Arc::clone(context.engine().governor());
        let held = governor.reserve(Class::Operations, &Tenant::system(), 0)?;
        let known = Mutex::new(Known { by_name: BTreeMap::new(), held });
        let tenants = Self { governor, settings, nobody: context.caller().clone(), known };
        if tenants.settings.enabled {
            let owners = context.engine().owners().into_iter();
            let owners = owners.filter_map(|(_, owner)| TenantName::new(owner.name()).ok());
            let names: BTreeSet<TenantName> = owners.chain(tenants.configured().cloned()).collect();
            for name in names {
                let tenant = tenants.admit(&mut tenants.lock(), &name)?;
                if let Some(bytes) = tenants.settings.guarantees.get(&name) {
                    context.set_guarantee(&tenant, *bytes);
                }
            }
        }
        Ok(tenants)
    }

    /// Who asks.
    ///
    /// # Errors
    /// The header names no tenant, or another one than the key; or there are too many tenants.
    pub(crate) fn caller(
        &self,
        identity: &Identity,
        headers: &HeaderMap,
    ) -> Result<Caller, RestError> {
        if !self.settings.enabled {
            return Ok(self.nobody.clone());
        }
        let named = named(headers)?;
        let shown = if let Identity::Tenant(name) = identity { Some(name) } else { None };
        if let (Some(named), Some(shown)) = (&named, shown)
            && named != shown
        {
            let told = format!(
                "header X-Tenant-Id is `{named}`, but the key is of tenant `{shown}`; leave the \
                 header out"
            );
            return Err(WireError::invalid(told).into());
        }
        let Some(name) = shown.cloned().or(named) else { return Ok(self.nobody.clone()) };
        let tenant = self.known(&name)?;
        let caller = Caller::new(name, tenant);
        Ok(if shown.is_some() { caller.among_own() } else { caller })
    }

    fn known(&self, name: &TenantName) -> Result<Tenant, ApiError> {
        let mut known = self.lock();
        if let Some(tenant) = known.by_name.get(name) {
            return Ok(tenant.clone());
        }
        if known.by_name.len() >= TENANTS_MAX {
            self.forget_idle(&mut known);
        }
        if known.by_name.len() >= TENANTS_MAX {
            let told = format!(
                "tenant `{name}`: {TENANTS_MAX} tenants hold memory already; retry after one of them \
                 gave back, or name one of them in X-Tenant-Id"
            );
            return Err(ApiError::new(ErrorKind::ResourceExhausted, told).with_retry());
        }
        self.admit(&mut known, name)
    }

    /// Knows a tenant from now on, and bounds what it may hold.
    fn admit(&self, known: &mut Known, name: &TenantName) -> Result<Tenant, ApiError> {
        known.held.try_grow(TENANT_BYTES)?;
        let tenant = self.governor.tenant(name.as_str());
        let of_all = self.settings.default_quota.filter(|_| !name.is_default());
        if let Some(quota) = self.settings.quotas.get(name).copied().or(of_all)
            && let Err(refused) = self.governor.impose_tenant_limit(&tenant, quota)
        {
            known.held.shrink(TENANT_BYTES);
            return Err(refused.into());
        }
        known.by_name.insert(name.clone(), tenant.clone());
        Ok(tenant)
    }

    /// Forgets tenants that hold nothing and that the configuration does not name.
    fn forget_idle(&self, known: &mut Known) {
        let usage = self.governor.usage().tenants.into_iter();
        let holding: BTreeSet<_> =
            usage.filter(|tenant| tenant.bytes > 0).map(|tenant| tenant.name).collect();
        let configured: BTreeSet<&TenantName> = self.configured().collect();
        let idle = known.by_name.extract_if(.., |name, _| {
            !holding.contains(name.as_str()) && !configured.contains(name)
        });
        let idle: Vec<Tenant> = idle.map(|(_, tenant)| tenant).collect();
        known.held.shrink(idle.len() as u64 * TENANT_BYTES);
        for tenant in idle {
            // With a bound of its own the governor would keep it.
            if let Err(error) = self.governor.set_tenant_limit(&tenant, None) {
                tracing::debug!(%error, "an idle tenant is kept");
            }
        }
    }

    fn configured(&self) -> impl Iterator<Item = &TenantName> {
        let TenantSettings { quotas, point_quotas, guarantees, keys, .. } = &self.settings;
        let bounded = quotas.keys().chain(point_quotas.keys());
        bounded.chain(guarantees.keys()).chain(keys.keys())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tenant that the header names.
fn named(headers: &HeaderMap) -> Result<Option<TenantName>, WireError> {
    let mut given = headers.get_all(HEADER).iter();
    let Some(first) = given.next() else { return Ok(None) };
    let wrong = |shown: &str, cause: &dyn std::fmt::Display| {
        WireError::invalid(format!("header X-Tenant-Id is `{shown}`: it {cause}"))
    };
    if given.next().is_some() {
        return Err(wrong("several", &"is there more than once; send it once"));
    }
    let Ok(text) = first.to_str() else {
        let cause = TenantNameError::Forbidden { character: '\u{fffd}' };
        return Err(wrong(&String::from_utf8_lossy(first.as_bytes()), &cause));
    };
    TenantName::new(text).map(Some).map_err(|cause| wrong(text, &cause))
}

impl std::fmt::Debug for Tenants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tenants").field("settings", &self.settings).finish_non_exhaustive()
    }
}
