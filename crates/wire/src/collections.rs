//! Requests on collections.

mod tuning;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use vectorizer_api::collections::{CreateCollection, NewVector, UpdateCollection};
use vectorizer_api::settings::{SettingsChanges, VectorChanges};
use vectorizer_model::settings::{Quantization, StorageType};
use vectorizer_model::{CollectionName, Datatype, Metric, VectorName, limits};

use crate::error::{Result, WireError};
use crate::json::from_value;
use crate::object::objects;
use crate::unsupported::Unsupported;
use tuning::{HnswIn, Memory, OptimizersIn, QuantizationIn, Tuning, WalIn};

objects!(CreateIn, UpdateIn, PayloadStorageIn, ParamsDiffIn, VectorIn, VectorDiffIn);

/// A collection to create.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct CreateIn {
    vectors: Option<VectorsIn>,
    shard_number: Option<u32>,
    sharding_method: Option<ShardingMethod>,
    replication_factor: Option<u32>,
    write_consistency_factor: Option<u32>,
    on_disk_payload: Option<bool>,
    payload: Option<PayloadStorageIn>,
    /// Ours, beside what the contract has.
    storage_type: Option<StorageTypeIn>,
    hnsw_config: Option<HnswIn>,
    wal_config: Option<WalIn>,
    optimizers_config: Option<OptimizersIn>,
    quantization_config: Option<QuantizationIn>,
    #[serde(default, rename = "sparse_vectors")]
    _sparse_vectors: NoSparse,
    #[serde(default, rename = "strict_mode_config")]
    _strict_mode_config: Unsupported,
    #[serde(default, rename = "metadata")]
    _metadata: Unsupported,
    #[serde(default, rename = "init_from")]
    _init_from: Unsupported,
}

/// Settings to change.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct UpdateIn {
    vectors: Option<std::collections::BTreeMap<String, VectorDiffIn>>,
    optimizers_config: Option<OptimizersIn>,
    params: Option<ParamsDiffIn>,
    hnsw_config: Option<HnswIn>,
    quantization_config: Option<QuantizationIn>,
    #[serde(default, rename = "sparse_vectors")]
    _sparse_vectors: NoSparse,
    #[serde(default, rename = "strict_mode_config")]
    _strict_mode_config: Unsupported,
    #[serde(default, rename = "metadata")]
    _metadata: Unsupported,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StorageTypeIn {
    Mmap,
    Memory,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ShardingMethod {
    Auto,
    Custom,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
struct PayloadStorageIn {
    memory: Option<Memory>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
struct ParamsDiffIn {
    replication_factor: Option<u32>,
    write_consistency_factor: Option<u32>,
    read_fan_out_factor: Option<u32>,
    read_fan_out_delay_ms: Option<u64>,
    on_disk_payload: Option<bool>,
    payload: Option<PayloadStorageIn>,
}

/// Absent, null or an empty object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct NoSparse;

impl<'de> Deserialize<'de> for NoSparse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let given = Value::deserialize(deserializer)?;
        if given.is_null() || given.as_object().is_some_and(serde_json::Map::is_empty) {
            return Ok(Self);
        }
        Err(serde::de::Error::custom("sparse vectors are not supported yet"))
    }
}

/// The vectors of a collection: one without a name.
#[derive(Debug, Clone, PartialEq)]
struct VectorsIn(VectorIn);

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
struct VectorIn {
    size: u64,
    distance: DistanceIn,
    hnsw_config: Option<HnswIn>,
    quantization_config: Option<QuantizationIn>,
    on_disk: Option<bool>,
    memory: Option<Memory>,
    datatype: Option<DatatypeIn>,
    #[serde(default, rename = "multivector_config")]
    _multivector_config: Unsupported,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
struct VectorDiffIn {
    hnsw_config: Option<HnswIn>,
    quantization_config: Option<QuantizationIn>,
    on_disk: Option<bool>,
    memory: Option<Memory>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum DistanceIn {
    Cosine,
    Euclid,
    Dot,
    Manhattan,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum DatatypeIn {
    Float32,
    Float16,
    Uint8,
    Turbo4,
}

impl<'de> Deserialize<'de> for VectorsIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        use serde::de::Error;
        let Value::Object(mut given) = Value::deserialize(deserializer)? else {
            return Err(D::Error::custom("expected an object with `size` and `distance`"));
        };
        let one = given.contains_key("size") || given.contains_key("distance");
        let params = if one {
            Value::Object(given)
        } else if let Some(unnamed) = given.remove("") {
            if !given.is_empty() {
                return Err(D::Error::custom("named vectors are not supported yet"));
            }
            unnamed
        } else if given.is_empty() {
            return Err(D::Error::custom("`size` and `distance` of the vectors are missing"));
        } else {
            return Err(D::Error::custom(
                "named vectors are not supported yet; give one `size` and `distance`",
            ));
        };
        from_value(params).map(Self)
    }
}

impl CreateIn {
    /// The operation.
    ///
    /// # Errors
    /// [`WireError`] names what does not fit.
    pub fn into_operation(self, name: CollectionName) -> Result<CreateCollection> {
        if matches!(name.as_str(), "." | "..") {
            return Err(WireError::invalid(format!(
                "collection name is `{name}`, which clients resolve within a path; give another"
            )));
        }
        if self.sharding_method == Some(ShardingMethod::Custom) {
            return Err(WireError::unsupported("`sharding_method: custom`"));
        }
        let missing = || {
            WireError::Format("vectors: `size` and `distance` of the vectors are missing".into())
        };
        let vector = self.vectors.ok_or_else(missing)?.0;
        let mut tuning = Tuning::default();
        let dim = (1, u64::from(limits::DIMENSION_MAX));
        tuning.checks.range("vectors.size", Some(vector.size), dim);
        tuning.at_least("params.shard_number", self.shard_number, 1);
        tuning.at_least("params.replication_factor", self.replication_factor, 1);
        tuning.at_least("params.write_consistency_factor", self.write_consistency_factor, 1);
        let memory = self.payload.and_then(|payload| payload.memory);
        tuning.note("params.payload.memory", memory);
        let mut changes = SettingsChanges {
            hnsw: tuning.hnsw("hnsw_config", self.hnsw_config),
            quantization: tuning.quantization("quantization_config", self.quantization_config)?,
            on_disk_payload: on_disk(self.on_disk_payload, memory),
            ..SettingsChanges::default()
        };
        tuning.optimizers(self.optimizers_config);
        tuning.wal(self.wal_config);
        let (vector, own) = vector.read(&mut tuning)?;
        changes.vectors.insert(VectorName::unnamed(), own);
        changes.tuning = tuning.finish(&mut changes.forget)?;
        let storage_type = self.storage_type.map(|storage_type| match storage_type {
            StorageTypeIn::Mmap => StorageType::Mmap,
            StorageTypeIn::Memory => StorageType::Memory,
        });
        let vectors = [(VectorName::unnamed(), vector)].into();
        Ok(CreateCollection { name, vectors, storage_type, changes })
    }
}

impl VectorIn {
    fn read(self, tuning: &mut Tuning) -> Result<(NewVector, VectorChanges)> {
        let metric = match self.distance {
            DistanceIn::Cosine => Metric::Cosine,
            DistanceIn::Euclid => Metric::L2,
            DistanceIn::Dot => Metric::Dot,
            DistanceIn::Manhattan => Metric::Manhattan,
        };
        let datatype = match self.datatype {
            None | Some(DatatypeIn::Float32) => Datatype::Float32,
            Some(DatatypeIn::Float16) => Datatype::Float16,
            Some(DatatypeIn::Uint8) => Datatype::Uint8,
            Some(DatatypeIn::Turbo4) => {
                return Err(WireError::unsupported("`datatype: turbo4`"));
            }
        };
        tuning.note("vectors.datatype", self.datatype);
        tuning.note("vectors.memory", self.memory);
        let own = VectorChanges {
            on_disk: self.on_disk,
            hnsw: tuning.hnsw("vectors.hnsw_config", self.hnsw_config),
            quantization: tuning
                .quantization("vectors.quantization_config", self.quantization_config)?,
        };
        // Beyond 32 bits it is refused with the other bounds.
        let dim = u32::try_from(self.size).unwrap_or(u32::MAX);
        Ok((NewVector { dim, metric, datatype }, own))
    }
}

/// Whether payloads are read from disk only, where either spelling says so.
fn on_disk(given: Option<bool>, memory: Option<Memory>) -> Option<bool> {
    memory.map(|memory| memory == Memory::Cold).or(given)
}

impl UpdateIn {
    /// The operation.
    ///
    /// # Errors
    /// [`WireError`] names what does not fit.
    pub fn into_operation(self, name: CollectionName) -> Result<UpdateCollection> {
        let mut tuning = Tuning::default();
        let mut changes = SettingsChanges {
            hnsw: tuning.hnsw("hnsw_config", self.hnsw_config),
            quantization: tuning.quantization("quantization_config", self.quantization_config)?,
            ..SettingsChanges::default()
        };
        tuning.optimizers(self.optimizers_config);
        if let Some(params) = self.params {
            tuning.at_least("params.replication_factor", params.replication_factor, 1);
            tuning.at_least("params.write_consistency_factor", params.write_consistency_factor, 1);
            tuning.note("params.read_fan_out_factor", params.read_fan_out_factor);
            tuning.note("params.read_fan_out_delay_ms", params.read_fan_out_delay_ms);
            let memory = params.payload.and_then(|payload| payload.memory);
            tuning.note("params.payload.memory", memory);
            changes.on_disk_payload = on_disk(params.on_disk_payload, memory);
        }
        for (vector, diff) in self.vectors.unwrap_or_default() {
            if !vector.is_empty() {
                return Err(WireError::unsupported(format!("vector `{vector}`: a named vector")));
            }
            tuning.note("vectors.memory", diff.memory);
            let own = VectorChanges {
                on_disk: diff.on_disk,
                hnsw: tuning.hnsw("vectors.hnsw_config", diff.hnsw_config),
                quantization: tuning
                    .quantization("vectors.quantization_config", diff.quantization_config)?,
            };
            changes.vectors.insert(VectorName::unnamed(), own);
        }
        changes.tuning = tuning.finish(&mut changes.forget)?;
        Ok(UpdateCollection { name, changes })
    }
}

/// Reads a name in a path.
///
/// # Errors
/// The text cannot name a collection.
pub fn collection_name(text: &str) -> Result<CollectionName> {
    CollectionName::new(text).map_err(|error| WireError::invalid(error.to_string()))
}

#[cfg(test)]
mod tests;
