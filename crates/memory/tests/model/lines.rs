//! Waiting: whoever fits in the end is granted, whatever happens at the same time.

use std::sync::Arc;

use shuttle::future::block_on;
use shuttle::thread;

use crate::{Class, Governor, Limits, SYSTEM, assert_nothing_held, check, join};

const CREDIT: u64 = 64 << 10;

fn wait(governor: &Governor, class: Class, bytes: u64) -> crate::waiting::Waiting {
    governor.wait_for(class, &SYSTEM, bytes).expect("it may fit")
}

#[test]
fn everyone_in_line_is_served() {
    check(|| {
        let governor = Governor::new(Limits::of_root(100));
        let waiters = [60, 70].map(|bytes| {
            let governor = Arc::clone(&governor);
            thread::spawn(move || {
                let waiting = wait(&governor, Class::Operations, bytes);
                assert_eq!(block_on(waiting).expect("its turn").bytes(), bytes);
            })
        });
        let parked = {
            let governor = Arc::clone(&governor);
            thread::spawn(move || {
                let unparked = || {
                    thread::park();
                    true
                };
                let waiting = wait(&governor, Class::Builds, 80);
                assert_eq!(waiting.block(unparked).expect("its turn").bytes(), 80);
            })
        };
        join(waiters.into_iter().chain([parked]));
        assert_nothing_held(&governor);
    });
}

/// Those who leave, granted or not, let the others through.
#[test]
fn leaving_loses_no_bytes_and_no_turn() {
    check(|| {
        let governor = Governor::new(Limits::of_root(100));
        let held = governor.reserve(Class::Builds, &SYSTEM, 100).expect("room");
        let leaves = [false, true].map(|gives_up| {
            let governor = Arc::clone(&governor);
            thread::spawn(move || {
                let waiting = wait(&governor, Class::Operations, 70);
                if gives_up {
                    waiting.give_up().ok();
                }
            })
        });
        let waiter = {
            let governor = Arc::clone(&governor);
            thread::spawn(move || block_on(wait(&governor, Class::Text, 50)).map(drop))
        };
        drop(held);
        join(leaves);
        waiter.join().expect("it ends").expect("its turn");
        assert_nothing_held(&governor);
    });
}

/// A newcomer that is refused by the root held its class for a moment.
#[test]
fn what_a_refused_charge_held_on_the_way_is_told() {
    check(|| {
        let governor = Governor::new(Limits::of_root(100).with_class(Class::Text, 50));
        let held = governor.reserve(Class::Builds, &SYSTEM, 60).expect("room");
        let newcomers = [45, 48].map(|bytes| {
            let governor = Arc::clone(&governor);
            thread::spawn(move || {
                for _ in 0..3 {
                    drop(governor.reserve(Class::Text, &SYSTEM, bytes));
                }
            })
        });
        let waiter = {
            let governor = Arc::clone(&governor);
            thread::spawn(move || block_on(wait(&governor, Class::Text, 40)).map(drop))
        };
        join(newcomers);
        waiter.join().expect("it ends").expect("there was room all along");
        drop(held);
        assert_nothing_held(&governor);
    });
}

/// Small ones keep nothing on credit from who waits.
#[test]
fn credit_is_not_kept_from_who_waits() {
    check(|| {
        let root = 100 * CREDIT;
        let governor = Governor::new(Limits::of_root(root));
        let small = [Class::Operations, Class::Memtables].map(|class| {
            let governor = Arc::clone(&governor);
            thread::spawn(move || {
                for _ in 0..2 {
                    drop(governor.reserve(class, &SYSTEM, 100));
                }
            })
        });
        let waiter = {
            let governor = Arc::clone(&governor);
            thread::spawn(move || block_on(wait(&governor, Class::Builds, root)).map(drop))
        };
        join(small);
        waiter.join().expect("it ends").expect("its turn");
        assert_nothing_held(&governor);
    });
}

#[test]
fn a_raised_limit_serves_the_line() {
    check(|| {
        let governor = Governor::new(Limits::of_root(50));
        let _held = governor.reserve(Class::Builds, &SYSTEM, 40).expect("room");
        let waiter = {
            let governor = Arc::clone(&governor);
            thread::spawn(move || block_on(wait(&governor, Class::Text, 30)).map(drop))
        };
        governor.set_drift(10);
        governor.set_drift(0);
        governor.set_limits(Limits::of_root(80)).expect("higher");
        waiter.join().expect("it ends").expect("its turn");
    });
}

/// Who met the tighter bound of a change that was refused.
#[test]
fn a_refused_change_serves_the_line() {
    check(|| {
        let governor = Governor::new(Limits::of_root(80));
        let _held = governor.reserve(Class::Builds, &SYSTEM, 40).expect("room");
        let waiter = {
            let governor = Arc::clone(&governor);
            thread::spawn(move || block_on(wait(&governor, Class::Text, 30)).map(drop))
        };
        assert!(governor.set_limits(Limits::of_root(30)).is_err());
        waiter.join().expect("it ends").expect("there was room all along");
    });
}
