//! Settings read, bounded and refused.

mod page;

use super::*;
use crate::json::decode;

fn create(text: &str) -> Result<CreateCollection> {
    decode::<CreateIn>(text.as_bytes())?.into_operation(collection_name("c").expect("a name"))
}

fn update(text: &str) -> Result<UpdateCollection> {
    decode::<UpdateIn>(text.as_bytes())?.into_operation(collection_name("c").expect("a name"))
}

#[test]
fn the_least_request_is_enough() {
    let created = create(r#"{"vectors": {"size": 4, "distance": "Cosine"}}"#).expect("created");
    let vector = &created.vectors[&VectorName::unnamed()];
    assert_eq!((vector.dim, vector.metric, vector.datatype), {
        (4, Metric::Cosine, Datatype::Float32)
    });
    assert!(created.changes.tuning.is_empty());
    let nulls = r#"{"vectors": {"": {"size": 4, "distance": "Cosine", "on_disk": null}},
        "hnsw_config": null, "sparse_vectors": null, "quantization_config": null}"#;
    assert_eq!(create(nulls), Ok(created));
}

#[test]
fn names_that_paths_resolve_are_refused() {
    for name in [".", ".."] {
        let name = collection_name(name).expect("a name that older folders may have");
        let body = decode::<CreateIn>(br#"{"vectors": {"size": 4, "distance": "Dot"}}"#);
        let error = body.expect("read").into_operation(name).unwrap_err().to_string();
        assert!(error.contains("give another"), "{error}");
    }
}

#[test]
fn what_is_wrong_within_is_named() {
    for (text, told) in [
        (r#"{"vectors": {"size": "x", "distance": "Dot"}}"#, "vectors: size: invalid type"),
        (
            r#"{"vectors": {"size": 1, "distance": "Dot", "hnsw_config": {"m": -1}}}"#,
            "vectors: hnsw_config.m: invalid value: integer `-1`, expected an integer from 0 on",
        ),
        (r#"{"quantization_config": {"scalar": {"type": 1}}}"#, "quantization_config: scalar.type"),
        (r#"{"hnsw_config": 1}"#, "hnsw_config: invalid type: integer `1`, expected an object"),
    ] {
        let error = create(text).unwrap_err().to_string();
        assert!(error.contains(told), "{text}: {error}");
    }
}

#[test]
fn tuning_is_noted() {
    let created = create(
        r#"{"vectors": {"size": 4, "distance": "Dot", "datatype": "float16", "memory": "pinned"},
        "hnsw_config": {"m": 8, "payload_m": 4}, "shard_number": 2,
        "optimizers_config": {"indexing_threshold": 0, "max_optimization_threads": "auto"},
        "wal_config": {"wal_capacity_mb": 1},
        "quantization_config": {"scalar": {"type": "int8", "quantile": 0.99}}}"#,
    )
    .expect("created");
    assert_eq!(created.storage_type, None, "where vectors lie is a hint");
    assert_eq!(created.changes.hnsw.m, Some(8));
    let noted: Vec<_> =
        created.changes.tuning.iter().map(|(path, text)| format!("{path}={text}")).collect();
    assert_eq!(
        noted,
        [
            "hnsw_config.payload_m=4",
            "optimizers_config.indexing_threshold=0",
            "optimizers_config.max_optimization_threads=null",
            "params.shard_number=2",
            "quantization_config.scalar.quantile=0.99",
            "quantization_config.scalar.type=\"int8\"",
            "vectors.datatype=\"float16\"",
            "vectors.memory=\"pinned\"",
            "wal_config.wal_capacity_mb=1",
        ]
    );
    let updated = update(r#"{"quantization_config": "Disabled"}"#).expect("updated");
    assert_eq!(updated.changes.quantization, Some(Quantization::Off));
    assert_eq!(updated.changes.forget, ["quantization_config"]);
}

#[test]
fn the_storage_type_is_a_field_of_its_own() {
    let of = |rest: &str| {
        create(&format!(r#"{{"vectors": {{"size": 4, "distance": "Dot"}}{rest}}}"#))
            .map(|created| created.storage_type)
    };
    assert_eq!(of(""), Ok(None));
    assert_eq!(of(r#", "storage_type": "memory""#), Ok(Some(StorageType::Memory)));
    assert_eq!(of(r#", "storage_type": "mmap""#), Ok(Some(StorageType::Mmap)));
    let refused = of(r#", "storage_type": "ram""#).unwrap_err().to_string();
    assert!(refused.contains("storage_type: unknown variant `ram`"), "{refused}");
    for hint in [r#", "on_disk_payload": false"#, r#", "hnsw_config": {"memory": "pinned"}"#] {
        assert_eq!(of(hint), Ok(None), "{hint}");
    }
}

#[test]
fn refusals_name_setting_and_value() {
    let of = |rest: &str| format!(r#"{{"vectors": {{"size": 4, "distance": "Dot"}}, {rest}}}"#);
    for (text, told) in [
        ("{}".to_owned(), "`size` and `distance` of the vectors are missing"),
        (r#"{"vectors": {"size": 0, "distance": "Dot"}}"#.to_owned(), {
            "[vectors.size: value 0 invalid, must be from 1 to 65536]"
        }),
        (r#"{"vectors": {"size": 4, "distance": "Guess"}}"#.to_owned(), "`Guess`"),
        (r#"{"vectors": {"size": -4, "distance": "Dot"}}"#.to_owned(), "`-4`"),
        (r#"{"vectors": {"a": {"size": 4, "distance": "Dot"}}}"#.to_owned(), "named vectors"),
        (r#"{"vectors": {"size": 4, "distance": "Dot", "datatype": "turbo4"}}"#.to_owned(), {
            "turbo4"
        }),
        (of(r#""hnsw_config": {"ef_construct": 1}"#), "hnsw_config.ef_construct: value 1"),
        (of(r#""optimizers_config": {"deleted_threshold": 2}"#), "deleted_threshold: value 2"),
        (of(r#""shard_number": 0"#), "shard_number: value 0 invalid, must be 1 or larger"),
        (of(r#""sharding_method": "custom""#), "not supported yet"),
        (of(r#""sparse_vectors": {"s": {}}"#), "sparse vectors are not supported"),
        (of(r#""strict_mode_config": {"enabled": true}"#), "strict_mode_config: this is not"),
        (of(r#""quantization_config": {"binary": {}}"#), "binary quantization is not supported"),
        (of(r#""hnsw_confg": {}"#), "unknown field `hnsw_confg`"),
    ] {
        let error = create(&text).unwrap_err().to_string();
        assert!(error.contains(told), "{text}: {error}");
    }
    let error = update(r#"{"vectors": {"a": {"on_disk": true}}}"#).unwrap_err().to_string();
    assert!(error.contains("named vector"), "{error}");
}
