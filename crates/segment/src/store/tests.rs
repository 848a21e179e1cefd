//! Warming, and reading ahead.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use vectorizer_memory::Limits;
use vectorizer_pages::{Config, Misses, Stats};
use vectorizer_vfs::crash::TraceDirectory;

use super::*;

const MIB: usize = 1 << 20;
const PAGE: usize = 4096;

struct Fixture {
    governor: Arc<Governor>,
    pool: Arc<Pool>,
    frames: Arc<Frames>,
    directory: Arc<dyn Directory>,
}

fn byte_of(page: usize) -> u8 {
    u8::try_from(page % 251 + 1).unwrap()
}

impl Fixture {
    /// A pool of some MiB under a budget with no byte more.
    fn new(capacity: usize) -> Self {
        let capacity = (capacity * MIB) as u64;
        let governor = Governor::new(Limits::of_root(capacity));
        // Files in memory are not read by rings.
        let config = Config { capacity, misses: Misses::Threads, ..Config::default() };
        let pool = Pool::new(&governor, config).unwrap();
        let frames = Arc::new(Frames::new(Arc::clone(&pool)));
        Self { governor, pool, frames, directory: TraceDirectory::new().directory() }
    }

    /// A section of some MiB, each page full of a byte of its own, not on the first page.
    fn section(&self, name: &str, mib: usize) -> PagedSection {
        let bytes: Vec<u8> = (0..PAGE + mib * MIB).map(|at| byte_of(at / PAGE)).collect();
        let file = self.directory.create(name).unwrap();
        file.write_all_at(&bytes, 0).unwrap();
        let file = self.directory.open(name, Access::ReadDirect).unwrap();
        let region = self.pool.open(file, &Open::whole(Residency::Governed)).unwrap();
        let (region, frames) = (Arc::new(region), Arc::clone(&self.frames));
        PagedSection { region, frames, range: PAGE..PAGE + mib * MIB }
    }

    fn stats(&self) -> Stats {
        let stats = self.pool.stats();
        assert!(stats.used <= stats.capacity, "{stats:?}");
        assert_eq!(self.governor.reserved(), stats.capacity, "nothing beside the pool");
        stats
    }
}

fn read_all(section: &PagedSection) {
    for start in (0..section.len()).step_by(PAGE) {
        let range = start..start + PAGE;
        let right = section.with_pinned(std::iter::once(range.clone()), |bytes| {
            bytes[range].iter().all(|byte| *byte == byte_of(1 + start / PAGE))
        });
        assert!(right.unwrap(), "page at {start}");
    }
}

#[test]
fn nothing_is_read_after_warming_what_fits() {
    let fixture = Fixture::new(8);
    let (one, two) = (fixture.section("one", 2), fixture.section("two", 3));
    one.warm(&mut 0).unwrap();
    two.warm(&mut 0).unwrap();
    let warmed = fixture.stats();
    assert_eq!(warmed.bytes_read, 5 * MIB as u64);
    read_all(&one);
    read_all(&two);
    assert_eq!(fixture.stats().bytes_read, warmed.bytes_read);
}

#[test]
fn warming_fills_the_pool_and_takes_nothing_away() {
    let fixture = Fixture::new(2);
    let (first, large) = (fixture.section("first", 1), fixture.section("large", 4));
    first.warm(&mut 0).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(SeqCst) {
                fixture.stats();
                thread::yield_now();
            }
        });
        let outcome = large.warm(&mut 0);
        done.store(true, SeqCst);
        outcome.unwrap();
    });
    let warmed = fixture.stats();
    assert_eq!(warmed.evictions, 0, "{warmed:?}");
    let left = warmed.capacity - warmed.used;
    assert!(left < WARM_BYTES as u64 && warmed.bytes_read > MIB as u64, "{warmed:?}");
    read_all(&first);
    assert_eq!(fixture.stats().bytes_read, warmed.bytes_read, "the first is still there");
}

#[test]
fn what_is_pinned_stays_while_sections_that_do_not_fit_are_warmed_and_read() {
    let fixture = Fixture::new(2);
    let (kept, one, two) =
        (fixture.section("kept", 1), fixture.section("one", 3), fixture.section("two", 3));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let others = [&one, &two].map(|section| {
            let fixture = &fixture;
            scope.spawn(move || {
                for _ in 0..20 {
                    section.warm(&mut 0).unwrap();
                    read_all(section);
                    fixture.stats();
                }
            })
        });
        let keeper = scope.spawn(|| {
            let mut reader = kept.reader().unwrap();
            while !done.load(SeqCst) {
                let ranges = (0..10).map(|page| page * 9 * PAGE..page * 9 * PAGE + PAGE);
                let right = kept.step(&mut reader, ranges.clone(), |bytes| {
                    (0..20).all(|_| {
                        thread::yield_now();
                        ranges.clone().all(|at| bytes[at.start] == byte_of(1 + at.start / PAGE))
                    })
                });
                assert!(right.unwrap());
            }
        });
        let outcomes = others.map(thread::ScopedJoinHandle::join);
        done.store(true, SeqCst);
        assert!(outcomes.iter().all(std::result::Result::is_ok));
        keeper.join().unwrap();
    });
    assert!(fixture.stats().evictions > 1000, "the pool was too large to tell");
}

#[test]
fn a_step_that_reads_reads_for_later_steps_too() {
    let fixture = Fixture::new(2);
    let (one, two) = (fixture.section("one", 1), fixture.section("two", 1));
    let mut reader = one.reader().unwrap();
    let page = |number: usize| number * PAGE..number * PAGE + PAGE;
    let ahead = |ahead: &mut Ahead<'_>| two.want(ahead, page(7));
    one.step_ahead(&mut reader, std::iter::once(page(3)), ahead, |_| ()).unwrap();
    let read = fixture.stats().bytes_read;
    assert_eq!(read, 2 * PAGE as u64);
    let right = two.with_pinned(std::iter::once(page(7)), |bytes| bytes[7 * PAGE] == byte_of(8));
    assert!(right.unwrap());
    assert_eq!(fixture.stats().bytes_read, read);
}
