//! Tuning that is stored and shown: checked here, kept as `path -> JSON text`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use vectorizer_api::settings::HnswChanges;
use vectorizer_model::limits;

use super::Quantization;
use crate::check::Checks;
use crate::error::{Result, WireError};
use crate::json::from_value;
use crate::object::objects;
use crate::unsupported::Unsupported;

objects!(HnswIn, OptimizersIn, WalIn, QuantizationKinds, ScalarIn);

/// Where bytes are to be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Memory {
    Cold,
    Cached,
    Pinned,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(super) struct HnswIn {
    m: Option<u32>,
    ef_construct: Option<u32>,
    full_scan_threshold: Option<u64>,
    max_indexing_threads: Option<u64>,
    on_disk: Option<bool>,
    memory: Option<Memory>,
    payload_m: Option<u64>,
    inline_storage: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(super) struct OptimizersIn {
    deleted_threshold: Option<f64>,
    vacuum_min_vector_number: Option<u64>,
    default_segment_number: Option<u64>,
    max_segment_size: Option<u64>,
    memmap_threshold: Option<u64>,
    indexing_threshold: Option<u64>,
    flush_interval_sec: Option<u64>,
    max_optimization_threads: Option<Threads>,
    prevent_unoptimized: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(super) struct WalIn {
    #[serde(rename = "wal_capacity_mb")]
    capacity_mb: Option<u64>,
    #[serde(rename = "wal_segments_ahead")]
    segments_ahead: Option<u64>,
    #[serde(rename = "wal_retain_closed")]
    retain_closed: Option<u64>,
}

/// A number of threads, or `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Threads(Option<u64>);

impl<'de> Deserialize<'de> for Threads {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let given = Value::deserialize(deserializer)?;
        match (given.as_u64(), given == "auto") {
            (Some(threads), _) => Ok(Self(Some(threads))),
            (None, true) => Ok(Self(None)),
            (None, false) => Err(serde::de::Error::custom("expected a number or `auto`")),
        }
    }
}

/// The codes that traversal uses.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum QuantizationIn {
    Disabled,
    Scalar(ScalarIn),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(super) struct QuantizationKinds {
    scalar: Option<ScalarIn>,
    #[serde(default, rename = "product")]
    _product: Unsupported,
    #[serde(default, rename = "binary")]
    _binary: Unsupported,
    #[serde(default, rename = "turbo")]
    _turbo: Unsupported,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(super) struct ScalarIn {
    #[serde(rename = "type")]
    _kind: ScalarKind,
    quantile: Option<f64>,
    always_ram: Option<bool>,
    memory: Option<Memory>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ScalarKind {
    Int8,
}

impl<'de> Deserialize<'de> for QuantizationIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        use serde::de::Error;
        let given = Value::deserialize(deserializer)?;
        if given == "Disabled" {
            return Ok(Self::Disabled);
        }
        if let Some(kind) = ["product", "binary", "turbo"].iter().find(|k| given.get(k).is_some()) {
            let told = format!("{kind} quantization is not supported yet; use `scalar`");
            return Err(D::Error::custom(told));
        }
        let kinds: QuantizationKinds = from_value(given)?;
        let scalar = kinds.scalar.ok_or_else(|| D::Error::missing_field("scalar"))?;
        Ok(Self::Scalar(scalar))
    }
}

/// Collects what is stored, and what is beyond its bounds.
#[derive(Debug, Default)]
pub(super) struct Tuning {
    pub(super) checks: Checks,
    noted: BTreeMap<String, String>,
    forget: Vec<&'static str>,
}

impl Tuning {
    /// Stores a setting, if it is given.
    pub(super) fn note(&mut self, path: &str, value: Option<impl Serialize>) {
        let text = value.and_then(|value| serde_json::to_string(&value).ok());
        if let Some(text) = text {
            self.noted.insert(path.to_owned(), text);
        }
    }

    /// Stores a number that has a least value.
    pub(super) fn at_least(&mut self, path: &str, value: Option<impl Into<u64>>, min: u64) {
        let value: Option<u64> = value.map(Into::into);
        self.checks.min(path.strip_prefix("params.").unwrap_or(path), value, min);
        self.note(path, value);
    }

    pub(super) fn hnsw(&mut self, at: &str, given: Option<HnswIn>) -> HnswChanges {
        let Some(given) = given else { return HnswChanges::default() };
        let path = |name: &str| format!("{at}.{name}");
        self.checks.range(&path("m"), given.m, (0, limits::M_MAX));
        let ef = given.ef_construct.map(|ef| ef as usize);
        self.checks.range(&path("ef_construct"), ef, (4, limits::EF_MAX));
        self.checks.min(&path("full_scan_threshold"), given.full_scan_threshold, 10);
        self.note(&path("max_indexing_threads"), given.max_indexing_threads);
        self.note(&path("on_disk"), given.on_disk);
        self.note(&path("memory"), given.memory);
        self.note(&path("payload_m"), given.payload_m);
        self.note(&path("inline_storage"), given.inline_storage);
        HnswChanges {
            m: given.m,
            ef_construct: given.ef_construct,
            full_scan_threshold_kib: given.full_scan_threshold,
        }
    }

    pub(super) fn optimizers(&mut self, given: Option<OptimizersIn>) {
        let Some(given) = given else { return };
        let path = |name: &str| format!("optimizers_config.{name}");
        self.checks.range(&path("deleted_threshold"), given.deleted_threshold, (0.0, 1.0));
        self.note(&path("deleted_threshold"), given.deleted_threshold);
        self.at_least(&path("vacuum_min_vector_number"), given.vacuum_min_vector_number, 100);
        self.note(&path("default_segment_number"), given.default_segment_number);
        self.at_least(&path("max_segment_size"), given.max_segment_size, 1);
        self.note(&path("memmap_threshold"), given.memmap_threshold);
        self.note(&path("indexing_threshold"), given.indexing_threshold);
        self.note(&path("flush_interval_sec"), given.flush_interval_sec);
        let threads = given.max_optimization_threads.map(|threads| threads.0);
        self.note(&path("max_optimization_threads"), threads);
        self.note(&path("prevent_unoptimized"), given.prevent_unoptimized);
    }

    pub(super) fn wal(&mut self, given: Option<WalIn>) {
        let Some(given) = given else { return };
        self.at_least("wal_config.wal_capacity_mb", given.capacity_mb, 1);
        self.note("wal_config.wal_segments_ahead", given.segments_ahead);
        self.at_least("wal_config.wal_retain_closed", given.retain_closed, 1);
    }

    /// `at` is `quantization_config`, or that of a vector.
    pub(super) fn quantization(
        &mut self,
        at: &'static str,
        given: Option<QuantizationIn>,
    ) -> Result<Option<Quantization>> {
        let scalar = match given {
            None => return Ok(None),
            Some(QuantizationIn::Disabled) => {
                self.forget.push(at);
                return Ok(Some(Quantization::Off));
            }
            Some(QuantizationIn::Scalar(scalar)) => scalar,
        };
        if scalar.memory == Some(Memory::Pinned) && scalar.always_ram == Some(false) {
            return Err(WireError::invalid(format!(
                "{at}: `memory: pinned` contradicts `always_ram: false`; give one of them"
            )));
        }
        let path = |name: &str| format!("{at}.scalar.{name}");
        self.forget.push(at);
        self.checks.range(&path("quantile"), scalar.quantile, (0.5, 1.0));
        self.note(&path("type"), Some("int8"));
        self.note(&path("quantile"), scalar.quantile);
        self.note(&path("always_ram"), scalar.always_ram);
        self.note(&path("memory"), scalar.memory);
        Ok(Some(Quantization::Int8))
    }

    /// What is stored; `forget` takes the paths that it replaces.
    pub(super) fn finish(self, forget: &mut Vec<&'static str>) -> Result<BTreeMap<String, String>> {
        self.checks.finish()?;
        forget.extend(self.forget);
        Ok(self.noted)
    }
}
