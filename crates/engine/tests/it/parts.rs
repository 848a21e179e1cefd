//! Operations by filter: bounded entries, reserved to the byte, and the same after a replay.

use std::sync::Arc;

use vectorizer_engine::{Engine, EngineError, EngineOptions, PayloadSelector, Select};
use vectorizer_memory::{Class, Governor, Limits};
use vectorizer_model::filter::{Predicate, Scalar};
use vectorizer_model::operation::PointSelector;
use vectorizer_model::value::heap_bytes;
use vectorizer_model::{
    Condition, Filter, KeyPath, Metric, Operation, Payload, PointId, RequestId, Value,
};
use vectorizer_vfs::Directory;
use vectorizer_vfs::crash::{Mode, TraceDirectory};

use crate::support::{batch, governor, name, options, settings};

const POINTS: u64 = 3000;

fn colour(id: u64) -> Payload {
    let colour = if id.is_multiple_of(3) { "red" } else { "blue" };
    let text = "x".repeat(100);
    Payload(
        [("colour".to_owned(), Value::Str(colour.to_owned())), ("t".to_owned(), Value::Str(text))]
            .into(),
    )
}

fn red() -> Filter {
    let key = KeyPath::key("colour");
    let predicate = Predicate::Match(Scalar::Keyword("red".into()));
    Filter { must: vec![Condition::Field { key, predicate }], ..Filter::default() }
}

fn marked() -> Payload {
    Payload([("mark".to_owned(), Value::Int(1))].into())
}

fn set_mark() -> Operation {
    let points = PointSelector::Filter(red());
    Operation::SetPayload { points, payload: marked(), at: None }
}

/// Half of the points flushed, the others in the memtable; a memtable is small.
fn filled(root: &Arc<dyn Directory>, governor: Arc<Governor>) -> Engine {
    let options = EngineOptions { memtable_bytes: 256 << 10, ..options() };
    let engine = Engine::open_in(Arc::clone(root), None, governor, options).expect("opens");
    let created = engine.create_collection(name(), settings(4, Metric::L2)).expect("new");
    created.wait().expect("kept").expect("created");
    for start in [0, POINTS / 2] {
        let points: Vec<_> =
            (start..start + POINTS / 2).map(|id| (id, vec![id as f32; 4])).collect();
        engine.write(&name(), batch(&points, colour)).expect("room");
        if start == 0 {
            engine.flush().expect("flushes");
        }
    }
    engine
}

fn payload(engine: &Engine, id: u64) -> Payload {
    let select = Select { payload: PayloadSelector::Everything, ..Select::default() };
    let view = engine.view(&name()).expect("there");
    let record = view.records(&[PointId::Num(id)], &select).expect("readable").remove(0);
    (*record.payload.expect("wanted")).clone()
}

fn check_marks(engine: &Engine) {
    for id in (0..POINTS).step_by(97) {
        let marked = payload(engine, id).0.contains_key("mark");
        assert_eq!(marked, id.is_multiple_of(3), "{id}");
    }
}

#[test]
fn an_operation_by_filter_is_many_entries_and_the_same_after_a_replay() {
    let world = TraceDirectory::new();
    let root = world.directory();
    let engine = filled(&root, governor());
    let before = engine.view(&name()).expect("there").seq();
    let applied = engine.write(&name(), set_mark()).expect("room");
    assert_eq!(applied.points, POINTS / 3);
    assert!(applied.seq.0 > before.0 + 2, "in parts: {applied:?} after {before}");
    check_marks(&engine);
    let refused = engine.submit(&name(), set_mark(), RequestId::default());
    let Err(EngineError::InvalidOperation(why)) = refused.map(|_| ()) else {
        panic!("too many points for one entry")
    };
    assert!(why.contains("in parts"), "{why}");
    // Power is lost before a flush: the next open replays the parts.
    let lost = world.image(world.position(), Mode::LoseUnsynced);
    let again = Engine::open_in(lost.directory(), None, governor(), options()).expect("opens");
    check_marks(&again);
}

#[test]
fn what_is_deleted_by_filter_is_not_deleted_again() {
    let world = TraceDirectory::new();
    let engine = filled(&world.directory(), governor());
    let delete = Operation::Delete(PointSelector::Filter(red()));
    let first = engine.submit_part(&name(), &delete, None, RequestId::default()).expect("room");
    assert_eq!(first.next, None, "a death takes little");
    let deleted = first.ticket.wait().expect("kept").expect("applied").points;
    assert_eq!(deleted, POINTS / 3);
    assert_eq!(engine.write(&name(), delete).expect("room").points, 0);
}

#[test]
fn what_a_payload_change_takes_is_reserved_with_the_old_payload() {
    let world = TraceDirectory::new();
    let governor = governor();
    let engine = filled(&world.directory(), Arc::clone(&governor));
    let held = |governor: &Governor| {
        let classes = governor.usage().classes;
        classes.iter().find(|(class, _)| *class == Class::Memtables).expect("listed").1
    };
    let ids: Vec<PointId> = (0..POINTS / 2).map(PointId::Num).collect();
    let before = held(&governor);
    let taken = (heap_bytes(&payload(&engine, 0)) + heap_bytes(&marked())) * POINTS / 2;
    let points = PointSelector::Ids(ids);
    engine
        .write(&name(), Operation::SetPayload { points, payload: marked(), at: None })
        .expect("room");
    let grown = held(&governor) - before;
    assert!(grown >= taken, "{grown} bytes reserved for payloads of {taken}");
}

#[test]
fn an_operation_by_filter_that_does_not_fit_says_what_was_done() {
    let world = TraceDirectory::new();
    // Parts fit, all of them together do not; nothing flushes in between.
    let pool = options().pool.capacity;
    let governor = Governor::new(Limits::of_root(pool + (19 << 19)));
    let engine = filled(&world.directory(), Arc::clone(&governor));
    let room = governor.available() - (800 << 10);
    let tenant = governor.tenant("another");
    let _other = governor.reserve(Class::Text, &tenant, room).expect("room");
    let refused = engine.write(&name(), set_mark());
    let Err(EngineError::Partly { points, source }) = refused else { panic!("{refused:?}") };
    assert!(matches!(*source, EngineError::Memory(_)), "{source}");
    assert!(points > 0 && points < POINTS / 3, "{points}");
    let done = engine.view(&name()).expect("there").count(&{
        let key = KeyPath::key("mark");
        let condition = Condition::IsEmpty(key);
        Filter { must_not: vec![condition], ..Filter::default() }
    });
    assert_eq!(done.expect("readable"), points, "the error tells the truth");
}
