//! Random histories, and the plain model that says what they come to.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use vectorizer_engine::{Engine, PayloadSelector, Select, VectorSelector};
use vectorizer_model::filter::{Condition, Filter, Predicate, Range, Scalar};
use vectorizer_model::operation::PointSelector;
use vectorizer_model::settings::FieldIndexKind;
use vectorizer_model::{KeyPath, Operation, Payload, PointId, Value};
use vectorizer_payload::{delete_keys, matches, set_at};

use crate::support::{batch, name};

pub(crate) const DIM: usize = 4;

/// What a test does next.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Upsert(Vec<(u64, [i8; DIM])>),
    Delete(Vec<u64>),
    DeleteWhere(i64),
    SetPayload(Vec<u64>, i64),
    SetWhere(i64, i64),
    Overwrite(u64, i64),
    DeleteKey(u64),
    Clear(u64),
    Index,
    DropIndex,
    Flush,
    Settle,
    Unload,
    Reopen,
}

pub(crate) fn steps(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), count)
}

fn step() -> impl Strategy<Value = Step> {
    let id = || 0..60_u64;
    let ids = || prop::collection::vec(0..60_u64, 1..6);
    let vector = || prop::array::uniform4(-8..8_i8);
    let value = || 0..5_i64;
    prop_oneof![
        6 => prop::collection::vec((id(), vector()), 1..30).prop_map(Step::Upsert),
        2 => ids().prop_map(Step::Delete),
        1 => value().prop_map(Step::DeleteWhere),
        3 => (ids(), value()).prop_map(|(ids, value)| Step::SetPayload(ids, value)),
        1 => (value(), value()).prop_map(|(from, to)| Step::SetWhere(from, to)),
        1 => (id(), value()).prop_map(|(id, value)| Step::Overwrite(id, value)),
        1 => id().prop_map(Step::DeleteKey),
        1 => id().prop_map(Step::Clear),
        1 => Just(Step::Index),
        1 => Just(Step::DropIndex),
        4 => Just(Step::Flush),
        2 => Just(Step::Settle),
        3 => Just(Step::Unload),
        2 => Just(Step::Reopen),
    ]
}

fn key() -> KeyPath {
    "v".parse().expect("a path")
}

fn tagged(value: i64) -> Payload {
    Payload([("v".to_owned(), Value::Int(value))].into())
}

pub(crate) fn equals(value: i64) -> Filter {
    let predicate = Predicate::Match(Scalar::Int(value));
    Filter { must: vec![Condition::Field { key: key(), predicate }], ..Filter::default() }
}

fn at_least(value: i64) -> Filter {
    let range = Range { gte: Some(value as f64), ..Range::default() };
    let predicate = Predicate::Range(range);
    Filter { must: vec![Condition::Field { key: key(), predicate }], ..Filter::default() }
}

/// A point as the model keeps it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    pub(crate) vector: [f32; DIM],
    pub(crate) payload: Payload,
    pub(crate) version: u64,
}

/// What the history came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Model(pub(crate) BTreeMap<PointId, Point>);

fn num(ids: &[u64]) -> Vec<PointId> {
    ids.iter().map(|id| PointId::Num(*id)).collect()
}

impl Step {
    /// Moves data about, if that is what the step does.
    pub(crate) fn housekeep(&self, engine: Engine, open: impl Fn() -> Engine) -> Engine {
        if matches!(self, Self::Flush) {
            engine.flush().expect("flushed");
        } else if matches!(self, Self::Settle) {
            engine.settle().expect("settled");
        } else if matches!(self, Self::Unload) {
            engine.unload_idle(u64::MAX);
        } else if matches!(self, Self::Reopen) {
            engine.close().expect("closed");
            drop(engine);
            return open();
        }
        engine
    }

    /// The operation that a step writes; none if it only moves data about.
    pub(crate) fn operation(&self) -> Option<Operation> {
        let ids = |ids: &[u64]| PointSelector::Ids(num(ids));
        Some(match self {
            Self::Upsert(points) => {
                let floats = |vector: &[i8; DIM]| vector.iter().map(|v| f32::from(*v)).collect();
                let points: Vec<_> =
                    points.iter().map(|(id, vector)| (*id, floats(vector))).collect();
                batch(&points, |id| tagged(i64::try_from(id % 5).expect("small")))
            }
            Self::Delete(these) => Operation::Delete(ids(these)),
            Self::DeleteWhere(value) => Operation::Delete(PointSelector::Filter(equals(*value))),
            Self::SetPayload(these, value) => {
                Operation::SetPayload { points: ids(these), payload: tagged(*value), at: None }
            }
            Self::SetWhere(from, to) => Operation::SetPayload {
                points: PointSelector::Filter(equals(*from)),
                payload: tagged(*to),
                at: None,
            },
            Self::Overwrite(id, value) => {
                Operation::OverwritePayload { points: ids(&[*id]), payload: tagged(*value) }
            }
            Self::DeleteKey(id) => {
                Operation::DeletePayload { points: ids(&[*id]), keys: vec![key()] }
            }
            Self::Clear(id) => Operation::ClearPayload { points: ids(&[*id]) },
            Self::Index => {
                Operation::CreateFieldIndex { key: key(), kind: FieldIndexKind::Integer }
            }
            Self::DropIndex => Operation::DropFieldIndex { key: key() },
            Self::Flush | Self::Settle | Self::Unload | Self::Reopen => return None,
        })
    }
}

impl Model {
    /// Applies one committed operation.
    pub(crate) fn apply(&mut self, version: u64, operation: &Operation) {
        match operation {
            Operation::Upsert(batch) => {
                for (at, id) in batch.ids.iter().enumerate() {
                    let mut vector = [0.0; DIM];
                    vector.copy_from_slice(&batch.vectors[0].values[at * DIM..(at + 1) * DIM]);
                    let payload = batch.payloads[at].clone();
                    self.0.insert(*id, Point { vector, payload, version });
                }
            }
            Operation::Delete(points) => {
                for id in self.selected(points) {
                    self.0.remove(&id);
                }
            }
            Operation::SetPayload { points, payload, at } => {
                self.change(version, points, |old| set_at(old, at.as_ref(), payload));
            }
            Operation::OverwritePayload { points, payload } => {
                self.change(version, points, |old| old.clone_from(payload));
            }
            Operation::DeletePayload { points, keys } => {
                self.change(version, points, |old| delete_keys(old, keys));
            }
            Operation::ClearPayload { points } => {
                self.change(version, points, |old| *old = Payload::new());
            }
            Operation::CreateCollection { .. }
            | Operation::DropCollection { .. }
            | Operation::UpdateSettings(_)
            | Operation::CreateFieldIndex { .. }
            | Operation::DropFieldIndex { .. } => {}
        }
    }

    fn selected(&self, points: &PointSelector) -> Vec<PointId> {
        match points {
            PointSelector::Ids(ids) => ids.clone(),
            PointSelector::Filter(filter) => self.matching(filter),
        }
    }

    fn matching(&self, filter: &Filter) -> Vec<PointId> {
        let admitted =
            |(id, point): (&PointId, &Point)| matches(filter, *id, &point.payload).then_some(*id);
        self.0.iter().filter_map(admitted).collect()
    }

    fn change(&mut self, version: u64, points: &PointSelector, change: impl Fn(&mut Payload)) {
        for id in self.selected(points) {
            if let Some(point) = self.0.get_mut(&id) {
                change(&mut point.payload);
                point.version = version;
            }
        }
    }
}

/// The engine holds exactly what the model holds: by id, by scrolling, by filter and by search.
pub(crate) fn check(engine: &Engine, model: &Model) {
    let view = engine.view(&name()).expect("there");
    let ids: BTreeSet<PointId> = (0..60).map(PointId::Num).chain(model.0.keys().copied()).collect();
    let ids: Vec<PointId> = ids.into_iter().collect();
    let select =
        Select { payload: PayloadSelector::Everything, vectors: VectorSelector::Everything };
    let records = view.records(&ids, &select).expect("readable");
    let found: BTreeMap<PointId, Point> = records
        .into_iter()
        .map(|record| {
            let mut vector = [0.0; DIM];
            vector.copy_from_slice(&record.vectors[0].1);
            let payload = record.payload.as_deref().cloned().unwrap_or_default();
            (record.id, Point { vector, payload, version: record.version.0 })
        })
        .collect();
    assert_eq!(found, model.0);
    let all = Filter::default();
    assert_eq!(view.matching_ids(&all).expect("readable"), model.matching(&all));
    assert_eq!(view.count(&all).expect("readable"), model.0.len() as u64);
    for value in 0..5 {
        for filter in [equals(value), at_least(value)] {
            let expected = model.matching(&filter);
            assert_eq!(view.matching_ids(&filter).expect("readable"), expected, "{filter:?}");
        }
    }
    check_search(engine, model);
}

fn check_search(engine: &Engine, model: &Model) {
    let query = [0.5, -1.5, 2.5, 0.0];
    let mut expected: Vec<(f32, PointId)> = model
        .0
        .iter()
        .map(|(id, point)| {
            let squares = point.vector.iter().zip(&query).map(|(a, b)| (a - b) * (a - b));
            (squares.sum(), *id)
        })
        .collect();
    expected.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    expected.truncate(7);
    let hits = crate::support::search(engine, &query, 7, true);
    let found: Vec<(f32, PointId)> = hits.iter().map(|hit| (hit.distance, hit.id)).collect();
    assert_eq!(found, expected);
}
