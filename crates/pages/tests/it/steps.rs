//! Steps of several threads over pools that are too small for them.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::{self, ScopedJoinHandle};

use vectorizer_pages::{PagesError, Pool, Region};

use crate::fixture::{Draws, MIB, PAGE, PatternFile, check, governed, governor, pool};

#[test]
fn random_reads_of_a_tiny_pool_see_every_byte() {
    let pool = pool(&governor(), MIB, PAGE);
    let file = PatternFile::new(64 * MIB);
    let region = governed(&pool, &file);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            while !done.load(SeqCst) {
                assert!(pool.stats().used <= MIB as u64);
                thread::yield_now();
            }
        });
        let readers: Vec<_> = (1..=4)
            .map(|seed| {
                let (pool, region) = (&pool, &region);
                scope.spawn(move || walk(pool, &[region], seed, 2000))
            })
            .collect();
        // Whoever watches ends first, so that a failure is seen.
        let outcomes: Vec<_> = readers.into_iter().map(ScopedJoinHandle::join).collect();
        done.store(true, SeqCst);
        sampler.join().unwrap();
        assert!(outcomes.iter().all(Result::is_ok));
    });
    let stats = pool.stats();
    assert!(stats.evictions > 10_000, "{stats:?}");
}

#[test]
fn steps_that_together_exceed_the_pool_all_end() {
    // Each step needs up to 48 of about 55 pages that the pool can hold, over two regions.
    let pool = pool(&governor(), 64 * PAGE, PAGE);
    let regions = [PatternFile::new(2 * MIB), PatternFile::new(MIB)];
    let regions = regions.map(|file| governed(&pool, &file));
    thread::scope(|scope| {
        for seed in 1..=4 {
            let (pool, regions) = (&pool, &regions);
            scope.spawn(move || {
                let mut draws = Draws(seed);
                let mut reader = pool.reader().unwrap();
                for _ in 0..300 {
                    let mut guard = reader.enter();
                    let mut pinned = Vec::new();
                    for _ in 0..4 {
                        let region = &regions[draws.below(2)];
                        let page = |_| draws.below(region.len() / PAGE) * PAGE;
                        let starts: Vec<usize> = (0..12).map(page).collect();
                        guard.pin(region, starts.iter().map(|at| *at..at + PAGE)).unwrap();
                        pinned.extend(starts.into_iter().map(|at| (region, at)));
                    }
                    for (region, at) in pinned {
                        check(&guard.bytes(region)[at..at + PAGE], at);
                    }
                }
            });
        }
    });
}

#[test]
fn what_a_live_guard_pinned_has_its_bytes_while_everything_else_is_taken_away() {
    let pool = pool(&governor(), 64 * PAGE, PAGE);
    let region = governed(&pool, &PatternFile::new(2 * MIB));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for seed in 11..=12 {
            let (pool, region, done) = (&pool, &region, &done);
            scope.spawn(move || {
                let mut draws = Draws(seed);
                let mut reader = pool.reader().unwrap();
                while !done.load(SeqCst) {
                    let start = draws.below(region.len() / PAGE - 8) * PAGE;
                    reader.enter().pin_range(region, start..start + 8 * PAGE).unwrap();
                }
            });
        }
        let keepers: Vec<_> = (1..=2)
            .map(|seed| {
                let (pool, region) = (&pool, &region);
                scope.spawn(move || keep(pool, region, seed))
            })
            .collect();
        let outcomes: Vec<_> = keepers.into_iter().map(ScopedJoinHandle::join).collect();
        done.store(true, SeqCst);
        assert!(outcomes.iter().all(Result::is_ok));
    });
    assert!(pool.stats().evictions > 1000, "{:?}", pool.stats());
}

/// Pins some pages, then some more with the same guard, and looks at all of them for as long as
/// others need to mark them, wait for the step and take others away.
fn keep(pool: &Pool, region: &Region, seed: u64) {
    let mut draws = Draws(seed);
    let mut reader = pool.reader().unwrap();
    for _ in 0..60 {
        let mut guard = reader.enter();
        let mut pinned = Vec::new();
        for _ in 0..3 {
            let page = |_| draws.below(region.len() / PAGE) * PAGE;
            let starts: Vec<usize> = (0..4).map(page).collect();
            guard.pin(region, starts.iter().map(|at| *at..at + PAGE)).unwrap();
            pinned.extend(starts);
            let bytes = guard.bytes(region);
            for _ in 0..10 {
                for at in &pinned {
                    check(&bytes[*at..at + PAGE], *at);
                }
                thread::yield_now();
            }
        }
    }
}

#[test]
fn extents_of_several_pages_and_regions_that_come_and_go() {
    let pool = pool(&governor(), MIB, 16 << 10);
    let before = pool.stats().used;
    thread::scope(|scope| {
        for seed in 1..=4 {
            let pool = &pool;
            scope.spawn(move || {
                for round in 0..8 {
                    let one = governed(pool, &PatternFile::new(MIB + 5 * PAGE));
                    let other = governed(pool, &PatternFile::new(4 * MIB));
                    walk(pool, &[&one, &other], seed + round * 8, 100);
                }
            });
        }
    });
    assert_eq!(pool.stats().used, before);
}

#[test]
fn a_step_larger_than_the_pool_is_refused_with_both_numbers() {
    let pool = pool(&governor(), 64 * PAGE, PAGE);
    let region = governed(&pool, &PatternFile::new(MIB));
    let mut reader = pool.reader().unwrap();
    let mut guard = reader.enter();
    guard.pin_range(&region, 0..20 * PAGE).unwrap();
    let refused = guard.pin_range(&region, 30 * PAGE..80 * PAGE);
    let Err(PagesError::WorkingSetTooLarge { needed, capacity }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(needed, 70 * PAGE as u64);
    assert!(capacity < 64 * PAGE as u64);
    guard.pin_range(&region, 30 * PAGE..50 * PAGE).unwrap();
    check(&guard.bytes(&region)[30 * PAGE..50 * PAGE], 30 * PAGE);
}

#[test]
fn a_step_within_another_of_the_same_thread_is_refused_when_it_would_wait() {
    let pool = pool(&governor(), MIB, PAGE);
    let region = governed(&pool, &PatternFile::new(MIB));
    let (mut outer, mut inner) = (pool.reader().unwrap(), pool.reader().unwrap());
    let _outer = outer.enter();
    let mut guard = inner.enter();
    assert!(matches!(guard.pin_range(&region, 0..1), Err(PagesError::NestedGuard)));
}

/// Steps of a few ranges, some over page ends, each byte compared.
fn walk(pool: &Pool, regions: &[&Region], seed: u64, steps: usize) {
    let mut draws = Draws(seed);
    let mut reader = pool.reader().unwrap();
    for _ in 0..steps {
        let mut guard = reader.enter();
        let region = regions[draws.below(regions.len())];
        let mut ranges = Vec::new();
        for _ in 0..6 {
            let start = draws.below(region.len());
            let end = (start + draws.below(3 * PAGE)).min(region.len());
            ranges.push(start..end);
        }
        guard.pin(region, ranges.iter().cloned()).unwrap();
        for range in ranges {
            check(&guard.bytes(region)[range.clone()], range.start);
        }
    }
}
