//! Settings: read from every source once, checked, and typed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use vectorizer_api::CollectionDefaults;
use vectorizer_engine::Durability;
use vectorizer_model::bytes::ByteCount;
use vectorizer_model::limits;
use vectorizer_model::settings::{HnswSettings, Quantization, StorageType};

use super::ServerConfig;
use super::cluster::{self, ClusterSettings};
use super::env;
use super::file::{self, DEFAULT_FILE};
use super::memory::{self, MemorySettings};
use super::origin::{Given, Origin, Text};
use super::resolve::Resolver;
use super::secret::{HIDDEN, Secret};
use super::tenants;
use super::validator::Remark;
use super::violation::Violation;

const KEY_FILE_MEND: &str = "give auth.api_key_file the path of a readable file";

/// Where settings come from; flags outrank variables, and these the file.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The configuration file that was named; otherwise [`DEFAULT_FILE`] is read if it is there.
    pub file: Option<PathBuf>,
    /// The text of that file, if it is not to be read.
    pub file_text: Option<String>,
    /// The environment.
    pub variables: Vec<(String, String)>,
    /// Flags: the setting's path, the value, and the flag as it was written.
    pub flags: Vec<(String, String, String)>,
    /// Whether the rules of cluster mode are told and not enforced.
    pub skip_cluster_validation: bool,
}

/// Who holds index pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResidencyChoice {
    /// As the memory budget came about.
    #[default]
    Auto,
    /// The memory budget.
    Governed,
    /// The kernel's page cache.
    Mapped,
}

/// All settings.
#[derive(Clone)]
pub struct Settings {
    /// What the doors need.
    pub server: ServerConfig,
    /// The port kept for the MCP door.
    pub mcp_port: u16,
    /// The port kept for the gRPC door.
    pub grpc_port: u16,
    /// The data folder.
    pub path: PathBuf,
    /// When a write is acknowledged.
    pub durability: Durability,
    /// Who holds index pages.
    pub residency: ResidencyChoice,
    /// What the process may hold, and who says so.
    pub memory_limit: Option<(u64, Origin)>,
    /// What operations and caches may hold, and when memory is short.
    pub memory: MemorySettings,
    /// How long nobody wants a collection before it is closed; none closes it only when something
    /// is short.
    pub idle_unload: Option<Duration>,
    /// Whether folders are to be watched.
    pub file_watcher: bool,
    /// Cluster mode.
    pub cluster: ClusterSettings,
    /// Every setting with its value and origin, in the order of the configuration file.
    pub shown: Vec<Shown>,
}

/// A setting as it is shown; secrets are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its path.
    pub key: String,
    /// Its value as text; none where it has none.
    pub value: Option<String>,
    /// Where that came from.
    pub origin: Origin,
}

impl fmt::Debug for Settings {
    /// Shows what may be shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("shown", &self.shown).finish_non_exhaustive()
    }
}

/// Reads and checks all settings; what is wrong has its default in the result.
pub(super) fn load(sources: &Sources) -> (Settings, Vec<Violation>, Vec<Remark>) {
    let mut resolver = Resolver::default();
    let default_file = Path::new(DEFAULT_FILE);
    let named = sources.file.as_deref();
    if let Some(path) = named.or_else(|| default_file.exists().then_some(default_file)) {
        let given = match &sources.file_text {
            Some(text) => file::parse(text, path),
            None => file::read(path),
        };
        match given {
            Ok(given) => resolver.accept(given),
            Err(violation) => resolver.violations.push(violation),
        }
    }
    let (variables, clashes) = env::read(&sources.variables);
    resolver.accept(variables);
    resolver.accept(sources.flags.iter().map(|(path, text, flag)| Given {
        path: path.clone(),
        text: Text::Plain(text.clone()),
        origin: Origin::Flag(flag.clone()),
    }));
    let mut settings = resolver.settings();
    if sources.skip_cluster_validation {
        settings.cluster.skip_validation();
    }
    (settings, resolver.violations, clashes.into_iter().map(Remark::warning).collect())
}

impl Resolver {
    fn settings(&mut self) -> Settings {
        let mut server = self.server();
        let mcp_port = self.port("server.mcp_port", 15_002);
        let grpc_port = self.port("server.grpc_port", 15_003);
        let cluster = cluster::read(self);
        let mut ports = vec![
            ("server.rest_port", server.rest_port),
            ("server.mcp_port", mcp_port),
            ("server.grpc_port", grpc_port),
        ];
        if cluster.in_cluster_mode() {
            ports.push(("cluster.raft.port", cluster.raft.port));
        }
        self.check_ports(&ports);
        let file_watcher = self.file_watcher(&cluster);
        let read_path = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
        let show_path = |path: &PathBuf| path.display().to_string();
        let path = self.take("storage.path", "./data".into(), read_path, show_path);
        let durabilities = [("fsync", Durability::Fsync), ("os", Durability::Os)];
        let durability = self.choice("storage.durability", Durability::Fsync, &durabilities);
        let residencies = [
            ("auto", ResidencyChoice::Auto),
            ("governed", ResidencyChoice::Governed),
            ("mapped", ResidencyChoice::Mapped),
        ];
        let residency = self.choice("storage.residency", ResidencyChoice::Auto, &residencies);
        let memory_limit = self.memory_limit();
        let memory = memory::read(self);
        let cache_max = cluster.in_cluster_mode().then_some(cluster.max_cache_memory_bytes);
        server.cache_settings = memory.cache_settings(cache_max);
        server.memory_check_interval = memory.check_interval;
        server.mimir_url = self.address("telemetry.mimir.url", memory::is_url);
        Settings {
            server,
            mcp_port,
            grpc_port,
            path,
            durability,
            residency,
            memory_limit,
            memory,
            idle_unload: self.duration_or_off("collections.idle_unload", Duration::from_mins(5)),
            file_watcher,
            cluster,
            shown: self.shown(),
        }
    }

    /// Whether folders are to be watched. In cluster mode that is for its validator to judge.
    fn file_watcher(&mut self, cluster: &ClusterSettings) -> bool {
        let enabled = self.flag("file_watcher.enabled", false);
        let in_cluster_mode = cluster.in_cluster_mode();
        if enabled
            && !in_cluster_mode
            && let Err(cause) = crate::file_watcher::start(in_cluster_mode)
        {
            let origin = self.origin_of("file_watcher.enabled");
            self.violations.push(Violation::FileWatcher { cause, origin });
        }
        enabled
    }

    fn server(&mut self) -> ServerConfig {
        let defaults = ServerConfig::default();
        let read_host = |text: &str| {
            let host = ServerConfig { host: text.to_owned(), ..ServerConfig::default() };
            host.address().map(|_address| text.to_owned())
        };
        let host = self.take("server.host", defaults.host, read_host, String::clone);
        let rest_port = self.port("server.rest_port", defaults.rest_port);
        let allow_unauthenticated = self.flag("server.allow_unauthenticated", false);
        let api_key = self.api_key();
        let tenants = tenants::read(self, api_key.as_ref());
        let collection_defaults = self.collection_defaults();
        let limits = defaults.limits;
        let config = ServerConfig {
            host,
            rest_port,
            api_key,
            tenants,
            allow_unauthenticated,
            limits,
            collection_defaults,
            ..defaults
        };
        let exposed = config.address().is_some_and(|address| !address.is_loopback());
        let refused = self.violations.iter().any(is_about_the_key);
        if exposed && !config.has_key() && !allow_unauthenticated && !refused {
            let (host, origin) = (config.host.clone(), self.origin_of("server.host"));
            self.violations.push(Violation::Unauthenticated { host, origin });
        }
        config
    }

    fn collection_defaults(&mut self) -> CollectionDefaults {
        let hnsw = HnswSettings::default();
        let storage_types = [("mmap", StorageType::Mmap), ("memory", StorageType::Memory)];
        let codes = [("int8", Quantization::Int8), ("off", Quantization::Off)];
        let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let m_max = limits::M_MAX.into();
        let m = self.number("collections.defaults.hnsw.m", hnsw.m.into(), 0, m_max);
        let key = "collections.defaults.hnsw.ef_construct";
        let ef_construct = self.number(key, hnsw.ef_construct.into(), 4, limits::EF_MAX as u64);
        let key = "collections.defaults.hnsw.full_scan_threshold";
        let full_scan_threshold_kib =
            self.number(key, hnsw.full_scan_threshold_kib, 0, u64::MAX >> 10);
        CollectionDefaults {
            hnsw: HnswSettings {
                m: narrow(m),
                ef_construct: narrow(ef_construct),
                full_scan_threshold_kib,
            },
            quantization: self.choice(
                "collections.defaults.quantization",
                Quantization::default(),
                &codes,
            ),
            storage_type: self.choice(
                "collections.defaults.storage_type",
                StorageType::default(),
                &storage_types,
            ),
        }
    }

    fn memory_limit(&mut self) -> Option<(u64, Origin)> {
        let read = |text: &str| text.parse::<ByteCount>().ok().map(|bytes| Some(bytes.0));
        let show = |bytes: &Option<u64>| bytes.map_or(String::new(), |b| ByteCount(b).to_string());
        let bytes = self.take("memory.limit", None, read, show)?;
        Some((bytes, self.origin_of("memory.limit")))
    }

    fn check_ports(&mut self, ports: &[(&'static str, u16)]) {
        for (at, &(first, port)) in ports.iter().enumerate() {
            for &(second, other) in &ports[at + 1..] {
                if port == other && port != 0 {
                    self.violations.push(Violation::SamePort { first, second, port });
                }
            }
        }
    }

    /// The key from wherever it is, never shown.
    fn api_key(&mut self) -> Option<Secret> {
        let (own, file) = (self.given.get("auth.api_key"), self.given.get("auth.api_key_file"));
        let (own, file) = (own.cloned(), file.cloned());
        let shown_file = file.as_ref().map(|given| given.text.as_str().to_owned());
        let origin_of = |given: &Option<Given>| {
            given.as_ref().map_or(Origin::Default, |given| given.origin.clone())
        };
        let (own_origin, file_origin) = (origin_of(&own), origin_of(&file));
        let hidden = own.is_some().then(|| HIDDEN.to_owned());
        self.show("auth.api_key", hidden, own_origin.clone());
        self.show("auth.api_key_file", shown_file, file_origin.clone());
        let from_file = match (&own, &file) {
            (Some(_), Some(_)) if own_origin.rank() == file_origin.rank() => {
                self.violations.push(Violation::TwoKeys { key: own_origin, file: file_origin });
                return None;
            }
            (Some(_), Some(_)) => file_origin.rank() > own_origin.rank(),
            (own, _) => own.is_none(),
        };
        if from_file {
            let path = PathBuf::from(file?.text.as_str());
            return self.key_in(path, file_origin);
        }
        let key = match own?.text {
            Text::Plain(key) => key,
            Text::Typed(_) | Text::Empty | Text::List(_) => {
                let key = "auth.api_key";
                self.violations.push(Violation::Unquoted { key, origin: own_origin });
                return None;
            }
        };
        self.check_key(key, own_origin)
    }

    fn key_in(&mut self, path: PathBuf, origin: Origin) -> Option<Secret> {
        match std::fs::read_to_string(&path) {
            Ok(text) => self.check_key(text.trim_end_matches(['\r', '\n']).to_owned(), origin),
            Err(cause) => {
                let mend = KEY_FILE_MEND;
                self.violations.push(Violation::Unreadable { path, cause, mend });
                None
            }
        }
    }

    fn check_key(&mut self, key: String, origin: Origin) -> Option<Secret> {
        if key.is_empty() {
            self.violations.push(Violation::EmptyKey { origin });
            return None;
        }
        Some(Secret::new(key))
    }
}

/// Whether there is a key, though an unusable one.
fn is_about_the_key(violation: &Violation) -> bool {
    matches!(
        violation,
        Violation::EmptyKey { .. } | Violation::TwoKeys { .. } | Violation::TenantKey { .. }
    ) || matches!(violation, Violation::Unquoted { key, .. } if *key == "auth.api_key")
        || matches!(violation, Violation::Unreadable { mend, .. } if *mend == KEY_FILE_MEND)
}
