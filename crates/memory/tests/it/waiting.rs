//! Waiting for room: order, what newcomers see, leaving.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use vectorizer_memory::{Class, Governor, Limits, MemoryError, Reservation, Tenant, Waiting};

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicU64);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn poll(waiting: &mut Waiting, bell: &Arc<Bell>) -> Poll<Result<Reservation, MemoryError>> {
    let waker = Waker::from(Arc::clone(bell));
    Pin::new(waiting).poll(&mut Context::from_waker(&waker))
}

fn granted(waiting: &mut Waiting) -> Option<Reservation> {
    match poll(waiting, &Arc::default()) {
        Poll::Ready(Ok(reservation)) => Some(reservation),
        Poll::Ready(Err(_)) | Poll::Pending => None,
    }
}

const SYSTEM: Tenant = Tenant::system();

fn full() -> (Arc<Governor>, Reservation) {
    let governor = Governor::new(Limits::of_root(100));
    let held = governor.reserve(Class::Builds, &SYSTEM, 100).expect("room");
    (governor, held)
}

fn wait(governor: &Governor, bytes: u64) -> Waiting {
    governor.wait_for(Class::Operations, &SYSTEM, bytes).expect("it may fit")
}

#[test]
fn what_fits_does_not_wait_and_what_never_fits_is_refused() {
    let governor = Governor::new(Limits::of_root(100));
    let mut waiting = wait(&governor, 100);
    let held = granted(&mut waiting).unwrap();
    let never = governor.wait_for(Class::Operations, &SYSTEM, 101).unwrap_err();
    assert_eq!(never.code(), "allocation_too_large");
    // Its tenant is full now, but what counts is that the root can never hold it.
    let acme = governor.tenant("acme");
    governor.set_tenant_limit(&acme, Some(1000)).unwrap();
    assert!(governor.wait_for(Class::Operations, &acme, 101).is_err());
    drop(held);
    assert_eq!(governor.usage().waiting, 0);
}

#[test]
fn a_release_wakes_the_first_in_line() {
    let (governor, mut held) = full();
    let (mut first, mut second) = (wait(&governor, 30), wait(&governor, 20));
    let bells = [Arc::<Bell>::default(), Arc::default()];
    assert!(poll(&mut first, &bells[0]).is_pending() && poll(&mut second, &bells[1]).is_pending());
    assert_eq!(governor.usage().waiting, 2);
    held.shrink(25);
    assert_eq!(bells.each_ref().map(|bell| bell.0.load(SeqCst)), [0, 0], "the second would pass");
    held.shrink(10);
    assert_eq!(bells.each_ref().map(|bell| bell.0.load(SeqCst)), [1, 0]);
    // The bytes are the first's already, whether it looks or not.
    assert_eq!((governor.reserved(), governor.usage().waiting), (95, 1));
    let taken = granted(&mut first).unwrap();
    drop(taken);
    assert_eq!(bells[1].0.load(SeqCst), 1);
    assert_eq!(granted(&mut second).unwrap().bytes(), 20);
}

#[test]
fn newcomers_do_not_pass_the_first_in_line() {
    let governor = Governor::new(Limits::of_root(100).with_emergency(10));
    let mut held = governor.reserve(Class::Builds, &SYSTEM, 90).unwrap();
    let mut waiting = wait(&governor, 40);
    held.shrink(30);
    assert_eq!(governor.available(), 0);
    assert!(governor.reserve(Class::Operations, &SYSTEM, 1).is_err());
    assert!(held.try_grow(1).is_err());
    let mut later = wait(&governor, 5);
    assert!(granted(&mut later).is_none());
    let freeing = governor.reserve_emergency(Class::Operations, &SYSTEM, 10).unwrap();
    drop(freeing);
    held.shrink(10);
    assert!(granted(&mut waiting).is_some());
    assert!(granted(&mut later).is_some());
}

/// Who waits for a class or a tenant does not stop others, but those of the same.
#[test]
fn a_full_class_or_tenant_stops_only_its_own() {
    let governor = Governor::new(Limits::of_root(1000).with_class(Class::Operations, 100));
    let acme = governor.tenant("acme");
    governor.set_tenant_limit(&acme, Some(50)).unwrap();
    let operations = governor.reserve(Class::Operations, &SYSTEM, 90).unwrap();
    let builds = governor.reserve(Class::Builds, &acme, 40).unwrap();
    let mut by_class = wait(&governor, 30);
    assert!(governor.reserve(Class::Operations, &SYSTEM, 1).is_err(), "it would pass");
    let mut by_tenant = governor.wait_for(Class::Text, &acme, 20).unwrap();
    let mut behind = governor.wait_for(Class::Text, &acme, 20).unwrap();
    let other = governor.wait_for(Class::Text, &SYSTEM, 500).unwrap();
    drop(other.give_up().unwrap());
    assert_eq!(governor.usage().waiting, 3);
    drop(builds);
    let one = granted(&mut by_tenant).unwrap();
    drop(operations);
    assert!(granted(&mut by_class).is_some());
    assert!(granted(&mut behind).is_some());
    drop(one);
    assert_eq!((governor.reserved(), governor.usage().waiting), (0, 0));
}

#[test]
fn leaving_lets_those_behind_through() {
    let (governor, mut held) = full();
    let first = wait(&governor, 60);
    let mut second = wait(&governor, 20);
    held.shrink(50);
    assert!(granted(&mut second).is_none());
    drop(first);
    assert!(granted(&mut second).is_some());
    assert_eq!(governor.usage().waiting, 0);
    assert!(governor.reserve(Class::Operations, &SYSTEM, 50).is_ok(), "nothing is kept any more");
}

#[test]
fn bytes_granted_to_one_who_left_come_back() {
    let (governor, held) = full();
    let waiting = wait(&governor, 60);
    drop(held);
    assert_eq!(governor.reserved(), 60);
    drop(waiting);
    assert_eq!(governor.reserved(), 0);
    let (governor, held) = full();
    let waiting = wait(&governor, 60);
    drop(held);
    assert_eq!(waiting.give_up().unwrap().bytes(), 60);
    assert_eq!(governor.reserved(), 0);
}

#[test]
fn giving_up_tells_who_holds() {
    let (governor, _held) = full();
    let refused = wait(&governor, 60).give_up().unwrap_err();
    assert!(refused.to_string().contains("held by builds of system 100 B"), "{refused}");
    assert_eq!(governor.usage().waiting, 0);
}

/// Whatever makes room serves the line: limits, drift, transfers, refused charges of others.
#[test]
fn more_room_of_any_kind_serves_the_line() {
    let (governor, held) = full();
    let mut waiting = wait(&governor, 20);
    governor.set_limits(Limits::of_root(120)).unwrap();
    let more = granted(&mut waiting).unwrap();
    drop((held, more));

    governor.set_drift(110);
    let mut waiting = wait(&governor, 20);
    governor.set_drift(100);
    assert!(granted(&mut waiting).is_some());
    governor.set_drift(0);

    let acme = governor.tenant("acme");
    governor.set_tenant_limit(&acme, Some(10)).unwrap();
    let mut held = governor.reserve(Class::Operations, &acme, 10).unwrap();
    let mut waiting = governor.wait_for(Class::Operations, &acme, 10).unwrap();
    held.transfer(Class::Operations, &SYSTEM).unwrap();
    assert!(granted(&mut waiting).is_some());
}

/// Who can never fit any more is told, and stops nobody.
#[test]
fn a_lowered_limit_ends_a_wait_that_it_makes_vain() {
    let (governor, mut held) = full();
    let mut waiting = wait(&governor, 90);
    held.shrink(80);
    governor.set_limits(Limits::of_root(50)).unwrap();
    let Poll::Ready(Err(refused)) = poll(&mut waiting, &Arc::default()) else {
        panic!("it waits on");
    };
    assert_eq!(refused.code(), "allocation_too_large");
    assert!(governor.reserve(Class::Operations, &SYSTEM, 30).is_ok());
}

#[test]
fn a_thread_waits_until_it_is_unparked() {
    let (governor, held) = full();
    let before = governor.usage().waiting;
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let deadline = Instant::now() + Duration::from_secs(10);
            let granted = wait(&governor, 60).block(|| {
                thread::park_timeout(Duration::from_secs(10));
                Instant::now() < deadline
            });
            assert!(Instant::now() < deadline, "nobody unparked it");
            granted
        });
        while governor.usage().waiting == before {
            thread::yield_now();
        }
        drop(held);
        assert_eq!(waiter.join().unwrap().unwrap().bytes(), 60);
    });
    let _held = governor.reserve(Class::Builds, &SYSTEM, 100).unwrap();
    let refused = wait(&governor, 60).block(|| false).unwrap_err();
    assert_eq!(refused.code(), "insufficient_memory");
}
