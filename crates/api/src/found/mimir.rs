//! What Grafana Mimir tells, by endpoint.

use std::fmt;

use vectorizer_cache::Footprint;
use vectorizer_memory::Drawn;
use vectorizer_query::BoxFuture;

use super::Found;

/// An endpoint of Mimir's that is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MimirEndpoint {
    /// The services of the process that answers, with their states.
    Services,
    /// What it was built from.
    BuildInfo,
    /// The ring of distributors.
    Distributors,
    /// The ring of ingesters.
    Ingesters,
    /// The ring of store-gateways.
    StoreGateways,
    /// The ring of compactors.
    Compactors,
    /// The ring of rulers.
    Rulers,
    /// The ring of query-schedulers.
    QuerySchedulers,
    /// The ring of alertmanagers.
    Alertmanagers,
    /// The ring of overrides-exporters.
    OverridesExporters,
    /// Tenants that have series now.
    ActiveTenants,
    /// Tenants that have blocks in the store.
    StoredTenants,
}

impl MimirEndpoint {
    /// Every endpoint.
    pub const ALL: [Self; 12] = [
        Self::Services,
        Self::BuildInfo,
        Self::Distributors,
        Self::Ingesters,
        Self::StoreGateways,
        Self::Compactors,
        Self::Rulers,
        Self::QuerySchedulers,
        Self::Alertmanagers,
        Self::OverridesExporters,
        Self::ActiveTenants,
        Self::StoredTenants,
    ];

    /// Its path.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Services => "/services",
            Self::BuildInfo => "/api/v1/status/buildinfo",
            Self::Distributors => "/distributor/ring",
            Self::Ingesters => "/ingester/ring",
            Self::StoreGateways => "/store-gateway/ring",
            Self::Compactors => "/compactor/ring",
            Self::Rulers => "/ruler/ring",
            Self::QuerySchedulers => "/query-scheduler/ring",
            Self::Alertmanagers => "/multitenant_alertmanager/ring",
            Self::OverridesExporters => "/overrides-exporter/ring",
            Self::ActiveTenants => "/distributor/all_user_stats",
            Self::StoredTenants => "/store-gateway/tenants",
        }
    }

    /// The component whose members are in the ring that it shows, if it shows one.
    pub const fn component(self) -> Option<&'static str> {
        match self {
            Self::Distributors => Some("distributor"),
            Self::Ingesters => Some("ingester"),
            Self::StoreGateways => Some("store-gateway"),
            Self::Compactors => Some("compactor"),
            Self::Rulers => Some("ruler"),
            Self::QuerySchedulers => Some("query-scheduler"),
            Self::Alertmanagers => Some("alertmanager"),
            Self::OverridesExporters => Some("overrides-exporter"),
            Self::Services | Self::BuildInfo | Self::ActiveTenants | Self::StoredTenants => None,
        }
    }
}

/// What an endpoint answered.
#[derive(Debug, Clone, PartialEq)]
pub enum MimirPart {
    /// Services.
    Services(Vec<MimirService>),
    /// The build.
    Build(Box<MimirBuild>),
    /// Members of a ring.
    Ring(Vec<MimirMember>),
    /// Tenants.
    Tenants(Vec<MimirTenant>),
}

/// A service of the process that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MimirService {
    /// Its name, such as `ingester`.
    pub name: Box<str>,
    /// Its state, such as `Running`.
    pub state: Box<str>,
}

/// What the process that answers was built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MimirBuild {
    /// The program.
    pub application: Box<str>,
    /// Its version.
    pub version: Box<str>,
    /// The revision of its source.
    pub revision: Box<str>,
    /// The branch of that.
    pub branch: Box<str>,
    /// The version of Go.
    pub go_version: Box<str>,
}

/// A member of a ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MimirMember {
    /// Its name.
    pub id: Box<str>,
    /// Its state, such as `ACTIVE` or `UNHEALTHY`.
    pub state: Box<str>,
    /// Where it answers.
    pub address: Box<str>,
    /// Its zone; empty if it has none.
    pub zone: Box<str>,
    /// When it last told that it is there.
    pub heartbeat: Box<str>,
}

/// A tenant of Mimir's.
#[derive(Debug, Clone, PartialEq)]
pub struct MimirTenant {
    /// Its name.
    pub id: Box<str>,
    /// Series, if they were counted.
    pub series: Option<u64>,
    /// Samples each second, if they were counted.
    pub ingestion_rate: Option<f64>,
}

impl Footprint for MimirPart {
    fn heap_bytes(&self) -> u64 {
        match self {
            Self::Services(services) => services.heap_bytes(),
            Self::Build(build) => build.heap_bytes(),
            Self::Ring(members) => members.heap_bytes(),
            Self::Tenants(tenants) => tenants.heap_bytes(),
        }
    }
}

impl Footprint for MimirService {
    fn heap_bytes(&self) -> u64 {
        self.name.heap_bytes() + self.state.heap_bytes()
    }
}

impl Footprint for MimirBuild {
    fn heap_bytes(&self) -> u64 {
        let Self { application, version, revision, branch, go_version } = self;
        [application, version, revision, branch, go_version].iter().map(|t| t.heap_bytes()).sum()
    }
}

impl Footprint for MimirMember {
    fn heap_bytes(&self) -> u64 {
        let Self { id, state, address, zone, heartbeat } = self;
        [id, state, address, zone, heartbeat].iter().map(|text| text.heap_bytes()).sum()
    }
}

impl Footprint for MimirTenant {
    fn heap_bytes(&self) -> u64 {
        self.id.heap_bytes()
    }
}

/// Why an endpoint did not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MimirFailure {
    /// Whether somebody answered at all.
    pub answered: bool,
    /// What is wrong, and what would mend it.
    pub told: String,
}

/// Whoever can ask Mimir; the doors own the network.
pub trait MimirSource: Send + Sync + fmt::Debug {
    /// Where it asks, without what is secret in that.
    fn address(&self) -> &str;

    /// Asks one endpoint. What the answer takes is drawn before it is read.
    fn ask(
        &self,
        endpoint: MimirEndpoint,
        memory: Drawn,
    ) -> BoxFuture<'_, Result<MimirPart, MimirFailure>>;
}

/// What came of an endpoint.
pub type MimirAnswer = Result<Found<MimirPart>, MimirFailure>;

/// Mimir, as far as it told.
#[derive(Debug)]
pub struct MimirFound {
    /// Where it was asked.
    pub address: String,
    /// What each endpoint came to, in the order of [`MimirEndpoint::ALL`].
    pub parts: Vec<(MimirEndpoint, MimirAnswer)>,
}

impl MimirFound {
    /// Whether anybody answered there; what is kept counts as long as it is kept.
    pub fn is_reachable(&self) -> bool {
        self.parts.iter().any(|(_, part)| match part {
            Ok(_) => true,
            Err(failure) => failure.answered,
        })
    }
}
