//! One case per promise.

use std::io::Write;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use vectorizer_memory::{CacheMemoryManager, Class, Governor, Limits, Tenant};
use vectorizer_pages::{Config, Growth, Open, PageKind, PagesError, Pool, Region, Residency};
use vectorizer_vfs::{Access, OsDirectory};

use crate::fixture::{MIB, PAGE, PatternFile, check, governed, governor, pattern, pool};

fn read(pool: &Pool, region: &Region, start: usize, end: usize) {
    let mut reader = pool.reader().unwrap();
    let mut guard = reader.enter();
    guard.pin_range(region, start..end).unwrap();
    check(&guard.bytes(region)[start..end], start);
}

#[test]
fn pinned_ranges_read_as_the_file_and_adjacent_pages_in_one_read() {
    let governor = governor();
    let pool = pool(&governor, MIB, PAGE);
    let file = PatternFile::new(64 * PAGE);
    let region = governed(&pool, &file);
    read(&pool, &region, 5, 20 * PAGE + 1);
    assert_eq!(file.reads.load(SeqCst), 1);
    read(&pool, &region, 19 * PAGE, 22 * PAGE);
    assert_eq!(file.reads.load(SeqCst), 2);
    let stats = pool.stats();
    assert_eq!((stats.misses, stats.hits, stats.bytes_read), (22, 2, 22 * PAGE as u64));
}

#[test]
fn a_part_of_a_file_is_a_region() {
    let pool = pool(&governor(), MIB, 4 * PAGE);
    let file = PatternFile::new(11 * PAGE);
    let part = Open::whole(Residency::Governed)
        .range(2 * PAGE as u64..10 * PAGE as u64 - 7)
        .kind(PageKind::Links);
    let region = pool.open(file, &part).unwrap();
    assert_eq!(region.len(), 8 * PAGE - 7);
    let mut reader = pool.reader().unwrap();
    let mut guard = reader.enter();
    guard.pin_range(&region, 3 * PAGE..region.len()).unwrap();
    check(&guard.bytes(&region)[3 * PAGE..], 5 * PAGE);
    assert_eq!(guard.bytes(&region).len(), region.len());
    let beyond = guard.pin_range(&region, 0..region.len() + 1);
    assert!(matches!(beyond, Err(PagesError::OutOfRange { .. })));
}

#[test]
fn a_region_that_does_not_cover_pages_is_refused() {
    let pool = pool(&governor(), MIB, PAGE);
    for (len, range) in [(PAGE + 1, 0..PAGE as u64 + 1), (PAGE, 1..2), (PAGE, 0..8192)] {
        let open = Open::whole(Residency::Governed).range(range);
        let refused = pool.open(PatternFile::new(len), &open);
        assert!(matches!(refused, Err(PagesError::Misaligned { .. })));
    }
    let empty = governed(&pool, &PatternFile::new(0));
    assert!(empty.is_empty());
    read(&pool, &empty, 0, 0);
}

#[test]
fn everything_comes_back() {
    let governor = governor();
    let pool = pool(&governor, MIB, PAGE);
    assert_eq!(governor.usage().classes[Class::Collections.index()].1, MIB as u64);
    let before = pool.stats().used;
    let region = governed(&pool, &PatternFile::new(4 * MIB));
    for start in (0..4 * MIB).step_by(16 * PAGE) {
        read(&pool, &region, start, start + 16 * PAGE);
    }
    assert!(pool.stats().evictions > 0);
    assert!(pool.stats().used <= MIB as u64);
    drop(region);
    assert_eq!(pool.stats().used, before);
    drop(pool);
    assert_eq!(governor.reserved(), 0);
}

#[test]
fn a_region_outlives_its_pool_under_the_same_reservation() {
    let governor = governor();
    let pool = pool(&governor, MIB, PAGE);
    let region = governed(&pool, &PatternFile::new(PAGE));
    drop(pool);
    assert_eq!(governor.reserved(), MIB as u64);
    drop(region);
    assert_eq!(governor.reserved(), 0);
}

#[test]
fn pinned_regions_are_read_at_open_or_refused() {
    let governor = Governor::new(Limits::of_root(3 * MIB as u64));
    let pool = pool(&governor, MIB, PAGE);
    let tenant = governor.tenant("acme");
    let open = Open::whole(Residency::Pinned).tenant(tenant);
    let too_large = pool.open(PatternFile::new(2 * MIB), &open);
    assert!(matches!(too_large, Err(PagesError::Memory(_))));
    assert_eq!(governor.reserved(), MIB as u64);
    let region = pool.open(PatternFile::new(MIB), &open).unwrap();
    assert_eq!(&*governor.usage().tenants[0].name, "acme");
    assert!(region.reserved() >= MIB as u64);
    read(&pool, &region, 0, MIB);
    drop(region);
    assert_eq!(governor.reserved(), MIB as u64);
}

#[test]
fn mapped_and_governed_regions_of_a_real_file_read_alike() {
    let folder = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..MIB).map(pattern).collect();
    let mut file = std::fs::File::create(folder.path().join("component")).unwrap();
    file.write_all(&bytes).unwrap();
    file.sync_all().unwrap();
    let directory = OsDirectory::open(folder.path()).unwrap();
    let pool = pool(&governor(), MIB / 2, PAGE);
    for (residency, access) in [
        (Residency::Mapped, Access::Read),
        (Residency::Governed, Access::ReadDirect),
        (Residency::Pinned, Access::ReadDirect),
    ] {
        let file = directory.open("component", access).unwrap();
        let open = Open::whole(residency).range(PAGE as u64..MIB as u64);
        let region = pool.open(file, &open).unwrap();
        assert_eq!(region.residency(), residency);
        region.prefetch([0..10, 5000..90_000]);
        let mut reader = pool.reader().unwrap();
        for start in (0..region.len() - 3000).step_by(9973) {
            let mut guard = reader.enter();
            guard.pin_range(&region, start..start + 3000).unwrap();
            check(&guard.bytes(&region)[start..start + 3000], PAGE + start);
        }
    }
    let unmappable = pool.open(PatternFile::new(PAGE), &Open::whole(Residency::Mapped));
    assert!(matches!(unmappable, Err(PagesError::NotMappable)));
}

/// Reads all of a region, in steps that fit a small pool.
fn read_all(pool: &Arc<Pool>, region: &Region) {
    (0..region.len())
        .step_by(MIB / 16)
        .for_each(|start| read(pool, region, start, start + MIB / 16));
}

/// A pool that grows beyond a quarter of a MiB.
fn growing(governor: &Arc<Governor>, growth: Growth) -> Arc<Pool> {
    let config = Config { capacity: MIB as u64 / 4, growth, readers_max: 16, ..Config::default() };
    Pool::new(governor, config).unwrap()
}

#[test]
fn a_pool_grows_into_what_is_free_and_gives_it_back() {
    let mib = MIB as u64;
    let limits = Limits::of_root(8 * mib).with_cache_limit(2 * mib);
    let governor = Governor::new(limits);
    let pool = growing(&governor, Growth::Borrow { headroom: 2 * mib });
    let region = governed(&pool, &PatternFile::new(16 * MIB));
    read_all(&pool, &region);
    let usage = governor.usage();
    let of = |class| usage.classes.iter().find(|(of, _)| *of == class).unwrap().1;
    assert_eq!(of(Class::Collections), mib / 4, "the floor");
    assert!(of(Class::IndexPages) > 0 && of(Class::IndexPages) <= 2 * mib, "{usage:?}");
    assert!(of(Class::BorrowedPages) >= 2 * mib, "{usage:?}");
    assert!((2 * mib..3 * mib).contains(&usage.available), "{usage:?}");

    // Whoever is short has frames taken away, borrowed ones first.
    let manager = CacheMemoryManager::new(Arc::clone(&governor), Arc::new(Duration::ZERO));
    let managed = pool.managed();
    for cache in &managed {
        manager.register(Arc::downgrade(cache));
    }
    let tenant = Tenant::system();
    let held = governor.reserve(Class::Operations, &tenant, 4 * mib).unwrap();
    let usage = governor.usage();
    let of = |class| usage.classes.iter().find(|(of, _)| *of == class).unwrap().1;
    assert!(of(Class::IndexPages) > 0 && of(Class::BorrowedPages) <= 3 * mib, "{usage:?}");
    assert_eq!(pool.stats().capacity, mib / 4 + pool.reclaimable());
    assert!(pool.stats().used <= pool.stats().capacity);
    let _more = governor.reserve(Class::Operations, &tenant, 7 * mib / 2).unwrap();
    assert!(pool.reclaimable() <= mib / 4, "{:?}", governor.usage());
    assert!(governor.reserve(Class::Operations, &tenant, mib).is_err(), "the floor stays");
    read(&pool, &region, 0, MIB / 16);

    drop(held);
    read_all(&pool, &region);
    assert!(pool.reclaimable() > mib, "it grows again");
    drop((region, pool, managed));
    assert_eq!(governor.reserved(), 7 * mib / 2);
}

#[test]
fn a_small_miss_takes_little_away_though_much_was_marked_before() {
    let mib = MIB as u64;
    let governor = Governor::new(Limits::of_root(64 * mib).with_cache_limit(0));
    let pool = growing(&governor, Growth::Borrow { headroom: mib });
    let region = governed(&pool, &PatternFile::new(80 * MIB));
    read_all(&pool, &region);
    assert!(pool.give_back(16 * mib) >= 16 * mib);
    let _held = governor.reserve(Class::Operations, &Tenant::system(), governor.available());
    let before = pool.stats();
    assert!(before.evictions > 4096, "{before:?}");
    read(&pool, &region, 0, PAGE);
    let after = pool.stats();
    assert_eq!(after.misses, before.misses + 1, "the first page is long gone");
    assert!((1..=64).contains(&(after.evictions - before.evictions)), "{before:?} {after:?}");
}

#[test]
fn many_who_shrink_at_once_take_no_more_than_each_was_asked_for() {
    let mib = MIB as u64;
    let governor = Governor::new(Limits::of_root(64 * mib).with_cache_limit(0));
    let pool = growing(&governor, Growth::Borrow { headroom: mib });
    let region = governed(&pool, &PatternFile::new(80 * MIB));
    read_all(&pool, &region);
    let before = pool.stats();
    let together = Barrier::new(8);
    let shrink = || {
        together.wait();
        pool.give_back(4 * mib)
    };
    let given: u64 = thread::scope(|scope| {
        let shrinkers: Vec<_> = (0..8).map(|_| scope.spawn(shrink)).collect();
        shrinkers.into_iter().map(|shrinker| shrinker.join().unwrap()).sum()
    });
    let after = pool.stats();
    assert!(given == 32 * mib && after.used <= after.capacity, "{given}: {after:?}");
    // Each may take a least batch where less is left to take.
    let most = given / PAGE as u64 + 8 * 64;
    let taken = after.evictions - before.evictions;
    assert!(taken <= most, "{taken} extents for {given} bytes");
}

#[test]
fn a_pool_that_may_not_borrow_stays_within_what_caches_may_hold() {
    let mib = MIB as u64;
    let governor = Governor::new(Limits::of_root(64 * mib).with_cache_limit(4 * mib));
    let pool = growing(&governor, Growth::Cache { headroom: mib });
    let region = governed(&pool, &PatternFile::new(16 * MIB));
    read_all(&pool, &region);
    assert!((mib..=4 * mib).contains(&pool.reclaimable()), "{:?}", governor.usage());
    let none = Governor::new(Limits::of_root(64 * mib).with_cache_limit(0));
    let pool = growing(&none, Growth::Cache { headroom: mib });
    let region = governed(&pool, &PatternFile::new(16 * MIB));
    read_all(&pool, &region);
    assert_eq!(pool.reclaimable(), 0, "without caches there is the floor");
}

#[test]
fn readers_are_bounded_and_come_back() {
    let governor = governor();
    let config = Config { capacity: MIB as u64, readers_max: 2, ..Config::default() };
    let pool = Pool::new(&governor, config).unwrap();
    let _one = pool.reader().unwrap();
    let two = pool.reader().unwrap();
    assert!(matches!(pool.reader(), Err(PagesError::TooManyReaders { readers_max: 2 })));
    drop(two);
    assert!(pool.reader().is_ok());
}

#[test]
fn a_reader_of_another_pool_is_refused() {
    let governor = governor();
    let (one, other) = (pool(&governor, MIB, PAGE), pool(&governor, MIB, PAGE));
    let region = governed(&one, &PatternFile::new(PAGE));
    let mut reader = other.reader().unwrap();
    let refused = reader.enter().pin_range(&region, 0..1);
    assert!(matches!(refused, Err(PagesError::ForeignRegion)));
    drop(Arc::clone(&one));
}
