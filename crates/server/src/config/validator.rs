//! The rules of cluster mode: everything that breaks one, at once, each with its mend.

use std::fmt;
use std::path::Path;

use vectorizer_model::CollectionName;
use vectorizer_model::bytes::{ByteCount, GIB, MIB};
use vectorizer_model::settings::StorageType;

use super::origin::Origin;
use super::settings::Settings;

/// Below this caches hardly help.
const CACHE_BYTES_LOW: u64 = 100 * MIB;
/// What a node is recommended to give its caches, at most.
const CACHE_BYTES_RECOMMENDED: u64 = GIB;
/// Above this something else is probably short.
const CACHE_BYTES_HIGH: u64 = 2 * GIB;

/// Checks settings and stored collections against the rules of cluster mode, before anything
/// starts.
#[derive(Debug, Clone, Copy)]
pub struct ClusterConfigValidator<'a> {
    settings: &'a Settings,
    /// Collections that are stored with storage type `memory`.
    stored_in_memory: &'a [CollectionName],
}

/// What the validator found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// What must be mended before a start.
    pub violations: Vec<ClusterConfigViolation>,
    /// What should be known.
    pub remarks: Vec<Remark>,
}

/// Something to tell the operator at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Whether something should be done about it.
    pub is_warning: bool,
    /// What is told.
    pub text: String,
}

impl Remark {
    pub(super) fn warning(text: impl Into<String>) -> Self {
        Self { is_warning: true, text: text.into() }
    }

    fn note(text: impl Into<String>) -> Self {
        Self { is_warning: false, text: text.into() }
    }
}

/// A rule of cluster mode that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterConfigViolation {
    /// What is wrong, and who said so.
    pub what: String,
    /// What mends it: lines of the configuration file, or a command.
    pub mend: String,
}

impl fmt::Display for ClusterConfigViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cluster mode: {}:", self.what)?;
        self.mend.lines().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

impl<'a> ClusterConfigValidator<'a> {
    /// A validator of these settings, over a folder with these collections of storage type `memory`.
    pub fn new(settings: &'a Settings, stored_in_memory: &'a [CollectionName]) -> Self {
        Self { settings, stored_in_memory }
    }

    /// Checks every rule. Outside cluster mode there is none.
    pub fn validate(&self) -> Verdict {
        let mut verdict = Verdict::default();
        if self.settings.cluster.in_cluster_mode() {
            self.check_flags(&mut verdict);
            self.check_storage(&mut verdict);
            self.check_caches(&mut verdict);
        }
        verdict
    }

    fn violated(
        &self,
        verdict: &mut Verdict,
        key: &'static str,
        (value, wanted): (&str, &str),
        why: &str,
    ) {
        let origin = self.settings.shown.iter().find(|shown| shown.key == key);
        let origin = origin.map_or(&Origin::Default, |shown| &shown.origin);
        let mend = match origin {
            // It would outrank the file.
            Origin::Variable(name) | Origin::Flag(name) => format!("without {name}, "),
            Origin::Default | Origin::File { .. } => String::new(),
        };
        verdict.violations.push(ClusterConfigViolation {
            what: format!("{key} is {value} ({origin}), but {why}; {mend}write"),
            mend: yaml(key, wanted),
        });
    }

    fn check_flags(&self, verdict: &mut Verdict) {
        let cluster = &self.settings.cluster;
        if !cluster.enforce_mmap_storage {
            let why = "collections must be disk-backed";
            self.violated(verdict, "cluster.enforce_mmap_storage", ("false", "true"), why);
        }
        if !cluster.disable_file_watcher {
            let why = "nodes index what they are sent, not what lies beside one of them";
            self.violated(verdict, "cluster.disable_file_watcher", ("false", "true"), why);
        }
        if self.settings.file_watcher {
            let why = "nodes index what they are sent, not what lies beside one of them";
            self.violated(verdict, "file_watcher.enabled", ("true", "false"), why);
        }
    }

    fn check_storage(&self, verdict: &mut Verdict) {
        if self.settings.server.collection_defaults.storage_type == StorageType::Memory {
            let why = "collections must be disk-backed";
            let key = "collections.defaults.storage_type";
            self.violated(verdict, key, ("memory", "mmap"), why);
        }
        if !self.stored_in_memory.is_empty() {
            let names: Vec<String> =
                self.stored_in_memory.iter().map(|name| format!("`{name}`")).collect();
            let path = &self.settings.path;
            let what = format!(
                "{} in {} stored with storage type memory: {}; convert with",
                if names.len() == 1 { "a collection" } else { "collections" },
                if names.len() == 1 {
                    format!("{} is", path.display())
                } else {
                    format!("{} are", path.display())
                },
                names.join(", ")
            );
            let mend = format!("vectorizer migrate-to-cluster --path {}", shell(path));
            verdict.violations.push(ClusterConfigViolation { what, mend });
        }
    }

    fn check_caches(&self, verdict: &mut Verdict) {
        let key = "cluster.max_cache_memory_bytes";
        let bytes = self.settings.cluster.max_cache_memory_bytes;
        let shown = ByteCount(bytes);
        if bytes == 0 {
            let why = "a node answers for the cluster and needs caches";
            self.violated(verdict, key, ("0", "1GB"), why);
        } else if bytes < CACHE_BYTES_LOW {
            let text = format!("{key} is {shown}: below 100 MB caches hardly help");
            verdict.remarks.push(Remark::warning(text));
        } else if bytes > CACHE_BYTES_HIGH {
            let text = format!("{key} is {shown}: above 2 GB; recommended is 1 GB");
            verdict.remarks.push(Remark::warning(text));
        } else if bytes > CACHE_BYTES_RECOMMENDED {
            let text = format!("{key} is {shown}: above the recommended 1 GB");
            verdict.remarks.push(Remark::note(text));
        }
        if self.settings.memory.cache.percent == 0 {
            let why = "a node answers for the cluster and needs caches";
            self.violated(verdict, "memory.cache.percent", ("0", "25"), why);
        }
    }
}

/// A setting as lines of the configuration file.
fn yaml(key: &str, value: &str) -> String {
    let parts: Vec<&str> = key.split('.').collect();
    let lines = parts.iter().enumerate().map(|(depth, part)| {
        let value = if depth + 1 == parts.len() { format!(" {value}") } else { String::new() };
        format!("{}{part}:{value}", "  ".repeat(depth))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A path as a shell reads it.
fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '-' | '_');
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
