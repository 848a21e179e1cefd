//! What was discovered: as it is shown, and as Mimir tells it.

mod mimir;

use serde_json::{Value, json};
use vectorizer_api::found::mimir::{MimirEndpoint, MimirFound, MimirPart};
use vectorizer_api::found::{CollectionFound, Found, TenantFound, TenantsFound};

pub use mimir::read_part;

/// The tenants.
pub fn tenants(found: &TenantsFound) -> Value {
    json!({
        "tenants": found.tenants.iter().map(tenant).collect::<Vec<_>>(),
        "tenant_count": found.tenants.len(),
        "max_items": found.items_max,
    })
}

fn tenant(found: &Found<TenantFound>) -> Value {
    let classes = found.classes.iter().map(|(class, bytes)| (class.name(), *bytes));
    json!({
        "tenant": found.name,
        "bytes": found.bytes,
        "peak": found.peak,
        "quota": found.quota,
        "classes": classes.collect::<std::collections::BTreeMap<_, _>>(),
        "collections": found.collections.iter().map(collection).collect::<Vec<_>>(),
        "collection_count": found.collections.len(),
        "points": found.points(),
        "age_seconds": found.age.as_secs_f64(),
    })
}

fn collection(found: &CollectionFound) -> Value {
    json!({
        "name": found.name.as_str(),
        "open": found.open,
        "points": found.points,
        "memtable_bytes": found.memtable_bytes,
        "disk_bytes": found.disk_bytes,
    })
}

/// Mimir, as far as it told.
pub fn mimir(found: &MimirFound) -> Value {
    let (mut components, mut tenants) = (Vec::new(), Vec::new());
    let told = || found.parts.iter().filter_map(|(at, part)| Some((*at, part.as_ref().ok()?)));
    let build = told().find_map(|(_, part)| match &**part {
        MimirPart::Build(build) => Some(build),
        MimirPart::Services(_) | MimirPart::Ring(_) | MimirPart::Tenants(_) => None,
    });
    for (at, part) in told() {
        match &**part {
            MimirPart::Services(services) => components.extend(services.iter().map(|service| {
                json!({
                    "component": service.name, "kind": "service", "id": null,
                    "state": service.state, "address": found.address, "zone": null,
                    "version": build.map(|build| &build.version), "heartbeat": null,
                })
            })),
            MimirPart::Ring(members) => components.extend(members.iter().map(|member| {
                json!({
                    "component": at.component(), "kind": "member", "id": member.id,
                    "state": member.state, "address": member.address, "zone": member.zone,
                    "version": null, "heartbeat": member.heartbeat,
                })
            })),
            MimirPart::Tenants(listed) => tenants.extend(listed.iter().map(|tenant| {
                json!({
                    "tenant": tenant.id, "endpoint": at.path(), "series": tenant.series,
                    "ingestion_rate": tenant.ingestion_rate,
                })
            })),
            MimirPart::Build(_) => {}
        }
    }
    json!({
        "address": found.address,
        "reachable": found.is_reachable(),
        "build": build.map(|build| json!({
            "application": build.application,
            "version": build.version,
            "revision": build.revision,
            "branch": build.branch,
            "go_version": build.go_version,
        })),
        "components": components,
        "tenants": tenants,
        "endpoints": MimirEndpoint::ALL.iter().zip(&found.parts).map(endpoint).collect::<Vec<_>>(),
    })
}

/// What came of asking.
fn endpoint(
    (at, (_, part)): (&MimirEndpoint, &(MimirEndpoint, vectorizer_api::found::mimir::MimirAnswer)),
) -> Value {
    match part {
        Ok(found) => json!({
            "endpoint": at.path(), "ok": true, "age_seconds": found.age.as_secs_f64(),
            "error": null,
        }),
        Err(failure) => json!({
            "endpoint": at.path(), "ok": false, "age_seconds": null, "error": failure.told,
        }),
    }
}
