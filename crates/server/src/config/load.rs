//! From sources to a configuration that can be started with.

use std::path::Path;

use vectorizer_engine::stored_storage_types;
use vectorizer_model::CollectionName;
use vectorizer_model::settings::StorageType;

use super::budget::{self, Budget};
use super::settings::{self, Settings, Sources};
use super::validator::{ClusterConfigValidator, Remark};
use super::violation::{Violation, Violations};

/// Everything that a start needs to know.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// All settings.
    pub settings: Settings,
    /// The memory budget that they and the machine come to.
    pub budget: Budget,
    /// What the operator should be told at start.
    pub remarks: Vec<Remark>,
}

/// What there is of a configuration, right or wrong.
#[derive(Debug)]
pub struct Inspection {
    /// All settings; those that are wrong have their defaults.
    pub settings: Settings,
    /// The memory budget, if there can be one.
    pub budget: Option<Budget>,
    /// Everything that is wrong.
    pub violations: Vec<Violation>,
    /// What the operator should be told at start.
    pub remarks: Vec<Remark>,
}

impl Inspection {
    /// Reads all sources once. `root` is the root of the file system, `/` in production, where
    /// the machine's and the cgroup's limits are read.
    pub fn new(sources: &Sources, root: &Path) -> Self {
        let (settings, mut violations, mut remarks) = settings::load(sources);
        let planned = budget::plan(&settings, root);
        let budget = planned.map_err(|violation| violations.push(violation)).ok();
        if let Some(budget) = &budget {
            violations.extend(budget.check(&settings));
        }
        let stored = stored_in_memory(&settings);
        let verdict = ClusterConfigValidator::new(&settings, &stored).validate();
        remarks.extend(verdict.remarks);
        if settings.cluster.is_unchecked() {
            let skipped = |violation| format!("SKIPPED (--skip-cluster-validation): {violation}");
            remarks.extend(verdict.violations.iter().map(skipped).map(Remark::warning));
        } else {
            violations.extend(verdict.violations.into_iter().map(Violation::Cluster));
        }
        Self { settings, budget, violations, remarks }
    }
}

/// The collections that cluster mode does not allow. A folder that cannot be read is told of by
/// whoever opens it.
fn stored_in_memory(settings: &Settings) -> Vec<CollectionName> {
    if !settings.cluster.in_cluster_mode() {
        return Vec::new();
    }
    let stored = stored_storage_types(&settings.path).unwrap_or_default();
    let in_memory = |(_, storage): &(_, StorageType)| *storage == StorageType::Memory;
    stored.into_iter().filter(in_memory).map(|(name, _)| name).collect()
}

impl Configuration {
    /// Logs what the operator should know before anything is opened.
    pub fn log(&self) {
        for remark in &self.remarks {
            if remark.is_warning {
                tracing::warn!("{}", remark.text);
            } else {
                tracing::info!("{}", remark.text);
            }
        }
        let Settings { cluster, file_watcher, shown, .. } = &self.settings;
        if *file_watcher && let Err(error) = crate::file_watcher::start(cluster.in_cluster_mode()) {
            tracing::warn!("not started: {error}");
        }
        if cluster.in_cluster_mode() {
            for shown in shown.iter().filter(|shown| shown.key.starts_with("cluster.")) {
                let value = shown.value.as_deref().filter(|value| !value.is_empty());
                tracing::info!("{}: {} ({})", shown.key, value.unwrap_or("-"), shown.origin);
            }
        }
    }

    /// Reads all sources once and checks them; `root` as in [`Inspection::new`].
    ///
    /// # Errors
    /// [`Violations`] names everything that is wrong.
    pub fn load(sources: &Sources, root: &Path) -> Result<Self, Violations> {
        let Inspection { settings, budget, violations, remarks } = Inspection::new(sources, root);
        match budget {
            Some(budget) if violations.is_empty() => Ok(Self { settings, budget, remarks }),
            _ => Err(Violations(violations)),
        }
    }
}
