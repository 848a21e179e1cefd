//! Whether a collection with these settings can exist.

use std::fmt;

use crate::settings::HnswSettings;
use crate::{CollectionSettings, VectorName, limits};

/// The least `ef_construct`: the contract's.
const EF_CONSTRUCT_MIN: u64 = 4;

/// Settings that no collection can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A number beyond its bounds.
    #[error("`{field}` is {value}; give it a value from {min} to {max}")]
    OutOfRange {
        /// Which setting.
        field: SettingsField,
        /// What was given.
        value: u64,
        /// The least allowed.
        min: u64,
        /// The most allowed.
        max: u64,
    },
    /// A vector's name is too long.
    #[error("vector name `{name}` has {} bytes; give it at most {}", name.0.len(),
        limits::VECTOR_NAME_BYTES_MAX)]
    VectorNameTooLong {
        /// What was given.
        name: VectorName,
    },
}

/// The place of a setting, shown as the contract spells it: `vectors.image.hnsw_config.m`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsField {
    /// The vector whose setting it is; absent for the collection's own.
    pub vector: Option<VectorName>,
    /// The rest of the path, as the contract spells it.
    pub name: &'static str,
}

impl fmt::Display for SettingsField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.vector {
            None => f.write_str(self.name),
            Some(vector) if vector.is_unnamed() => write!(f, "vectors.{}", self.name),
            Some(vector) => write!(f, "vectors.{vector}.{}", self.name),
        }
    }
}

impl CollectionSettings {
    /// Checks every bound.
    ///
    /// # Errors
    /// [`SettingsError`] names the first fault: field, value and what is allowed.
    pub fn validate(&self) -> Result<(), SettingsError> {
        check_hnsw(None, &self.hnsw)?;
        for (name, vector) in &self.vectors {
            if name.0.len() > limits::VECTOR_NAME_BYTES_MAX {
                return Err(SettingsError::VectorNameTooLong { name: name.clone() });
            }
            let size = SettingsField { vector: Some(name.clone()), name: "size" };
            check_range(size, vector.dim.into(), 1, limits::DIMENSION_MAX.into())?;
            if let Some(hnsw) = &vector.hnsw {
                check_hnsw(Some(name), hnsw)?;
            }
        }
        Ok(())
    }
}

fn check_hnsw(vector: Option<&VectorName>, hnsw: &HnswSettings) -> Result<(), SettingsError> {
    let field = |name| SettingsField { vector: vector.cloned(), name };
    check_range(field("hnsw_config.m"), hnsw.m.into(), 0, limits::M_MAX.into())?;
    let (ef_construct, max) = (hnsw.ef_construct.into(), limits::EF_MAX as u64);
    check_range(field("hnsw_config.ef_construct"), ef_construct, EF_CONSTRUCT_MIN, max)
}

fn check_range(field: SettingsField, value: u64, min: u64, max: u64) -> Result<(), SettingsError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(SettingsError::OutOfRange { field, value, min, max })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Metric;
    use crate::settings::VectorSettings;

    fn settings(name: &str, vector: VectorSettings) -> CollectionSettings {
        CollectionSettings::new([(VectorName(name.into()), vector)])
    }

    fn vector(dim: u32) -> VectorSettings {
        VectorSettings::new(dim, Metric::Cosine)
    }

    #[test]
    fn bounds_themselves_are_allowed() {
        assert_eq!(settings("", vector(1)).validate(), Ok(()));
        let mut most = settings("", vector(limits::DIMENSION_MAX));
        most.hnsw.m = limits::M_MAX;
        most.hnsw.ef_construct = 4;
        assert_eq!(most.validate(), Ok(()));
    }

    #[test]
    fn faults_name_field_value_and_mend() {
        let shown = |settings: CollectionSettings| settings.validate().unwrap_err().to_string();
        assert_eq!(
            shown(settings("", vector(0))),
            "`vectors.size` is 0; give it a value from 1 to 65536"
        );
        let hnsw = HnswSettings { m: 257, ..HnswSettings::default() };
        assert_eq!(
            shown(settings("image", VectorSettings { hnsw: Some(hnsw), ..vector(4) })),
            "`vectors.image.hnsw_config.m` is 257; give it a value from 0 to 256"
        );
        let mut hasty = settings("", vector(4));
        hasty.hnsw.ef_construct = 3;
        assert_eq!(
            shown(hasty),
            "`hnsw_config.ef_construct` is 3; give it a value from 4 to 65536"
        );
        assert!(shown(settings(&"x".repeat(256), vector(4))).contains("has 256 bytes"));
    }
}
