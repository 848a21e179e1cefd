//! Mimir's answers in JSON. What it tells beside what is asked for is passed over.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use vectorizer_api::found::mimir::{
    MimirBuild, MimirEndpoint, MimirMember, MimirPart, MimirService, MimirTenant,
};

use crate::json::shortened;

/// Bytes of an answer's beginning that are told if it cannot be read.
const TOLD_BYTES: usize = 120;

#[derive(Deserialize)]
struct ServicesIn {
    services: Vec<ServiceIn>,
}

#[derive(Deserialize)]
struct ServiceIn {
    name: Box<str>,
    status: Box<str>,
}

#[derive(Deserialize)]
struct BuildInfoIn {
    data: BuildIn,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BuildIn {
    #[serde(default)]
    application: Box<str>,
    version: Box<str>,
    #[serde(default)]
    revision: Box<str>,
    #[serde(default)]
    branch: Box<str>,
    #[serde(default)]
    go_version: Box<str>,
}

/// A ring; its members are called shards, and there are none where it is null.
#[derive(Deserialize)]
struct RingIn {
    // Read so, it may be null and not be absent.
    #[serde(deserialize_with = "Option::deserialize")]
    shards: Option<Vec<MemberIn>>,
}

#[derive(Deserialize)]
struct MemberIn {
    id: Box<str>,
    state: Box<str>,
    #[serde(default)]
    address: Box<str>,
    #[serde(default)]
    zone: Box<str>,
    #[serde(default)]
    timestamp: Box<str>,
}

#[derive(Deserialize)]
struct StatsIn {
    #[serde(rename = "userID")]
    user: Box<str>,
    #[serde(rename = "numSeries")]
    series: Option<u64>,
    #[serde(rename = "ingestionRate")]
    ingestion_rate: Option<f64>,
}

#[derive(Deserialize)]
struct TenantsIn {
    #[serde(default)]
    tenants: Option<Vec<Box<str>>>,
    /// Tells this answer from others: tenants are left out if there are none.
    #[serde(rename = "now")]
    _now: Box<str>,
}

/// Reads what an endpoint answered.
///
/// # Errors
/// Why it is not what Mimir answers there, and how it begins.
pub fn read_part(endpoint: MimirEndpoint, body: &[u8]) -> Result<MimirPart, String> {
    Ok(match endpoint {
        MimirEndpoint::Services => {
            let services = read::<ServicesIn>(body)?.services.into_iter();
            let shown =
                services.map(|ServiceIn { name, status }| MimirService { name, state: status });
            MimirPart::Services(shown.collect())
        }
        MimirEndpoint::BuildInfo => {
            let BuildIn { application, version, revision, branch, go_version } =
                read::<BuildInfoIn>(body)?.data;
            let build = MimirBuild { application, version, revision, branch, go_version };
            MimirPart::Build(Box::new(build))
        }
        MimirEndpoint::ActiveTenants => {
            let stats = read::<Option<Vec<StatsIn>>>(body)?.unwrap_or_default().into_iter();
            let shown = stats.map(|StatsIn { user, series, ingestion_rate }| MimirTenant {
                id: user,
                series,
                ingestion_rate,
            });
            MimirPart::Tenants(shown.collect())
        }
        MimirEndpoint::StoredTenants => {
            let tenants = read::<TenantsIn>(body)?.tenants.unwrap_or_default().into_iter();
            let shown = tenants.map(|id| MimirTenant { id, series: None, ingestion_rate: None });
            MimirPart::Tenants(shown.collect())
        }
        MimirEndpoint::Distributors
        | MimirEndpoint::Ingesters
        | MimirEndpoint::StoreGateways
        | MimirEndpoint::Compactors
        | MimirEndpoint::Rulers
        | MimirEndpoint::QuerySchedulers
        | MimirEndpoint::Alertmanagers
        | MimirEndpoint::OverridesExporters => {
            let members = read::<RingIn>(body)?.shards.unwrap_or_default().into_iter();
            let shown = members.map(|MemberIn { id, state, address, zone, timestamp }| {
                MimirMember { id, state, address, zone, heartbeat: timestamp }
            });
            MimirPart::Ring(shown.collect())
        }
    })
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| {
        let begin = String::from_utf8_lossy(&body[..body.len().min(TOLD_BYTES)]);
        let begin = begin.trim();
        if begin.starts_with('<') {
            return format!(
                "it answered a web page, not the JSON that was asked for: `{begin}`; give \
                 telemetry.mimir.url the address of Mimir itself"
            );
        }
        format!("it answered what cannot be read, `{begin}`: {}", shortened(&error))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_as_mimir_gives_them() {
        let ring = br#"{"shards":[{"id":"ingester-1","state":"ACTIVE","address":"10.0.0.7:9095",
            "timestamp":"2026-01-02T03:04:05Z","registered_timestamp":"2026-01-01T00:00:00Z",
            "read_only":false,"zone":"a","tokens":[1,4294967295]}],"now":"2026-01-02T03:04:06Z"}"#;
        let MimirPart::Ring(members) = read_part(MimirEndpoint::Ingesters, ring).unwrap() else {
            panic!("a ring");
        };
        assert_eq!((&*members[0].id, &*members[0].zone), ("ingester-1", "a"));
        assert_eq!(&*members[0].heartbeat, "2026-01-02T03:04:05Z");
        for (endpoint, nothing) in [
            (MimirEndpoint::Rulers, r#"{"shards":null,"now":"2026-01-02T03:04:06Z"}"#),
            (MimirEndpoint::ActiveTenants, "null"),
            (MimirEndpoint::StoredTenants, r#"{"now":"2026-01-02T03:04:06Z"}"#),
        ] {
            match read_part(endpoint, nothing.as_bytes()).expect(nothing) {
                MimirPart::Ring(members) => assert!(members.is_empty()),
                MimirPart::Tenants(tenants) => assert!(tenants.is_empty()),
                other @ (MimirPart::Services(_) | MimirPart::Build(_)) => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_answer_of_mimirs_is_told() {
        let told = |endpoint, body: &str| read_part(endpoint, body.as_bytes()).unwrap_err();
        assert!(told(MimirEndpoint::Services, "<html>").contains("a web page"));
        let unread = told(MimirEndpoint::StoredTenants, "Can't read tenants: access denied");
        assert!(unread.contains("`Can't read tenants: access denied`"), "{unread}");
        assert!(told(MimirEndpoint::StoredTenants, "{}").contains("missing field `now`"));
        assert!(told(MimirEndpoint::Ingesters, "{}").contains("missing field `shards`"));
        let long = told(MimirEndpoint::Services, &"x".repeat(1 << 20));
        assert!(long.len() < 400, "{} bytes", long.len());
        let deep = told(MimirEndpoint::Services, &"[".repeat(1 << 20));
        assert!(deep.contains("recursion limit") || deep.contains("invalid type"), "{deep}");
    }
}
