//! What happens to a collection while an operation on it waits, and who waits for whom.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context as Task, Poll, Waker};

use vectorizer_api::collections::{DeleteCollection, UpdateCollection};
use vectorizer_api::memory::SetMemory;
use vectorizer_api::points::DeletePoints;
use vectorizer_api::settings::SettingsChanges;
use vectorizer_api::{ErrorKind, Operation, Result, Sleep};
use vectorizer_engine::{EngineOptions, TaskQueue, Ticket};
use vectorizer_model::operation::PointSelector;
use vectorizer_model::{CollectionName, Filter};

use crate::world::{World, block_on, things, upsert};

fn patient() -> Sleep {
    Arc::new(|_| Box::pin(std::future::ready(())))
}

/// Keeps the only search thread until the sender goes.
fn hold_searches(world: &World) -> (std::sync::mpsc::Sender<()>, Ticket<()>) {
    let (send, receive) = std::sync::mpsc::channel::<()>();
    let queue = TaskQueue { tenant: world.governor.tenant("searches"), collection: u64::MAX };
    let hold = move || {
        receive.recv().ok();
    };
    let held = world.context.engine().spawn(&queue, hold).expect("a place in the queue");
    (send, held)
}

fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Task::from_waker(Waker::noop()))
}

fn points(world: &World) -> u64 {
    world.context.engine().info(&things()).expect("there").points
}

/// Whoever had the collection has it no more; another has the name.
fn swap(before: &World, now: &World) {
    before.run(DeleteCollection { name: things() }).expect("dropped");
    now.create(things()).expect("created");
    now.run(upsert(0..50)).expect("written");
}

fn delete_all() -> DeletePoints {
    DeletePoints { collection: things(), points: PointSelector::Filter(Filter::default()) }
}

#[test]
fn a_delete_that_waited_takes_nothing_of_a_later_owners() {
    let world = World::new(patient());
    let (acme, other) = (world.of_tenant("acme"), world.of_tenant("other"));
    acme.create(things()).expect("room");
    acme.run(upsert(0..200)).expect("room");
    let (release, held) = hold_searches(&world);
    let mut waits = pin!(acme.context.run(delete_all()));
    assert!(poll(waits.as_mut()).is_pending(), "its part waits for a search thread");
    swap(&acme, &other);
    drop(release);
    held.wait().expect("done");
    let refused = block_on(waits).map(|done| done.output).expect_err("it is gone");
    assert_eq!((refused.kind, points(&other)), (ErrorKind::NotFound, 50), "{refused}");
    assert_eq!(acme.run(delete_all()).expect_err("another's").kind, ErrorKind::NotFound);
}

fn tune(name: CollectionName) -> UpdateCollection {
    let tuning = [("tuned".to_owned(), "so".to_owned())].into();
    UpdateCollection { name, changes: SettingsChanges { tuning, ..SettingsChanges::default() } }
}

#[test]
fn a_write_that_was_paced_reaches_nothing_of_a_later_owners() {
    let swaps: Arc<Mutex<Option<(World, World)>>> = Arc::default();
    let waiting = Arc::clone(&swaps);
    let sleep: Sleep = Arc::new(move |_| {
        let swap = waiting.lock().expect("no panic").take();
        if let Some((acme, other)) = swap {
            acme.run(DeleteCollection { name: things() }).expect("dropped");
            other.create(things()).expect("created");
        }
        Box::pin(std::future::ready(()))
    });
    let world = World::with(&paced(), sleep);
    let (acme, other) = (world.of_tenant("acme"), world.of_tenant("other"));
    fill(&acme);
    *swaps.lock().expect("no panic") = Some((world.of_tenant("acme"), world.of_tenant("other")));
    let refused = acme.run(upsert(0..10)).expect_err("it is gone");
    assert!(swaps.lock().expect("no panic").is_none(), "it was paced");
    assert_eq!((refused.kind, points(&other)), (ErrorKind::NotFound, 0), "{refused}");
}

/// Writes wait as soon as anything has no graph.
fn paced() -> EngineOptions {
    EngineOptions { backlog_bytes_max: 1, graph_rows_min: 20, ..EngineOptions::default() }
}

/// A collection of rows without a graph.
fn fill(world: &World) {
    world.create(things()).expect("room");
    world.run(upsert(0..200)).expect("room");
    world.context.engine().flush().expect("flushed");
}

/// What an operation comes to without waiting.
fn at_once<O: Operation>(world: &World, operation: O) -> Option<Result<()>> {
    match poll(pin!(world.context.run(operation))) {
        Poll::Ready(done) => Some(done.map(drop)),
        Poll::Pending => None,
    }
}

#[test]
fn a_tenants_slow_change_holds_up_neither_limits_nor_others() {
    let never: Sleep = Arc::new(|_| Box::pin(std::future::pending()));
    let world = World::with(&paced(), never);
    let second = CollectionName::new("second").expect("a name");
    let (acme, other) = (world.of_tenant("acme"), world.of_tenant("other"));
    fill(&acme);
    other.create(second.clone()).expect("room");
    let mut slow = pin!(acme.context.run(tune(things())));
    assert!(poll(slow.as_mut()).is_pending(), "it is paced, and has its collection's turn");
    assert!(at_once(&world, SetMemory::default()).is_some_and(|done| done.is_ok()));
    assert!(at_once(&other, tune(second)).is_some_and(|done| done.is_ok()));
    assert!(at_once(&acme, tune(things())).is_none());
}
