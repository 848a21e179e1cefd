//! Operations under the guard: admitted, drawn from, reported, refused.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use vectorizer_memory::{
    Class, Clock, Governor, Limits, Measurement, MemoryError, MemoryGuard, MemoryLimits,
    OperationBound, OperationId, OperationKind, PressureLevel, Scope,
};

const MIB: u64 = 1 << 20;

#[derive(Debug, Default)]
struct Hands(AtomicU64);

impl Hands {
    fn wind(&self, seconds: u64) {
        self.0.fetch_add(seconds, SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Duration {
        Duration::from_secs(self.0.load(SeqCst))
    }
}

struct World {
    governor: Arc<Governor>,
    guard: Arc<MemoryGuard>,
    clock: Arc<Hands>,
}

impl World {
    fn new(root: u64) -> Self {
        Self::with(root, MemoryLimits::of_root(root))
    }

    fn with(root: u64, limits: MemoryLimits) -> Self {
        let governor = Governor::new(Limits::of_root(root));
        let clock = Arc::new(Hands::default());
        let guard = MemoryGuard::new(Arc::clone(&governor), limits, Arc::clone(&clock) as _);
        Self { governor, guard: guard.expect("nothing is held"), clock }
    }

    fn operation(&self, kind: OperationKind) -> OperationId {
        OperationId::new("test", kind, self.governor.tenant("t"))
    }

    fn search(&self) -> OperationId {
        self.operation(OperationKind::Search)
    }
}

#[test]
fn what_is_drawn_comes_from_the_estimate_first() {
    let world = World::new(100 * MIB);
    let guard = world.guard.request_allocation(world.search(), 10 * MIB).expect("room");
    assert_eq!((guard.estimate(), world.governor.reserved()), (10 * MIB, 10 * MIB));
    let first = guard.draw(6 * MIB).expect("of the estimate");
    drop(first);
    let first = guard.draw(6 * MIB).expect("of the estimate again");
    assert_eq!((guard.used(), world.governor.reserved()), (6 * MIB, 10 * MIB));
    let mut second = guard.draw(7 * MIB).expect("grown");
    assert_eq!((guard.used(), world.governor.reserved()), (13 * MIB, 13 * MIB));
    second.try_grow(MIB).expect("grown");
    second.shrink(4 * MIB);
    assert_eq!((guard.used(), world.governor.reserved()), (10 * MIB, 10 * MIB));
    assert_eq!((guard.peak(), guard.bytes(), second.bytes()), (14 * MIB, 10 * MIB, 4 * MIB));
    drop(guard);
    assert_eq!(world.governor.reserved(), 10 * MIB, "what was drawn outlives the handle");
    drop((first, second));
    assert_eq!(world.governor.reserved(), 0);
    let usage = world.guard.usage(OperationKind::Search);
    let last = usage.last.expect("one ended");
    assert_eq!((usage.finished, usage.outgrown), (1, 1));
    assert_eq!((last.name, last.estimate, last.peak), ("test", 10 * MIB, 14 * MIB));
}

#[test]
fn what_is_detached_outlives_the_operation() {
    let world = World::new(100 * MIB);
    let guard = world.guard.request_allocation(world.search(), 10 * MIB).expect("room");
    let answer = guard.draw(2 * MIB).expect("of the estimate").detach();
    assert_eq!((guard.bytes(), guard.used(), answer.bytes()), (8 * MIB, 0, 2 * MIB));
    drop(guard);
    assert_eq!(world.governor.reserved(), 2 * MIB);
    drop(answer);
    assert_eq!(world.governor.reserved(), 0);
}

#[test]
fn an_operation_never_holds_more_than_one_of_its_kind_may() {
    let limits = MemoryLimits::of_root(100 * MIB).with_operation(OperationKind::Search, 10 * MIB);
    let world = World::with(100 * MIB, limits);
    let refused = world.guard.request_allocation(world.search(), 10 * MIB + 1);
    let too_large = |refused: &MemoryError| {
        matches!(refused, MemoryError::AllocationTooLarge { limit, scope, .. }
            if *limit == 10 * MIB
                && *scope == Scope::Operation { kind: "search", by: OperationBound::Kind })
    };
    assert!(refused.is_err_and(|refused| too_large(&refused)));
    let guard = world.guard.request_allocation(world.search(), MIB).expect("room");
    let refused = world.guard.request_allocation(world.search(), 11 * MIB).expect_err("too large");
    assert_eq!(
        refused.to_string(),
        "11.0 MiB requested for operations of t, one operation of kind search may hold 10.0 MiB; \
         ask for less or raise memory.operations.search.max_bytes"
    );
    let MemoryError::AllocationTooLarge { holders, .. } = refused else { panic!("{refused}") };
    assert_eq!((&*holders[0].tenant, holders[0].bytes), ("t", MIB));
    let drawn = guard.draw(10 * MIB).expect("as much as it may");
    assert!(guard.draw(1).is_err_and(|refused| too_large(&refused)));
    drop(drawn);
    assert_eq!(world.governor.reserved(), MIB, "a refusal leaves nothing behind");
    let other = world.operation(OperationKind::Scroll);
    assert!(world.guard.request_allocation(other, 50 * MIB).is_ok());
    let counts = &world.governor.counts()[Class::Operations.index()];
    assert_eq!(counts.refused[0].1, 3, "{counts:?}");
}

#[test]
fn all_operations_together_hold_no_more_than_the_heap() {
    let limits = MemoryLimits { max_heap_size: 10 * MIB, ..MemoryLimits::of_root(100 * MIB) };
    let world = World::with(100 * MIB, limits);
    let held = world.guard.request_allocation(world.search(), 8 * MIB).expect("room");
    let refused = world.guard.request_allocation(world.search(), 3 * MIB).expect_err("full");
    assert_eq!(refused.code(), "insufficient_memory");
    assert!(
        matches!(&refused, MemoryError::InsufficientMemory { holders, .. }
        if holders[0].bytes == 8 * MIB),
        "{refused}"
    );
    // A build is bounded by what is free.
    let build = world.operation(OperationKind::Build);
    assert!(world.guard.request_allocation(build, 50 * MIB).is_ok());
    assert!(matches!(
        world.guard.set_limits(MemoryLimits { max_heap_size: MIB, ..limits }),
        Err(MemoryError::LimitBelowHeld { .. })
    ));
    assert_eq!(world.guard.limits(), limits);
    world.guard.set_limits(MemoryLimits { max_heap_size: 11 * MIB, ..limits }).expect("more");
    assert!(world.guard.request_allocation(world.search(), 3 * MIB).is_ok());
    drop(held);
}

#[test]
fn a_tighter_bound_of_the_class_stays() {
    let limits = Limits::of_root(100 * MIB).with_class(Class::Operations, MIB);
    let governor = Governor::new(limits);
    let own = MemoryLimits::of_root(100 * MIB);
    let guard = MemoryGuard::new(Arc::clone(&governor), own, Arc::new(Hands::default()));
    let guard = guard.expect("nothing is held");
    assert_eq!(governor.limits(), limits);
    guard.set_limits(MemoryLimits { max_heap_size: 9 * MIB, ..own }).expect("nothing is held");
    assert_eq!(governor.limits(), limits);
}

#[test]
fn who_waits_is_served_when_another_ends() {
    let world = World::new(10 * MIB);
    let first = world.guard.request_allocation(world.search(), 5 * MIB).expect("room");
    let second = world.guard.request_allocation(world.search(), 5 * MIB).expect("room");
    let mut cx = Context::from_waker(Waker::noop());
    let mut waiting = pin!(world.guard.wait_for(world.search(), 4 * MIB).expect("later"));
    assert!(waiting.as_mut().poll(&mut cx).is_pending());
    assert_eq!(world.guard.waits().count(), 0, "it waits still");
    world.clock.wind(3);
    drop(first);
    let Poll::Ready(Ok(third)) = waiting.poll(&mut cx) else { panic!("there is room") };
    assert_eq!(third.estimate(), 4 * MIB);
    let late = world.guard.wait_for(world.search(), 5 * MIB).expect("later");
    world.clock.wind(7);
    assert_eq!(late.give_up().expect_err("full").code(), "insufficient_memory");
    drop(world.guard.wait_for(world.search(), MIB).expect("there is room"));
    let waits = world.guard.waits();
    assert_eq!((waits.count(), waits.beyond), (2, 1), "what is granted at once does not wait");
    assert_eq!(waits.sum, Duration::from_secs(10));
    world.guard.reset_waits();
    assert_eq!(world.guard.waits().count(), 0);
    drop((second, third));
    assert_eq!(world.governor.reserved(), 0);
}

#[test]
fn pressure_refuses_what_frees_nothing_until_a_cleanup_helps() {
    let world = World::new(100 * MIB);
    let tenant = world.governor.tenant("t");
    let cache = world.governor.reserve(Class::QueryCache, &tenant, 9 * MIB).expect("room");
    let measured = Measurement { total: 200 * MIB, used: 100 * MIB, cgroup: Some(120 * MIB) };
    let held = world.governor.reserve(Class::Memtables, &tenant, 84 * MIB).expect("room");
    let change = world.guard.observe(Ok(measured)).expect("a step");
    assert_eq!(change.to, PressureLevel::Warning, "a cache can be reclaimed");
    drop(cache);
    world.governor.set_drift(MIB);
    world.guard.observe(Ok(measured));
    assert!(world.guard.pauses_background());
    assert!(world.guard.request_allocation(world.search(), MIB).is_ok(), "operations go on");
    world.governor.set_drift(6 * MIB);
    let change = world.guard.observe(Ok(measured)).expect("a step");
    assert_eq!(change.to, PressureLevel::Cleanup);

    let called = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&called);
    let callback: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
        count.fetch_add(1, SeqCst);
    });
    world.guard.on_cleanup(Arc::downgrade(&callback));
    let refused = world.guard.request_allocation(world.search(), MIB).expect_err("pressure");
    assert_eq!(refused.code(), "memory_pressure_too_high");
    assert!(refused.to_string().contains("memtables of t 84.0 MiB"), "{refused}");
    let frees = world.search().that_frees(true);
    assert!(world.guard.request_allocation(frees, MIB).is_ok());
    for (wound, calls) in [(0, 1), (4, 1), (1, 2), (5, 3)] {
        world.clock.wind(wound);
        assert!(world.guard.request_allocation(world.search(), MIB).is_err());
        assert_eq!(called.load(SeqCst), calls, "at most every five seconds");
    }
    world.governor.set_drift(0);
    assert!(world.guard.request_allocation(world.search(), MIB).is_ok(), "no stale level");
    drop(callback);
    world.clock.wind(5);
    assert!(world.guard.cleanup());
    assert_eq!(called.load(SeqCst), 3, "whoever set it is gone");
    drop(held);
}

#[test]
fn stats_say_what_was_measured_and_nothing_if_it_was_not() {
    let world = World::new(100 * MIB);
    let code = |world: &World| world.guard.memory_stats().map_err(|error| error.code());
    assert_eq!(code(&world), Err("system_error"));
    let measured = Measurement { total: 200 * MIB, used: 50 * MIB, cgroup: Some(70 * MIB) };
    world.guard.observe(Ok(measured));
    let _one = world.guard.request_allocation(world.search(), 2 * MIB).expect("room");
    let two = world.guard.request_allocation(world.search(), 3 * MIB).expect("room");
    let _drawn = two.draw(4 * MIB).expect("room");
    let stats = world.guard.memory_stats().expect("measured");
    assert_eq!((stats.total_system, stats.used_system), (200 * MIB, 50 * MIB));
    assert_eq!(stats.cgroup, Some(70 * MIB));
    assert_eq!((stats.tracked_allocations, stats.allocation_count), (6 * MIB, 2));
    assert!((stats.usage_ratio - 0.25).abs() < 1e-9 && (stats.limit_ratio - 0.06).abs() < 1e-9);
    // Unreadable is not unlimited: the books go on.
    world.guard.observe(Err("no /proc".to_owned()));
    assert_eq!(code(&world), Err("system_error"));
    let told = world.guard.memory_stats().expect_err("unreadable");
    assert!(
        matches!(&told, MemoryError::SystemError { cause, holders }
            if cause == "no /proc" && holders[0].bytes == 6 * MIB),
        "{told}"
    );
    let most = world.operation(OperationKind::Build);
    assert!(world.guard.request_allocation(most, 95 * MIB).is_err());
    let _full = world.governor.reserve(Class::Memtables, &world.governor.tenant("t"), 85 * MIB);
    world.guard.observe(Err("no /proc".to_owned()));
    assert_eq!(world.guard.pressure().level, PressureLevel::Cleanup);
}

#[test]
fn an_operation_that_takes_too_long_is_told_once_and_stays_charged() {
    let world = World::new(100 * MIB);
    let slow = world.guard.request_allocation(world.search(), MIB).expect("room");
    let build = world.operation(OperationKind::Build);
    let build = world.guard.request_allocation(build, MIB).expect("room");
    world.clock.wind(300);
    assert_eq!(world.guard.overdue(), []);
    world.clock.wind(1);
    let overdue = world.guard.overdue();
    assert_eq!(overdue.len(), 1, "{overdue:?}");
    assert_eq!((overdue[0].bytes, overdue[0].age), (MIB, Duration::from_secs(301)));
    assert_eq!(world.guard.overdue(), []);
    assert_eq!(world.governor.reserved(), 2 * MIB);
    drop((slow, build));
    assert_eq!(world.governor.reserved(), 0);
}

#[test]
fn a_guard_outlives_what_made_it() {
    let World { governor, guard, .. } = World::new(100 * MIB);
    let tenant = governor.tenant("t");
    let id = OperationId::new("test", OperationKind::Write, tenant);
    let held = guard.request_allocation(id, MIB).expect("room");
    let gone: Weak<MemoryGuard> = Arc::downgrade(&guard);
    drop(guard);
    assert!(gone.upgrade().is_none());
    let drawn = held.draw(2 * MIB).expect("room");
    assert_eq!(governor.reserved(), 2 * MIB);
    drop((held, drawn));
    assert_eq!(governor.reserved(), 0);
}

#[test]
fn the_request_that_a_test_names_is_refused_and_no_other() {
    let governor = Governor::new(Limits::of_root(100 * MIB));
    let tenant = governor.tenant("t");
    let reserve = |bytes| governor.reserve(Class::Operations, &tenant, bytes);
    governor.fail_request(3);
    let mut held = reserve(10).expect("the first");
    assert!(reserve(0).is_ok(), "nothing is asked for");
    let try_reserve = |bytes| governor.try_reserve(Class::QueryCache, &tenant, bytes);
    let second = try_reserve(10).expect("the second");
    assert_eq!(governor.requests_until_failure(), 1);
    assert_eq!(held.try_grow(1).expect_err("the third").code(), "insufficient_memory");
    assert_eq!(governor.requests_until_failure(), 0);
    assert!(held.try_grow(1).is_ok());
    for nth in 1..4 {
        governor.fail_request(nth);
        let asked = [
            governor.reserve_emergency(Class::Operations, &tenant, 1).is_ok(),
            governor.wait_for(Class::Operations, &tenant, 1).is_ok(),
            try_reserve(1).is_ok(),
        ];
        let expected: Vec<bool> = (1..4).map(|at| at != nth).collect();
        assert_eq!(asked.to_vec(), expected);
    }
    drop((held, second));
    assert_eq!(governor.reserved(), 0);
}
