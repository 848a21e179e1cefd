//! Disks that fail.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;

use vectorizer_pages::{Open, PagesError, Residency};

use crate::fixture::{Draws, MIB, PAGE, PatternFile, check, governed, governor, pool};

#[test]
fn a_failed_read_names_its_offset_and_can_be_retried() {
    let pool = pool(&governor(), MIB, PAGE);
    let file = PatternFile::new(8 * PAGE);
    let part = Open::whole(Residency::Governed).range(PAGE as u64..8 * PAGE as u64);
    let region = pool.open(Arc::<PatternFile>::clone(&file), &part).unwrap();
    let empty = pool.stats().used;
    file.broken_at.store(3 * PAGE as u64 + 1, SeqCst);
    let mut reader = pool.reader().unwrap();
    let mut guard = reader.enter();
    let failed = guard.pin(&region, [0..1, 2 * PAGE..2 * PAGE + 1, 5 * PAGE..5 * PAGE + 1]);
    let Err(PagesError::Read { offset, len, .. }) = failed else {
        panic!("{failed:?}");
    };
    assert_eq!((offset, len), (3 * PAGE as u64, PAGE as u64));
    assert_eq!(pool.stats().used, empty + 2 * PAGE as u64, "the pages that were read stay");
    file.broken_at.store(u64::MAX, SeqCst);
    guard.pin(&region, [0..1, 2 * PAGE..3 * PAGE]).unwrap();
    check(&guard.bytes(&region)[2 * PAGE..3 * PAGE], 3 * PAGE);
}

#[test]
fn what_is_wanted_for_later_and_cannot_be_read_fails_nothing() {
    let pool = pool(&governor(), MIB, PAGE);
    let file = PatternFile::new(8 * PAGE);
    let region = governed(&pool, &file);
    file.broken_at.store(5 * PAGE as u64, SeqCst);
    let mut reader = pool.reader().unwrap();
    let mut guard = reader.enter();
    let ranges = std::iter::once(PAGE..2 * PAGE);
    guard.pin_ahead(&region, ranges, |ahead| ahead.want(&region, 5 * PAGE..6 * PAGE)).unwrap();
    check(&guard.bytes(&region)[PAGE..2 * PAGE], PAGE);
    assert!(guard.pin_range(&region, 5 * PAGE..6 * PAGE).is_err(), "the page is not broken");
}

#[test]
fn a_pinned_region_that_cannot_be_read_holds_nothing() {
    let governor = governor();
    let pool = pool(&governor, MIB, PAGE);
    let file = PatternFile::new(2 * MIB);
    file.broken_at.store(MIB as u64, SeqCst);
    let failed = pool.open(file, &Open::whole(Residency::Pinned));
    assert!(matches!(failed, Err(PagesError::Read { .. })));
    assert_eq!(governor.reserved(), MIB as u64);
}

#[test]
fn readers_recover_while_a_page_breaks_and_mends() {
    let pool = pool(&governor(), MIB / 4, PAGE);
    let file = PatternFile::new(MIB);
    let region = governed(&pool, &file);
    let failures: usize = thread::scope(|scope| {
        let readers: Vec<_> = (1..=4)
            .map(|seed| {
                let (pool, region, file) = (&pool, &region, &file);
                scope.spawn(move || {
                    let mut draws = Draws(seed);
                    let mut reader = pool.reader().unwrap();
                    let mut failures = 0;
                    for round in 0..3000 {
                        if round % 50 == 0 {
                            let broken = if round % 100 == 0 { u64::MAX } else { 77 * 4096 };
                            file.broken_at.store(broken, SeqCst);
                        }
                        let page = draws.below(256) * PAGE;
                        let mut guard = reader.enter();
                        match guard.pin_range(region, page..page + PAGE) {
                            Ok(()) => check(&guard.bytes(region)[page..page + PAGE], page),
                            Err(PagesError::Read { offset, .. }) => {
                                assert_eq!(offset, 77 * 4096);
                                failures += 1;
                            }
                            Err(other) => panic!("{other}"),
                        }
                    }
                    failures
                })
            })
            .collect();
        readers.into_iter().map(|reader| reader.join().unwrap()).sum()
    });
    assert!(failures > 0, "nothing failed: the test tests nothing");
}
