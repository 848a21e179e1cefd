//! Credit that is cut, filled, given back on other threads and taken back, all at once.

use std::sync::Arc;

use shuttle::thread;

use crate::{Class, Governor, Limits, SYSTEM, assert_nothing_held, check, join};

const CREDIT: u64 = 64 << 10;
/// Two credits are a hundredth of it.
const ROOT: u64 = 200 * CREDIT;

#[test]
fn credit_balances_whoever_gives_it_back() {
    check(|| {
        let governor = Governor::new(Limits::of_root(ROOT));
        let workers = [1000, CREDIT - 1, 700].map(|bytes| {
            let governor = Arc::clone(&governor);
            thread::spawn(move || {
                let mut held = governor.reserve(Class::Operations, &SYSTEM, bytes).expect("room");
                held.try_grow(500).expect("room");
                held.shrink(300);
                held
            })
        });
        // While they run, all credit is taken back once.
        assert!(governor.reserved() <= ROOT);
        let held = workers.map(|worker| worker.join().expect("it ends"));
        assert_eq!(governor.reserved(), 1000 + CREDIT - 1 + 700 + 3 * 200);
        drop(held);
        assert_nothing_held(&governor);
    });
}

#[test]
fn a_forgotten_tenant_leaves_nothing() {
    check(|| {
        let governor = Governor::new(Limits::of_root(ROOT));
        let workers = ["a", "b"].map(|name| {
            let governor = Arc::clone(&governor);
            thread::spawn(move || {
                let tenant = governor.tenant(name);
                drop(governor.reserve(Class::Operations, &tenant, 100).expect("room"));
            })
        });
        drop(governor.tenant("c"));
        join(workers);
        assert_nothing_held(&governor);
        assert!(governor.reserve(Class::Builds, &SYSTEM, ROOT).is_ok());
    });
}

/// Once no other call is under way, credit refuses nothing.
#[test]
fn all_of_the_root_is_there_in_the_end() {
    check(|| {
        let governor = Governor::new(Limits::of_root(ROOT));
        let workers = [Class::Operations, Class::Memtables].map(|class| {
            let governor = Arc::clone(&governor);
            thread::spawn(move || drop(governor.reserve(class, &SYSTEM, 100)))
        });
        let most = governor.reserve(Class::Builds, &SYSTEM, ROOT - 200);
        join(workers);
        drop(most);
        let all = governor.reserve(Class::Builds, &SYSTEM, ROOT);
        assert_eq!(all.expect("nobody else").bytes(), ROOT);
    });
}
