//! What the server is told before it starts; parsed once, by whoever calls
//! [`run`](crate::run).

mod budget;
mod cluster;
mod duration;
mod env;
mod file;
pub mod keys;
mod load;
mod memory;
mod origin;
mod resolve;
mod secret;
mod settings;
mod tenants;
#[cfg(test)]
mod tests;
mod validator;
mod violation;

use std::net::IpAddr;
use std::time::Duration;

use vectorizer_api::CollectionDefaults;
use vectorizer_api::memory::CacheSettings;
use vectorizer_model::bytes::MIB;

pub use self::budget::{Budget, BudgetRule, MEMORY_FLOOR};
pub use self::cluster::{
    ClusterSettings, RaftSettings, RebalancingSettings, ReplicationMethod, ReplicationSettings,
    ShardingSettings, ShardingStrategy, SwimSettings, is_address,
};
pub use self::file::{DEFAULT_FILE, values};
pub use self::load::{Configuration, Inspection};
pub use self::memory::{
    CacheLimits, CacheTtl, EvictionPolicy, MemorySettings, OperationKind, PressureThresholds,
};
pub use self::origin::Origin;
pub use self::resolve::GivenBytes;
pub use self::secret::Secret;
pub(crate) use self::secret::shown_address;
pub use self::settings::{ResidencyChoice, Settings, Shown, Sources};
pub use self::tenants::TenantSettings;
pub use self::validator::{ClusterConfigValidator, ClusterConfigViolation, Remark, Verdict};
pub use self::violation::{Violation, Violations};

/// How the server listens, whom it answers, and how much it takes at once.
#[derive(Clone)]
pub struct ServerConfig {
    /// The address to listen on: an IP address or `localhost`.
    pub host: String,
    /// The port of the REST door; 0 means a free one.
    pub rest_port: u16,
    /// The key that clients must show, if any.
    pub api_key: Option<Secret>,
    /// Whether requests have tenants, and what each may hold.
    pub tenants: TenantSettings,
    /// Whether to listen off loopback without a key.
    pub allow_unauthenticated: bool,
    /// Bounds on requests and connections.
    pub limits: ServerLimits,
    /// What a new collection has where its creator says nothing.
    pub collection_defaults: CollectionDefaults,
    /// What entries caches keep.
    pub cache_settings: CacheSettings,
    /// How often memory is looked at while nobody asks.
    pub memory_check_interval: Duration,
    /// Where Mimir answers, if there is one; may hold a password.
    pub mimir_url: Option<Secret>,
}

/// Bounds on requests and connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// Bytes of one request's body.
    pub body_bytes: u64,
    /// Searches or updates of one batch request.
    pub batch: usize,
    /// Connections at once, fewer where the memory limit is small; more wait in the listener's queue.
    pub connections: usize,
    /// How long a connection may take to send a request's head, or stay idle between requests.
    pub header_timeout: Duration,
    /// How long a body may make no progress.
    pub body_stall_timeout: Duration,
    /// How long a body may take altogether.
    pub body_timeout: Duration,
    /// How long a client may take nothing of its answer.
    pub write_stall_timeout: Duration,
    /// How long an operation may take, unless the request says otherwise.
    pub request_timeout: Duration,
    /// How long requests under way may take to finish when the server stops.
    pub drain_timeout: Duration,
    /// How long each endpoint of Mimir's may take to answer.
    pub mimir_timeout: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            rest_port: 15_001,
            api_key: None,
            tenants: TenantSettings::default(),
            allow_unauthenticated: false,
            limits: ServerLimits::default(),
            collection_defaults: CollectionDefaults::default(),
            cache_settings: CacheSettings::default(),
            memory_check_interval: Duration::from_secs(30),
            mimir_url: None,
        }
    }
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            body_bytes: 32 * MIB,
            batch: 1_000,
            connections: 4_096,
            header_timeout: Duration::from_secs(30),
            body_stall_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_mins(5),
            write_stall_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_mins(1),
            drain_timeout: Duration::from_secs(20),
            mimir_timeout: Duration::from_secs(5),
        }
    }
}

impl ServerConfig {
    /// Whether clients must show a key.
    pub(crate) fn has_key(&self) -> bool {
        self.api_key.is_some() || !self.tenants.keys.is_empty()
    }

    /// The address to bind, unless it is not one.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self.host.as_str() {
            "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
            host => host.trim_matches(['[', ']']).parse().ok(),
        }
    }
}

impl std::fmt::Debug for ServerConfig {
    /// Shows all but keys and where passwords may be.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerConfig")
            .field("host", &self.host)
            .field("rest_port", &self.rest_port)
            .field("api_key", &self.api_key)
            .field("tenants", &self.tenants)
            .field("allow_unauthenticated", &self.allow_unauthenticated)
            .field("limits", &self.limits)
            .field("collection_defaults", &self.collection_defaults)
            .field("cache_settings", &self.cache_settings)
            .field("memory_check_interval", &self.memory_check_interval)
            .field("mimir_url", &self.mimir_url)
            .finish()
    }
}
