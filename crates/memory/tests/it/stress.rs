//! Sixteen threads reserve, grow, transfer and release while limits move.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::{self, ScopedJoinHandle};

use vectorizer_memory::{Class, Governor, Limits, Tenant};

const THREADS: u64 = 16;
const ROUNDS: u64 = 20_000;
const ROOT: u64 = 64 << 10;

/// A small generator; quality does not matter here.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn balance_is_zero_and_nothing_is_admitted_above_the_limit() {
    let limits = Limits::of_root(ROOT).with_class(Class::Text, ROOT / 4);
    let governor = Governor::new(limits);
    // Bytes that threads believe they hold; never above the limit in force.
    let believed = AtomicU64::new(0);
    let refused = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|seed| {
                let (governor, believed, refused) = (&governor, &believed, &refused);
                scope.spawn(move || work(governor, seed, believed, refused))
            })
            .collect();
        let limiter = scope.spawn(|| {
            while !done.load(SeqCst) {
                let lowered = Limits { root: ROOT / 2, ..limits };
                if governor.set_limits(lowered).is_ok() {
                    for _ in 0..100 {
                        assert!(believed.load(SeqCst) <= ROOT / 2);
                        assert!(governor.reserved() <= ROOT / 2);
                    }
                    governor.set_limits(limits).unwrap();
                }
                thread::yield_now();
            }
        });
        // Whoever watches ends first, so that a failure is seen.
        let outcomes: Vec<_> = workers.into_iter().map(ScopedJoinHandle::join).collect();
        done.store(true, SeqCst);
        limiter.join().unwrap();
        assert!(outcomes.iter().all(Result::is_ok));
    });
    assert!(governor.peak() <= ROOT, "peak {}", governor.peak());
    assert!(refused.load(SeqCst) > 0, "never full: the test tests nothing");
    let usage = governor.usage();
    assert_eq!(usage.root, 0);
    assert!(usage.tenants.is_empty());
    assert!(usage.classes.iter().all(|(_, bytes)| *bytes == 0));
}

fn work(governor: &Governor, seed: u64, believed: &AtomicU64, refused: &AtomicU64) {
    let mut state = seed + 1;
    let tenants = [governor.tenant("a"), governor.tenant("b"), Tenant::system()];
    for _ in 0..ROUNDS {
        let draw = next(&mut state);
        let tenant = &tenants[(draw % 3) as usize];
        let class = [Class::Text, Class::Builds][(draw >> 8 & 1) as usize];
        let bytes = draw >> 16 & 0x1fff;
        let Ok(mut held) = governor.reserve(class, tenant, bytes) else {
            refused.fetch_add(1, SeqCst);
            continue;
        };
        believed.fetch_add(bytes, SeqCst);
        if held.try_grow(512).is_ok() {
            let now = believed.fetch_add(512, SeqCst) + 512;
            assert!(now <= ROOT, "{now} bytes admitted of {ROOT}");
        }
        let mut part = held.split(bytes / 2);
        if part.transfer(Class::Operations, &tenants[0]).is_err() {
            refused.fetch_add(1, SeqCst);
        }
        if draw >> 40 & 1 == 0 {
            held.merge(&mut part).unwrap_or(());
        }
        // Disbelieve first: what is believed is never above what is reserved.
        believed.fetch_sub(held.bytes() + part.bytes(), SeqCst);
    }
}
