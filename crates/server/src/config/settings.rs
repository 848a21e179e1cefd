//! Settings: read from every source once, checked, and typed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use vectorizer_api::CollectionDefaults;
use vectorizer_engine::Durability;
use vectorizer_model::bytes::ByteCount;
use vectorizer_model::limits;
use vectorizer_model::settings::{HnswSettings, Quantization, StorageType};

use super::ServerConfig;
use super::env;
use super::file::{self, DEFAULT_FILE};
use super::keys::{self, KEYS, KnownKey};
use super::origin::{Given, Origin, Text};
use super::violation::Violation;

const KEY_FILE_MEND: &str = "give auth.api_key_file the path of a readable file";

/// Where settings come from; flags outrank variables, and these the file.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The configuration file that was named; otherwise [`DEFAULT_FILE`] is read if it is there.
    pub file: Option<PathBuf>,
    /// The environment.
    pub variables: Vec<(String, String)>,
    /// Flags: the setting's path, the value, and the flag as it was written.
    pub flags: Vec<(String, String, String)>,
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
    /// Every setting with its value and origin, in the order of [`KEYS`].
    pub shown: Vec<Shown>,
}

/// A setting as it is shown; secrets are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its path.
    pub key: &'static str,
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
pub(super) fn load(sources: &Sources) -> (Settings, Vec<Violation>) {
    let mut resolver = Resolver::default();
    let default_file = Path::new(DEFAULT_FILE);
    let named = sources.file.as_deref();
    if let Some(path) = named.or_else(|| default_file.exists().then_some(default_file)) {
        match file::read(path) {
            Ok(given) => resolver.accept(given),
            Err(violation) => resolver.violations.push(violation),
        }
    }
    resolver.accept(env::read(&sources.variables));
    resolver.accept(sources.flags.iter().map(|(path, text, flag)| Given {
        path: path.clone(),
        text: Text::Plain(text.clone()),
        origin: Origin::Flag(flag.clone()),
    }));
    let settings = resolver.settings();
    (settings, resolver.violations)
}

#[derive(Default)]
struct Resolver {
    given: BTreeMap<&'static str, Given>,
    violations: Vec<Violation>,
    shown: BTreeMap<&'static str, Shown>,
}

impl Resolver {
    /// Takes a source's values over those of lower rank.
    fn accept(&mut self, values: impl IntoIterator<Item = Given>) {
        for given in values {
            let Given { path, text, origin } = &given;
            let (path, origin) = (path.clone(), origin.clone());
            match keys::find(&path) {
                // A setting without a value, such as `limit:`, is not given.
                Some(_) if *text == Text::Empty => {}
                Some(key) => {
                    self.given.insert(key.path, given);
                }
                None if path.is_empty() && *text == Text::Empty => {}
                None if keys::is_section(&path) && *text == Text::Empty => {}
                None if keys::is_section(&path) => {
                    self.violations.push(Violation::Section { path, origin });
                }
                None => {
                    let suggestion = keys::closest(&path);
                    self.violations.push(Violation::UnknownKey { path, origin, suggestion });
                }
            }
        }
    }

    /// A setting's value, or the default.
    fn take<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl Fn(&str) -> Option<T>,
        show: impl Fn(&T) -> String,
    ) -> T {
        let (value, origin) = match self.given.get(key) {
            None => (default, Origin::Default),
            Some(Given { text, origin, .. }) => match read(text.as_str()) {
                Some(value) if *text != Text::List => (value, origin.clone()),
                _ => {
                    let expects = keys::find(key).map_or("", |key| key.expects);
                    let value = text.as_str().to_owned();
                    let origin = origin.clone();
                    self.violations.push(Violation::Value { key, value, origin, expects });
                    (default, Origin::Default)
                }
            },
        };
        self.show(key, Some(show(&value)), origin);
        value
    }

    fn show(&mut self, key: &'static str, value: Option<String>, origin: Origin) {
        self.shown.insert(key, Shown { key, value, origin });
    }

    fn number(&mut self, key: &'static str, default: u64, min: u64, max: u64) -> u64 {
        let read = |text: &str| text.parse().ok().filter(|n| (min..=max).contains(n));
        self.take(key, default, read, u64::to_string)
    }

    fn port(&mut self, key: &'static str, default: u16) -> u16 {
        self.take(key, default, |text| text.parse().ok(), u16::to_string)
    }

    fn choice<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        default: T,
        names: &[(&'static str, T)],
    ) -> T {
        let read = |text: &str| names.iter().find(|(name, _)| *name == text).map(|(_, v)| *v);
        let show = |value: &T| {
            let named = names.iter().find(|(_, v)| v == value);
            named.map_or("", |(name, _)| *name).to_owned()
        };
        self.take(key, default, read, show)
    }

    fn settings(&mut self) -> Settings {
        let server = self.server();
        let mcp_port = self.port("server.mcp_port", 15_002);
        let grpc_port = self.port("server.grpc_port", 15_003);
        self.check_ports(&[
            ("server.rest_port", server.rest_port),
            ("server.mcp_port", mcp_port),
            ("server.grpc_port", grpc_port),
        ]);
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
        let mut shown = std::mem::take(&mut self.shown);
        let shown = KEYS.iter().filter_map(|key: &KnownKey| shown.remove(key.path)).collect();
        Settings { server, mcp_port, grpc_port, path, durability, residency, memory_limit, shown }
    }

    fn server(&mut self) -> ServerConfig {
        let defaults = ServerConfig::default();
        let read_host = |text: &str| {
            let host = ServerConfig { host: text.to_owned(), ..ServerConfig::default() };
            host.address().map(|_address| text.to_owned())
        };
        let host = self.take("server.host", defaults.host, read_host, String::clone);
        let rest_port = self.port("server.rest_port", defaults.rest_port);
        let read_flag = |text: &str| text.parse().ok();
        let allow_unauthenticated =
            self.take("server.allow_unauthenticated", false, read_flag, bool::to_string);
        let api_key = self.api_key();
        let collection_defaults = self.collection_defaults();
        let limits = defaults.limits;
        let config = ServerConfig {
            host,
            rest_port,
            api_key,
            allow_unauthenticated,
            limits,
            collection_defaults,
        };
        let exposed = config.address().is_some_and(|address| !address.is_loopback());
        let refused = self.violations.iter().any(is_about_the_key);
        if exposed && config.api_key.is_none() && !allow_unauthenticated && !refused {
            let origin = self.shown.get("server.host").map(|shown| shown.origin.clone());
            let (host, origin) = (config.host.clone(), origin.unwrap_or_default());
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
        let origin = self.shown.get("memory.limit").map(|shown| shown.origin.clone());
        Some((bytes, origin.unwrap_or_default()))
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
    fn api_key(&mut self) -> Option<String> {
        let (own, file) = (self.given.get("auth.api_key"), self.given.get("auth.api_key_file"));
        let (own, file) = (own.cloned(), file.cloned());
        let shown_file = file.as_ref().map(|given| given.text.as_str().to_owned());
        let origin_of = |given: &Option<Given>| {
            given.as_ref().map_or(Origin::Default, |given| given.origin.clone())
        };
        let (own_origin, file_origin) = (origin_of(&own), origin_of(&file));
        let hidden = own.is_some().then(|| "(hidden)".to_owned());
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
            Text::Typed(_) | Text::Empty | Text::List => {
                let key = "auth.api_key";
                self.violations.push(Violation::Unquoted { key, origin: own_origin });
                return None;
            }
        };
        self.check_key(key, own_origin)
    }

    fn key_in(&mut self, path: PathBuf, origin: Origin) -> Option<String> {
        match std::fs::read_to_string(&path) {
            Ok(text) => self.check_key(text.trim_end_matches(['\r', '\n']).to_owned(), origin),
            Err(cause) => {
                let mend = KEY_FILE_MEND;
                self.violations.push(Violation::Unreadable { path, cause, mend });
                None
            }
        }
    }

    fn check_key(&mut self, key: String, origin: Origin) -> Option<String> {
        if key.is_empty() {
            self.violations.push(Violation::EmptyKey { origin });
            return None;
        }
        Some(key)
    }
}

/// Whether there is a key, though an unusable one.
fn is_about_the_key(violation: &Violation) -> bool {
    matches!(violation, Violation::EmptyKey { .. } | Violation::TwoKeys { .. })
        || matches!(violation, Violation::Unquoted { key, .. } if *key == "auth.api_key")
        || matches!(violation, Violation::Unreadable { mend, .. } if *mend == KEY_FILE_MEND)
}
