//! From sources to a configuration that can be started with.

use std::path::Path;

use super::budget::{self, Budget};
use super::settings::{self, Settings, Sources};
use super::violation::{Violation, Violations};

/// Everything that a start needs to know.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// All settings.
    pub settings: Settings,
    /// The memory budget that they and the machine come to.
    pub budget: Budget,
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
}

impl Inspection {
    /// Reads all sources once. `root` is the root of the file system, `/` in production, where
    /// the machine's and the cgroup's limits are read.
    pub fn new(sources: &Sources, root: &Path) -> Self {
        let (settings, mut violations) = settings::load(sources);
        let budget = budget::plan(&settings, root).map_err(|violation| violations.push(violation));
        Self { settings, budget: budget.ok(), violations }
    }
}

impl Configuration {
    /// Reads all sources once and checks them; `root` as in [`Inspection::new`].
    ///
    /// # Errors
    /// [`Violations`] names everything that is wrong.
    pub fn load(sources: &Sources, root: &Path) -> Result<Self, Violations> {
        let Inspection { settings, budget, violations } = Inspection::new(sources, root);
        match budget {
            Some(budget) if violations.is_empty() => Ok(Self { settings, budget }),
            _ => Err(Violations(violations)),
        }
    }
}
