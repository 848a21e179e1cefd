//! Whose a request is: the tenant of the key that it shows, else of its header.
//!
//! Without keys the header tells apart who is charged and served; it keeps nobody from what is
//! another's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use vectorizer_api::{ApiError, Caller, Context, ErrorKind};
use vectorizer_engine::Engine;
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
/// For how long nobody is looked for again who could be forgotten, after none was found.
const FUTILE_PAUSE: Duration = Duration::from_millis(100);
/// Bytes of a tenant that is known: its name, its accounts, its credit.
const TENANT_BYTES: u64 = 4 << 10;

/// The tenants of requests.
pub(crate) struct Tenants {
    governor: Arc<Governor>,
    /// Tells whose collections there are.
    engine: Engine,
    settings: TenantSettings,
    /// [`TENANTS_MAX`], but in tests.
    most: usize,
    nobody: Caller,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    by_name: BTreeMap<TenantName, Tenant>,
    held: Reservation,
    /// So many more may come before it is looked who can be forgotten.
    room: usize,
    /// When nobody could be forgotten last.
    futile: Option<Instant>,
}

impl Tenants {
    /// Bounds what the tenants of the configuration and of collections may hold from now on.
    ///
    /// # Errors
    /// The budget refuses.
    pub(crate) fn new(context: &Context, settings: TenantSettings) -> Result<Self, ApiError> {
        let governor = Arc::clone(context.engine().governor());
        let held = governor.reserve(Class::Operations, &Tenant::system(), 0)?;
        let (most, by_name) = (TENANTS_MAX, BTreeMap::new());
        let known = Mutex::new(Known { by_name, held, room: most, futile: None });
        let (engine, nobody) = (context.engine().clone(), context.caller().clone());
        let tenants = Self { governor, engine, settings, most, nobody, known };
        if tenants.settings.enabled {
            for name in tenants.named() {
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
        if known.room == 0 {
            self.make_room(&mut known);
        }
        if known.room == 0 {
            let told = format!(
                "tenant `{name}`: {} tenants without collections hold memory already; retry after \
                 one of them gave back, or name one of them in X-Tenant-Id",
                self.most
            );
            return Err(ApiError::new(ErrorKind::ResourceExhausted, told).with_retry());
        }
        let tenant = self.admit(&mut known, name)?;
        known.room -= 1;
        Ok(tenant)
    }

    /// Knows a tenant from now on, and bounds what it may hold.
    fn admit(&self, known: &mut Known, name: &TenantName) -> Result<Tenant, ApiError> {
        known.held.try_grow(TENANT_BYTES)?;
        let tenant = self.governor.tenant(name.as_str());
        let of_all = self.settings.default_quota.filter(|_| !name.is_default());
        if let Some(quota) = self.settings.quotas.get(name).copied().or(of_all) {
            self.governor.impose_tenant_limit(&tenant, Some(quota));
        }
        known.by_name.insert(name.clone(), tenant.clone());
        Ok(tenant)
    }

    /// Forgets tenants of whom nobody else knows: they hold nothing, and no request of theirs is under
    /// way. Then counts how many more may come.
    fn make_room(&self, known: &mut Known) {
        if known.futile.is_some_and(|at| at.elapsed() < FUTILE_PAUSE) {
            return;
        }
        for cache in self.engine.caches().caches() {
            cache.forget_idle_tenants();
        }
        let named = self.named();
        let before = known.by_name.len();
        known
            .by_name
            .retain(|name, tenant| named.contains(name) || !self.governor.forget_tenant(tenant));
        known.held.shrink((before - known.by_name.len()) as u64 * TENANT_BYTES);
        let strangers = known.by_name.keys().filter(|name| !named.contains(*name)).count();
        known.room = self.most.saturating_sub(strangers);
        known.futile = (known.room == 0).then(Instant::now);
    }

    /// Those that the configuration or a collection names.
    fn named(&self) -> BTreeSet<TenantName> {
        let owners = self.engine.owners().into_iter();
        let owners = owners.filter_map(|(_, owner)| TenantName::new(owner.name()).ok());
        owners.chain(self.configured().cloned()).collect()
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

#[cfg(test)]
mod tests;
