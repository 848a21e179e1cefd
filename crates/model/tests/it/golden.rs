//! Bytes that must be read for ever. Files in `tests/golden` are only added, never changed.
//!
//! Each line of a file is a name and the hex of one encoded operation.

use vectorizer_model::encode::{decode_operation, encode_operation};
use vectorizer_model::filter::{Predicate, Range, Scalar};
use vectorizer_model::operation::{PointBatch, PointSelector};
use vectorizer_model::settings::{
    FieldIndexKind, HnswSettings, Quantization, StorageType, VectorSettings,
};
use vectorizer_model::vector::VectorColumn;
use vectorizer_model::{
    CollectionName, CollectionSettings, Condition, Datatype, Filter, KeyPath, Metric, Operation,
    Payload, PointId, ShardId, TenantName, Value, VectorName,
};

const VERSION_1: &str = include_str!("../golden/operation_v1.txt");
const OF_A_TENANT: &str = include_str!("../golden/operation_v1_tenant.txt");

#[test]
fn version_1_is_read_and_written_as_it_was() {
    check(VERSION_1, operations);
    check(OF_A_TENANT, || {
        let acme = TenantName::new("acme").expect("a name");
        vec![("create_collection_of", created_by(acme))]
    });
}

#[test]
fn what_no_writer_would_have_written_of_a_tenant_is_refused() {
    let mut bytes = Vec::new();
    encode_operation(&created_by(TenantName::new("acme").expect("a name")), &mut bytes);
    let end = bytes.len() - "acme".len() - 1;
    for (name, allowed) in [("acme", true), ("default", false), ("system", false), ("a b", false)] {
        bytes.truncate(end);
        bytes.push(u8::try_from(name.len()).expect("short"));
        bytes.extend_from_slice(name.as_bytes());
        assert_eq!(decode_operation(&bytes).is_ok(), allowed, "{name}");
    }
}

fn check(frozen: &str, operations: impl Fn() -> Vec<(&'static str, Operation)>) {
    let mut written = String::new();
    for (name, operation) in operations() {
        let mut bytes = Vec::new();
        encode_operation(&operation, &mut bytes);
        let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        written.extend([name, " ", &hex.concat(), "\n"]);
    }
    assert_eq!(written, frozen);
    for (line, (name, operation)) in frozen.lines().zip(operations()) {
        let (_, hex) = line.split_once(' ').expect("a name and hex");
        let bytes: Vec<u8> = hex.as_bytes().chunks(2).map(byte_of_hex).collect();
        assert_eq!(decode_operation(&bytes), Ok(operation), "{name}");
    }
}

fn byte_of_hex(digits: &[u8]) -> u8 {
    let digits = std::str::from_utf8(digits).expect("hex digits");
    u8::from_str_radix(digits, 16).expect("hex digits")
}

fn path(text: &str) -> KeyPath {
    text.parse().expect("a path")
}

fn created_by(tenant: TenantName) -> Operation {
    Operation::CreateCollection {
        name: CollectionName::new("notes").expect("a name"),
        shard: ShardId(3),
        settings: Box::new(settings()),
        tenant,
    }
}

fn operations() -> Vec<(&'static str, Operation)> {
    let name = CollectionName::new("notes").expect("a name");
    let (points, payload) = (PointSelector::Ids(vec![PointId::Num(5)]), payload());
    let keys = vec![path("a.b"), path("\"x.y\"[]")];
    let at = Some(path("a[2].b"));
    vec![
        ("create_collection", created_by(TenantName::default())),
        ("drop_collection", Operation::DropCollection { name }),
        ("update_settings", Operation::UpdateSettings(Box::new(settings()))),
        ("upsert", Operation::Upsert(batch())),
        ("delete", Operation::Delete(PointSelector::Filter(filter()))),
        (
            "set_payload",
            Operation::SetPayload { points: points.clone(), payload: payload.clone(), at },
        ),
        ("overwrite_payload", Operation::OverwritePayload { points: points.clone(), payload }),
        ("delete_payload", Operation::DeletePayload { points: points.clone(), keys }),
        ("clear_payload", Operation::ClearPayload { points }),
        (
            "create_field_index",
            Operation::CreateFieldIndex { key: path("a"), kind: FieldIndexKind::Float },
        ),
        ("drop_field_index", Operation::DropFieldIndex { key: path("a") }),
    ]
}

fn payload() -> Payload {
    let inner = Payload([("k".to_owned(), Value::Null)].into());
    let list = vec![Value::Bool(true), Value::Bool(false), Value::Object(inner)];
    let entries = [
        ("float", Value::Float(1.5)),
        ("int", Value::Int(-3)),
        ("list", Value::Array(list)),
        ("text", Value::Str("h\u{e9}".to_owned())),
        ("uint", Value::UInt(u64::MAX)),
    ];
    Payload(entries.map(|(key, value)| (key.to_owned(), value)).into())
}

fn batch() -> PointBatch {
    let default = VectorColumn {
        name: VectorName::unnamed(),
        dim: 2,
        values: vec![1.0, -2.0, 0.5, 0.0],
        present: Vec::new(),
    };
    let image = VectorColumn {
        name: VectorName("image".into()),
        dim: 1,
        values: vec![3.0],
        present: vec![false, true],
    };
    PointBatch {
        ids: vec![PointId::Num(1), PointId::Uuid(0x550e_8400_e29b_41d4_a716_4466_5544_0000)],
        vectors: vec![default, image],
        payloads: vec![payload(), Payload::new()],
    }
}

fn filter() -> Filter {
    let field = |predicate| Condition::Field { key: path("a[].b"), predicate };
    let range = Range { gt: None, gte: Some(1.0), lt: Some(2.5), lte: None };
    Filter {
        must: vec![
            field(Predicate::Match(Scalar::Keyword("red".into()))),
            field(Predicate::Any(vec![Scalar::Int(-1), Scalar::Bool(true)])),
        ],
        should: vec![field(Predicate::Range(range)), Condition::IsEmpty(path("c"))],
        must_not: vec![
            Condition::has_id(vec![PointId::Num(9)]),
            Condition::Filter(Filter {
                must: vec![field(Predicate::Except(vec![Scalar::Bool(false)]))],
                ..Filter::default()
            }),
        ],
    }
}

fn settings() -> CollectionSettings {
    let hnsw = HnswSettings { m: 32, ef_construct: 200, full_scan_threshold_kib: 1 };
    let vector = VectorSettings {
        dim: 384,
        metric: Metric::Cosine,
        datatype: Datatype::Float16,
        on_disk: Some(true),
        hnsw: Some(hnsw),
        quantization: Some(Quantization::Off),
    };
    let plain = VectorSettings {
        dim: 2,
        metric: Metric::L2,
        datatype: Datatype::Float32,
        on_disk: None,
        hnsw: None,
        quantization: None,
    };
    let tuning = ("optimizers_config.indexing_threshold".to_owned(), "20000".to_owned());
    CollectionSettings {
        vectors: [(VectorName::unnamed(), plain), (VectorName("image".into()), vector)].into(),
        hnsw: HnswSettings::default(),
        quantization: Quantization::Int8,
        storage_type: StorageType::Memory,
        field_indexes: [(path("a"), FieldIndexKind::Keyword)].into(),
        on_disk_payload: true,
        tuning: [tuning].into(),
    }
}
