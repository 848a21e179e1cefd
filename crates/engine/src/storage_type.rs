//! The choke point of storage types: which one a collection may have, however it comes into the
//! engine, and how its bytes are then held.

use vectorizer_model::CollectionName;
use vectorizer_model::settings::StorageType;
use vectorizer_pages::Residency;

use crate::error::{EngineError, Result};

/// Which storage types collections may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StorageRule {
    /// Any.
    #[default]
    Any,
    /// `mmap` alone: the rule of cluster mode. A folder with another one is not opened.
    MmapOnly,
    /// `mmap` alone for what is created; what is stored is served as it is.
    MmapForNew,
    /// What is stored as `memory` is opened without being pinned, so that it can be converted.
    Converting,
}

/// How a collection comes into the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Somebody asks for it.
    Created,
    /// It is stored, or the log says so.
    Stored,
}

impl StorageRule {
    /// The storage type of a new collection whose creator asked for this one, or for none.
    pub fn resolve(self, asked: Option<StorageType>, default: StorageType) -> StorageType {
        let default = match self {
            Self::Any | Self::Converting => default,
            Self::MmapOnly | Self::MmapForNew => StorageType::Mmap,
        };
        asked.unwrap_or(default)
    }

    /// Whether a collection may have this storage type.
    ///
    /// # Errors
    /// [`EngineError::ClusterConfigViolation`]; nothing changed.
    pub(crate) fn admit(
        self,
        name: &CollectionName,
        storage: StorageType,
        arrival: Arrival,
    ) -> Result<()> {
        let refused = match self {
            Self::Any | Self::Converting => false,
            Self::MmapOnly => storage == StorageType::Memory,
            Self::MmapForNew => storage == StorageType::Memory && arrival == Arrival::Created,
        };
        if !refused {
            return Ok(());
        }
        let what = match arrival {
            Arrival::Created => {
                "cannot have storage type `memory` in cluster mode; leave storage_type out or give \
                 `mmap`"
            }
            Arrival::Stored => {
                "is stored with storage type `memory`, which cluster mode does not allow; convert \
                 it with `vectorizer migrate-to-cluster`"
            }
        };
        Err(EngineError::ClusterConfigViolation { collection: name.clone(), what })
    }

    /// Whether a collection may change its storage type so.
    ///
    /// # Errors
    /// [`EngineError::InvalidOperation`]; nothing changed.
    pub(crate) fn admit_change(self, before: StorageType, after: StorageType) -> Result<()> {
        let converts = self == Self::Converting && after == StorageType::Mmap;
        if before == after || converts {
            return Ok(());
        }
        let what = "a collection's storage type is fixed once it is created; `vectorizer \
                    migrate-to-cluster` converts `memory` to `mmap`";
        Err(EngineError::InvalidOperation(what.to_owned()))
    }

    /// How the bytes of a collection's segments are held, where disk-backed ones are held so.
    pub(crate) fn residency(self, storage: StorageType, disk_backed: Residency) -> Residency {
        match storage {
            StorageType::Memory if self != Self::Converting => Residency::Pinned,
            StorageType::Memory | StorageType::Mmap => disk_backed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use StorageType::{Memory, Mmap};

    #[test]
    fn every_rule_says_who_may_be_what() {
        let name = CollectionName::new("things").expect("a name");
        let admits =
            |rule: StorageRule, storage, arrival| rule.admit(&name, storage, arrival).is_ok();
        for (rule, memory_created, memory_stored) in [
            (StorageRule::Any, true, true),
            (StorageRule::MmapOnly, false, false),
            (StorageRule::MmapForNew, false, true),
            (StorageRule::Converting, true, true),
        ] {
            assert_eq!(admits(rule, Memory, Arrival::Created), memory_created, "{rule:?}");
            assert_eq!(admits(rule, Memory, Arrival::Stored), memory_stored, "{rule:?}");
            assert!(admits(rule, Mmap, Arrival::Created) && admits(rule, Mmap, Arrival::Stored));
        }
    }

    #[test]
    fn who_asks_for_nothing_gets_the_default_or_mmap() {
        for (rule, asked, resolved) in [
            (StorageRule::Any, None, Memory),
            (StorageRule::Any, Some(Mmap), Mmap),
            (StorageRule::MmapOnly, None, Mmap),
            (StorageRule::MmapForNew, None, Mmap),
            (StorageRule::MmapOnly, Some(Memory), Memory),
        ] {
            assert_eq!(rule.resolve(asked, Memory), resolved, "{rule:?} {asked:?}");
        }
    }

    #[test]
    fn memory_is_pinned_unless_it_is_converted() {
        for (rule, pinned) in [
            (StorageRule::Any, Residency::Pinned),
            (StorageRule::MmapForNew, Residency::Pinned),
            (StorageRule::Converting, Residency::Mapped),
        ] {
            assert_eq!(rule.residency(Memory, Residency::Mapped), pinned);
            assert_eq!(rule.residency(Mmap, Residency::Mapped), Residency::Mapped);
        }
        assert!(StorageRule::Any.admit_change(Memory, Mmap).is_err());
        assert!(StorageRule::Converting.admit_change(Mmap, Memory).is_err());
        assert!(StorageRule::Converting.admit_change(Memory, Mmap).is_ok());
    }
}
