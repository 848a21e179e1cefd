//! Reads wait a moment for memory; what frees memory is not refused for lack of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use vectorizer_api::collections::{
    CollectionExists, DeleteCollection, GetCollection, ListCollections,
};
use vectorizer_api::index::DeleteFieldIndex;
use vectorizer_api::points::{CountPoints, DeletePoints, ScrollPoints, UpsertPoints};
use vectorizer_api::{ErrorKind, ScrollQuery, Select, Sleep};
use vectorizer_memory::{Class, Measurement, MemoryLimits, OperationKind};
use vectorizer_model::operation::PointSelector;
use vectorizer_model::{Filter, KeyPath, PointId};

use crate::world::{World, block_on, things, upsert};

fn scroll() -> ScrollPoints {
    let query = ScrollQuery {
        filter: Filter::default(),
        from: None,
        limit: 100,
        select: Select::default(),
    };
    ScrollPoints { collection: things(), query }
}

#[test]
fn a_read_waits_in_line_and_is_refused_when_the_timer_rings() {
    let rung = Arc::new(AtomicU64::new(0));
    let rings = Arc::clone(&rung);
    let sleep: Sleep = Arc::new(move |_| {
        rings.fetch_add(1, SeqCst);
        Box::pin(std::future::ready(()))
    });
    let world = World::new(sleep);
    world.create(things()).expect("room");
    world.run(upsert(0..200)).expect("room");
    world.run(scroll()).expect("room");
    assert_eq!(rung.load(SeqCst), 0, "no timer where there is room");
    world.governor.reserved();
    let room = world.governor.available();
    let tenant = world.governor.tenant("another");
    let held = world.governor.reserve(Class::Text, &tenant, room).expect("room");
    let refused = world.run(scroll()).expect_err("full");
    assert_eq!((refused.kind, rung.load(SeqCst)), (ErrorKind::Unavailable, 1));
    assert!(refused.retry_after.is_some());
    assert_eq!(refused.holders[0].class, Class::Text);

    let never: Sleep = Arc::new(|_| Box::pin(std::future::pending()));
    let engine = world.context.engine().clone();
    let patient = vectorizer_api::Context::new(engine, never, *world.context.defaults());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| block_on(patient.run(scroll())).map(|page| page.output));
        while world.governor.usage().waiting == 0 {
            std::thread::yield_now();
        }
        drop(held);
        let page = waiting.join().expect("no panic").expect("its turn came");
        assert_eq!(page.records.len(), 100);
    });
}

#[test]
fn what_frees_memory_is_admitted_when_memory_is_full() {
    let world = World::filled();
    // Takes credit back.
    world.governor.reserved();
    let room = world.governor.available();
    let tenant = world.governor.tenant("another");
    let _held = world.governor.reserve(Class::Text, &tenant, room).expect("room");
    world.context.memory_guard().observe(Ok(Measurement {
        total: 2 << 30,
        used: 1 << 30,
        cgroup: None,
    }));
    let refused = world.run(scroll()).expect_err("full");
    assert_eq!(refused.code, Some("memory_pressure_too_high"));
    assert!(world.run(upsert(0..1)).is_err());
    let points = PointSelector::Ids((0..100).map(PointId::Num).collect());
    world.run(DeletePoints { collection: things(), points }).expect("emergency bytes");
    // What only looks waits for its turn with everybody else.
    for refused in [
        world.run(ListCollections),
        world.run(GetCollection { name: things() }),
        world.run(CollectionExists { name: things() }),
        world.run(DeleteFieldIndex { collection: things(), key: KeyPath::key("colour") }),
    ] {
        assert_eq!(refused.expect_err("full").code, Some("memory_pressure_too_high"));
    }
    world.run(DeleteCollection { name: things() }).expect("emergency bytes");
    assert!(world.context.engine().collections().is_empty());
}

#[test]
fn one_operation_holds_no_more_than_its_kind_may() {
    let world = World::filled();
    let limits = MemoryLimits::of_root(1 << 30)
        .with_operation(OperationKind::Write, 20 << 10)
        .with_operation(OperationKind::Scroll, 1 << 10);
    world.context.memory_guard().set_limits(limits).expect("nothing is under way");
    let UpsertPoints { collection, points } = upsert(0..1_000);
    let refused = world.run(UpsertPoints { collection, points }).expect_err("too much");
    assert_eq!((refused.kind, refused.retry_after), (ErrorKind::ResourceExhausted, None));
    assert!(refused.message.contains("one operation of kind write"), "{}", refused.message);
    assert_eq!(world.run(scroll()).expect_err("too much").code, Some("allocation_too_large"));
    world.run(upsert(0..1)).expect("little");
    world.run(CountPoints { collection: things(), filter: Filter::default() }).expect("a facet");
}
