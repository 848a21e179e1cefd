//! Collections: names and settings.

use proptest::collection::btree_map;
use proptest::option::weighted;
use proptest::prelude::*;
use vectorizer_model::settings::{
    FieldIndexKind, HnswSettings, Quantization, StorageType, VectorSettings,
};
use vectorizer_model::{
    CollectionName, CollectionSettings, Datatype, Metric, TenantName, VectorName,
};

use super::key_path;

/// A collection's name.
pub fn collection_name() -> BoxedStrategy<CollectionName> {
    "[a-z][a-z0-9_ -]{0,20}"
        .prop_filter_map("a name", |name| CollectionName::new(&name).ok())
        .boxed()
}

/// A tenant's name, often the default one.
pub fn tenant_name() -> BoxedStrategy<TenantName> {
    let named =
        "[a-zA-Z0-9._-]{1,64}".prop_filter_map("a name", |name| TenantName::new(&name).ok());
    prop_oneof![Just(TenantName::default()), named].boxed()
}

/// A vector's name: the default's or one of two.
pub fn vector_name() -> BoxedStrategy<VectorName> {
    let names = prop_oneof![Just(""), Just("image"), Just("text")];
    names.prop_map(|name| VectorName(name.into())).boxed()
}

/// Any metric.
pub fn metric() -> BoxedStrategy<Metric> {
    prop_oneof![Just(Metric::L2), Just(Metric::Dot), Just(Metric::Cosine), Just(Metric::Manhattan)]
        .boxed()
}

/// Any kind of field index.
pub fn field_index_kind() -> BoxedStrategy<FieldIndexKind> {
    prop_oneof![
        Just(FieldIndexKind::Keyword),
        Just(FieldIndexKind::Integer),
        Just(FieldIndexKind::Float),
        Just(FieldIndexKind::Bool)
    ]
    .boxed()
}

fn datatype() -> BoxedStrategy<Datatype> {
    prop_oneof![
        3 => Just(Datatype::Float32),
        1 => Just(Datatype::Float16),
        1 => Just(Datatype::Uint8)
    ]
    .boxed()
}

fn quantization() -> BoxedStrategy<Quantization> {
    prop_oneof![Just(Quantization::Int8), Just(Quantization::Off)].boxed()
}

fn hnsw() -> BoxedStrategy<HnswSettings> {
    (0..33_u32, 4..200_u32, 0..20_000_u64)
        .prop_map(|(m, ef_construct, full_scan_threshold_kib)| HnswSettings {
            m,
            ef_construct,
            full_scan_threshold_kib,
        })
        .boxed()
}

/// A vector of 1 to 8 components.
pub fn vector_settings() -> BoxedStrategy<VectorSettings> {
    let own = (weighted(0.2, any::<bool>()), weighted(0.2, hnsw()), weighted(0.2, quantization()));
    (1..9_u32, metric(), datatype(), own)
        .prop_map(|(dim, metric, datatype, (on_disk, hnsw, quantization))| VectorSettings {
            dim,
            metric,
            datatype,
            on_disk,
            hnsw,
            quantization,
        })
        .boxed()
}

/// A collection with one to three vectors.
pub fn collection_settings() -> BoxedStrategy<CollectionSettings> {
    let storage_type = prop_oneof![Just(StorageType::Mmap), Just(StorageType::Memory)];
    let tuning = btree_map("[a-z_.]{1,20}", "[a-z0-9.]{0,8}", 0..3);
    (
        btree_map(vector_name(), vector_settings(), 1..4),
        (hnsw(), quantization(), storage_type),
        btree_map(key_path(), field_index_kind(), 0..4),
        (any::<bool>(), tuning),
    )
        .prop_map(|(vectors, (hnsw, quantization, storage_type), field_indexes, rest)| {
            let (on_disk_payload, tuning) = rest;
            CollectionSettings {
                vectors,
                hnsw,
                quantization,
                storage_type,
                field_indexes,
                on_disk_payload,
                tuning,
            }
        })
        .boxed()
}

/// A collection with the default vector alone, singles, and everything else by default.
pub fn plain_settings(dim: u32, metric: Metric) -> CollectionSettings {
    CollectionSettings::new([(VectorName::unnamed(), VectorSettings::new(dim, metric))])
}
