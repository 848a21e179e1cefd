//! What is wrong with a configuration, each with its mend.

use std::fmt;
use std::path::PathBuf;

use vectorizer_api::memory::CacheSettings;
use vectorizer_model::TenantNameError;
use vectorizer_model::bytes::ByteCount;
use vectorizer_vfs::VfsError;

use super::keys::variable_of;
use super::origin::Origin;
use super::validator::ClusterConfigViolation;
use crate::file_watcher::FileWatcherError;

/// One thing that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A setting that does not exist.
    #[error("{} is not a setting{}", shown(path, origin), meant(*suggestion, origin))]
    UnknownKey {
        /// The path given.
        path: String,
        /// Who gave it.
        origin: Origin,
        /// The setting that was probably meant.
        suggestion: Option<&'static str>,
    },
    /// A policy for a cache that has no entries, or that does not exist.
    #[error(
        "{key} is of no cache that has entries ({origin}); name one of {}",
        CacheSettings::CACHES.join(", ")
    )]
    CacheName {
        /// The setting.
        key: String,
        /// Who gave it.
        origin: Origin,
    },
    /// A value where a section of settings belongs.
    #[error("{path} is a section ({origin}); write its settings below it")]
    Section {
        /// The section.
        path: String,
        /// Who gave it.
        origin: Origin,
    },
    /// A value of the wrong type or beyond its bounds.
    #[error("{key} is `{value}` ({origin}); give it {expects}")]
    Value {
        /// The setting.
        key: String,
        /// What was given.
        value: String,
        /// Who gave it.
        origin: Origin,
        /// What it should be.
        expects: &'static str,
    },
    /// A byte count above the one that bounds it.
    #[error(
        "{key} is {} ({origin}), above {bound_key}, which is {} ({bound_origin}); give it at most \
         that, or raise {bound_key}", ByteCount(*bytes), ByteCount(*bound)
    )]
    AboveBound {
        /// The setting.
        key: &'static str,
        /// What was given.
        bytes: u64,
        /// Who gave it.
        origin: Origin,
        /// The setting that bounds it.
        bound_key: &'static str,
        /// Its value.
        bound: u64,
        /// Where that came from.
        bound_origin: String,
    },
    /// Two values that must ascend and do not.
    #[error("{what}; give {first} less than {second}")]
    Order {
        /// Both, with who gave them.
        what: String,
        /// The setting that must be less.
        first: &'static str,
        /// The setting that must be more.
        second: &'static str,
    },
    /// Nodes to join by, though nodes cannot join yet.
    #[error(
        "cluster.seed_nodes names {nodes} node{} ({origin}), but nodes cannot join each other yet; \
         leave it out, and this one serves alone under the rules of cluster mode",
        if *nodes == 1 { "" } else { "s" }
    )]
    SeedNodes {
        /// How many.
        nodes: usize,
        /// Who gave them.
        origin: Origin,
    },
    /// The file watcher is wanted and cannot be had.
    #[error("file_watcher.enabled is true ({origin}), but {cause}; leave it out or give false")]
    FileWatcher {
        /// Why not.
        cause: FileWatcherError,
        /// Who wants it.
        origin: Origin,
    },
    /// A rule of cluster mode does not hold.
    #[error("{0}")]
    Cluster(ClusterConfigViolation),
    /// A text that YAML takes for something else, such as a key made of digits.
    #[error("{key} is not a text ({origin}); write it in quotes")]
    Unquoted {
        /// The setting.
        key: &'static str,
        /// Who gave it.
        origin: Origin,
    },
    /// A memory limit that nothing can run in.
    #[error(
        "memory.limit is {} ({origin}); give it at least {}", ByteCount(*bytes), ByteCount(*floor)
    )]
    MemoryTooSmall {
        /// What was given.
        bytes: u64,
        /// The least allowed.
        floor: u64,
        /// Who gave it.
        origin: Origin,
    },
    /// The machine or the container is too small.
    #[error(
        "the memory budget would be {} ({rule}), and at least {} are needed; give more memory, or \
         set memory.limit if more may be used", ByteCount(*bytes), ByteCount(*floor)
    )]
    BudgetTooSmall {
        /// What the rule gives.
        bytes: u64,
        /// The least allowed.
        floor: u64,
        /// The rule.
        rule: String,
    },
    /// The limits of the process cannot be read.
    #[error("the memory budget cannot be derived: {cause}; set memory.limit")]
    Unmeasured {
        /// What the system answered.
        cause: VfsError,
    },
    /// An API key and a file with one, from the same kind of source.
    #[error("auth.api_key ({key}) and auth.api_key_file ({file}) are both given; leave one out")]
    TwoKeys {
        /// Who gave the key.
        key: Origin,
        /// Who gave the file.
        file: Origin,
    },
    /// An API key of no characters.
    #[error("auth.api_key is empty ({origin}); give a key or leave it out")]
    EmptyKey {
        /// Who gave it.
        origin: Origin,
    },
    /// A text that cannot name a tenant.
    #[error("{key} ({origin}): the tenant's name {cause}")]
    TenantName {
        /// The setting, which ends with the name.
        key: String,
        /// Who gave it.
        origin: Origin,
        /// What is wrong with it.
        cause: TenantNameError,
    },
    /// A tenant's key that cannot be used.
    #[error("{key} {what} ({origin}); {mend}")]
    TenantKey {
        /// The setting.
        key: String,
        /// Who gave it.
        origin: Origin,
        /// What is wrong with it.
        what: &'static str,
        /// What helps.
        mend: &'static str,
    },
    /// A file that cannot be read.
    #[error("cannot read {}: {cause}; {mend}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        cause: std::io::Error,
        /// What helps.
        mend: &'static str,
    },
    /// A configuration file that is not YAML.
    #[error("{}:{line}: {what}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What the parser says.
        what: String,
    },
    /// Two doors on one port.
    #[error("{first} and {second} are both {port}; give each its own port")]
    SamePort {
        /// One setting.
        first: &'static str,
        /// The other.
        second: &'static str,
        /// The port.
        port: u16,
    },
    /// Anybody who reaches the address could do anything.
    #[error(
        "server.host is {host} ({origin}) and there is no API key, so anybody who reaches it could \
         read and change everything; set auth.api_key (or VECTORIZER__AUTH__API_KEY), or \
         server.allow_unauthenticated: true if the network is trusted"
    )]
    Unauthenticated {
        /// The address.
        host: String,
        /// Who gave it.
        origin: Origin,
    },
}

/// Everything that is wrong with a configuration; never empty.
#[derive(Debug)]
pub struct Violations(pub Vec<Violation>);

impl std::error::Error for Violations {}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "the configuration has {count} problem{}", if count == 1 { "" } else { "s" })?;
        for violation in &self.0 {
            write!(f, "\n  {}", violation.to_string().replace('\n', "\n  "))?;
        }
        Ok(())
    }
}

fn shown(path: &str, origin: &Origin) -> String {
    match origin {
        Origin::Variable(name) => name.clone(),
        Origin::File { .. } => format!("`{path}` ({origin})"),
        Origin::Default | Origin::Flag(_) => format!("`{path}`"),
    }
}

fn meant(suggestion: Option<&'static str>, origin: &Origin) -> String {
    match (suggestion, origin) {
        (Some(path), Origin::Variable(_)) => format!("; did you mean {}?", variable_of(path)),
        (Some(path), _) => format!("; did you mean `{path}`?"),
        (None, _) => "; `vectorizer config show` lists them all".to_owned(),
    }
}
