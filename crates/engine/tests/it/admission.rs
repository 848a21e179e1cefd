//! What is logged can be applied, stored and read again: everything else is refused before.

use vectorizer_engine::EngineError;
use vectorizer_model::operation::PointSelector;
use vectorizer_model::settings::FieldIndexKind;
use vectorizer_model::{KeyPath, Metric, Operation, Payload, PointId, Value, limits};
use vectorizer_vfs::crash::{Mode, TraceDirectory};

use crate::support::{batch, name, open, settings};

/// A payload of so many levels.
fn nested(levels: usize) -> Payload {
    let leaf = Payload([("k".to_owned(), Value::Int(1))].into());
    (1..levels).fold(leaf, |inner, _| Payload([("k".to_owned(), Value::Object(inner))].into()))
}

fn one() -> PointSelector {
    PointSelector::Ids(vec![PointId::Num(1)])
}

fn path(steps: usize) -> KeyPath {
    vec!["k"; steps].join(".").parse().expect("a path")
}

#[test]
fn what_could_not_be_read_again_is_refused_and_the_limit_itself_is_not() {
    let disk = TraceDirectory::new();
    let engine = open(&disk.directory());
    let created = engine.create_collection(name(), settings(4, Metric::L2)).expect("accepted");
    created.wait().expect("done").expect("created");
    engine.write(&name(), batch(&[(1, vec![0.0; 4])], |_| Payload::new())).expect("written");
    let mut other = settings(4, Metric::L2);
    other.vectors.values_mut().for_each(|vector| vector.dim = 8);
    let most = limits::DEPTH_MAX;
    let many = vec![PointId::Num(1); limits::BATCH_POINTS_MAX + 1];
    let set = |steps, levels| Operation::SetPayload {
        points: one(),
        payload: nested(levels),
        at: Some(path(steps)),
    };
    let refused = [
        (
            Operation::OverwritePayload { points: one(), payload: nested(most + 1) },
            "payload is nested 65 levels deep; at most 64 are allowed",
        ),
        (set(60, 5), "payload is nested 65 levels deep; at most 64 are allowed"),
        (Operation::Delete(PointSelector::Ids(many)), "name at most 1048576 at once"),
        (
            Operation::CreateFieldIndex {
                key: KeyPath::key(&"k".repeat(limits::KEY_BYTES_MAX + 1)),
                kind: FieldIndexKind::Keyword,
            },
            "the key of a field index has 1025 bytes; at most 1024 are taken",
        ),
        (
            Operation::UpdateSettings(Box::new(other)),
            "cannot change its dimension; create another collection",
        ),
    ];
    for (operation, wanted) in refused {
        let refusal = engine.write(&name(), operation).expect_err(wanted);
        assert!(matches!(refusal, EngineError::InvalidOperation(_)), "{refusal}");
        assert!(refusal.to_string().contains(wanted), "{refusal}");
    }
    let overwrite = Operation::OverwritePayload { points: one(), payload: nested(most) };
    engine.write(&name(), overwrite).expect("at the limit");
    engine.write(&name(), set(59, 5)).expect("at the limit");
    let disk = disk.image(disk.position(), Mode::LoseUnsynced);
    for _ in 0..2 {
        // From the log, then from a segment.
        let engine = open(&disk.directory());
        let view = engine.view(&name()).expect("there");
        let select = vectorizer_engine::Select {
            payload: vectorizer_engine::PayloadSelector::Everything,
            ..vectorizer_engine::Select::default()
        };
        let records = view.records(&[PointId::Num(1)], &select).expect("readable");
        assert_eq!(records[0].payload.as_ref().expect("there").depth(), most);
        engine.settle().expect("settled");
    }
}
