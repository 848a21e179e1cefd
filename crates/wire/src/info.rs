//! What a collection is and holds, as JSON.

use serde_json::{Map, Value, json};
use vectorizer_api::collections::CollectionInfo;
use vectorizer_api::index::create::params_path;
use vectorizer_model::settings::{HnswSettings, StorageType, VectorSettings};
use vectorizer_model::{CollectionSettings, Metric, VectorName};

use crate::index::kind_name;

/// The shown form of a collection's info.
pub fn collection_info(info: &CollectionInfo) -> Value {
    let status = match (&info.failure, info.backlog_rows) {
        (Some(_), _) => "red",
        (None, 0) => "green",
        (None, _) => "yellow",
    };
    let optimizer_status = match &info.failure {
        Some(reason) => json!({ "error": reason }),
        None => json!("ok"),
    };
    json!({
        "status": status,
        "optimizer_status": optimizer_status,
        "indexed_vectors_count": info.indexed_rows,
        "points_count": info.points,
        "segments_count": info.segments,
        "config": config(&info.settings),
        "payload_schema": payload_schema(info),
        "update_queue": { "length": info.backlog_rows },
        // Ours, beside what the contract has.
        "vectorizer": {
            "storage_type": match info.settings.storage_type {
                StorageType::Mmap => "mmap",
                StorageType::Memory => "memory",
            },
            "open": info.open,
            "scanned_rows": info.scanned_rows,
            "backlog_rows": info.backlog_rows,
            "memtable_bytes": info.memtable_bytes,
            "disk_bytes": info.bytes,
        },
    })
}

fn config(settings: &CollectionSettings) -> Value {
    let tuning = |prefix, defaults| overlay(settings, prefix, defaults);
    json!({
        "params": params(settings),
        "hnsw_config": tuning("hnsw_config", hnsw(&settings.hnsw)),
        "optimizer_config": tuning("optimizers_config", json!({
            "deleted_threshold": 0.2,
            "vacuum_min_vector_number": 1000,
            "default_segment_number": 0,
            "max_segment_size": null,
            "memmap_threshold": null,
            "indexing_threshold": 10_000,
            "flush_interval_sec": 5,
            "max_optimization_threads": null,
        })),
        "wal_config": tuning("wal_config", json!({
            "wal_capacity_mb": 32,
            "wal_segments_ahead": 0,
            "wal_retain_closed": 1,
        })),
        "quantization_config": none_if_empty(tuning("quantization_config", json!({}))),
    })
}

fn hnsw(hnsw: &HnswSettings) -> Value {
    json!({
        "m": hnsw.m,
        "ef_construct": hnsw.ef_construct,
        "full_scan_threshold": hnsw.full_scan_threshold_kib,
        "max_indexing_threads": 0,
    })
}

fn params(settings: &CollectionSettings) -> Value {
    let mut params = overlay(
        settings,
        "params",
        json!({ "shard_number": 1, "replication_factor": 1, "write_consistency_factor": 1 }),
    );
    params["on_disk_payload"] = json!(settings.on_disk_payload);
    params["vectors"] = match settings.vectors.get(&VectorName::unnamed()) {
        Some(unnamed) => vector(settings, unnamed),
        None => json!({}),
    };
    params
}

fn vector(settings: &CollectionSettings, vector: &VectorSettings) -> Value {
    let distance = match vector.metric {
        Metric::L2 => "Euclid",
        Metric::Dot => "Dot",
        Metric::Cosine => "Cosine",
        Metric::Manhattan => "Manhattan",
    };
    let mut shown = overlay(settings, "vectors", json!({}));
    shown["size"] = json!(vector.dim);
    shown["distance"] = json!(distance);
    if let Some(on_disk) = vector.on_disk {
        shown["on_disk"] = json!(on_disk);
    }
    if let Some(own) = &vector.hnsw {
        let tuned = shown["hnsw_config"].take();
        shown["hnsw_config"] = hnsw(own);
        merge(&mut shown["hnsw_config"], tuned);
    }
    shown
}

fn payload_schema(info: &CollectionInfo) -> Value {
    let fields = info.settings.field_indexes.iter().map(|(key, kind)| {
        let name = key.to_string();
        let points = info.field_points.get(&name).copied().unwrap_or(0);
        let mut shown = json!({ "data_type": kind_name(*kind), "points": points });
        if let Some(params) = info.settings.tuning.get(&params_path(key)) {
            shown["params"] = read(params);
        }
        (name, shown)
    });
    Value::Object(fields.collect())
}

/// The tuning below a path, over what is shown without any.
fn overlay(settings: &CollectionSettings, prefix: &str, mut shown: Value) -> Value {
    for (path, text) in &settings.tuning {
        let rest = path.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.'));
        let Some(rest) = rest else { continue };
        let mut place = &mut shown;
        for key in rest.split('.') {
            place = &mut place[key];
        }
        *place = read(text);
    }
    shown
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_not_json| Value::String(text.to_owned()))
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

fn none_if_empty(value: Value) -> Value {
    if value.as_object().is_some_and(Map::is_empty) { Value::Null } else { value }
}
