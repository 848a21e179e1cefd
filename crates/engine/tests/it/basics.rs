//! Write, read, flush, restart, delete.

use vectorizer_engine::{PayloadSelector, Select, VectorSelector};
use vectorizer_model::operation::PointSelector;
use vectorizer_model::{Filter, Metric, Operation, Payload, PointId, Value};
use vectorizer_vfs::OsDirectory;

use crate::support::{batch, create, name, open, search, settings};

fn ring(count: u64) -> Vec<(u64, Vec<f32>)> {
    (0..count)
        .map(|id| {
            let angle = id as f32 / count as f32 * std::f32::consts::TAU;
            (id, vec![angle.cos(), angle.sin(), 0.1, 0.2])
        })
        .collect()
}

fn number(id: u64) -> Payload {
    Payload([("n".to_owned(), Value::Int(i64::try_from(id).expect("small")))].into())
}

#[test]
fn what_is_written_is_found_before_and_after_flush_and_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = OsDirectory::open(folder.path()).expect("opens");
    let points = ring(200);
    let expected: Vec<u64> = vec![50, 49, 51];
    {
        let engine = open(&root);
        create(&engine, name(), settings(4, Metric::Cosine));
        engine.write(&name(), batch(&points, number)).expect("written");
        for step in 0..3 {
            for exact in [true, false] {
                let hits = search(&engine, &[0.0, 1.0, 0.1, 0.2], 3, exact);
                let ids: Vec<PointId> = hits.iter().map(|hit| hit.id).collect();
                let wanted: Vec<PointId> = expected.iter().map(|id| PointId::Num(*id)).collect();
                assert_eq!(ids, wanted, "step {step}, exact {exact}");
            }
            if step == 0 {
                engine.flush().expect("flushed");
            } else {
                engine.settle().expect("settled");
            }
        }
        assert_eq!(engine.info(&name()).expect("there").indexed_rows, 200);
        let delete = Operation::Delete(PointSelector::Ids(vec![PointId::Num(50)]));
        assert_eq!(engine.write(&name(), delete).expect("deleted").points, 1);
    }
    let engine = open(&root);
    let ids: Vec<PointId> =
        search(&engine, &[0.0, 1.0, 0.1, 0.2], 2, false).iter().map(|hit| hit.id).collect();
    assert_eq!(ids, [PointId::Num(49), PointId::Num(51)]);
    let view = engine.view(&name()).expect("there");
    assert_eq!(view.count(&Filter::default()).expect("counted"), 199);
    let select =
        Select { payload: PayloadSelector::Everything, vectors: VectorSelector::Everything };
    let records = view.records(&[PointId::Num(50), PointId::Num(7)], &select).expect("read");
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].payload.as_deref(), Some(&number(7)));
    assert_eq!(records[0].vectors[0].1.len(), 4);
}
