//! Several misses of one step.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use vectorizer_pages::{Ahead, Config, Misses, Open, Pool, Region, Residency};
use vectorizer_vfs::{Access, File, OsDirectory, Result};

use crate::fixture::{
    Draws, MIB, PAGE, PatternFile, check, failed, governed, governor, pattern, pool,
};

const KINDS: [Misses; 3] = [Misses::Ring, Misses::Threads, Misses::InTurn];

fn pool_of(misses: Misses, capacity: usize) -> Arc<Pool> {
    let config = Config { capacity: capacity as u64, misses, readers_max: 16, ..Config::default() };
    Pool::new(&governor(), config).unwrap()
}

/// A file whose reads end only once two were under way at the same time.
#[derive(Debug)]
struct MeetingFile {
    file: Arc<PatternFile>,
    begun: AtomicUsize,
}

impl File for MeetingFile {
    fn len(&self) -> Result<u64> {
        self.file.len()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        self.begun.fetch_add(1, SeqCst);
        let began = Instant::now();
        while self.begun.load(SeqCst) < 2 {
            if began.elapsed() > Duration::from_secs(5) {
                return Err(failed(std::io::ErrorKind::TimedOut));
            }
            thread::yield_now();
        }
        self.file.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn sync(&self) -> Result<()> {
        self.file.sync()
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.file.set_len(len)
    }

    fn drop_cache(&self, _offset: u64, _len: u64) {}

    fn os_file(&self) -> Option<&std::fs::File> {
        None
    }
}

#[test]
fn threads_read_while_the_step_reads() {
    let pool = pool_of(Misses::Threads, 8 * MIB);
    let file = MeetingFile { file: PatternFile::new(MIB), begun: AtomicUsize::new(0) };
    let region = pool.open(Arc::new(file), &Open::whole(Residency::Governed)).unwrap();
    let mut reader = pool.reader().unwrap();
    let mut guard = reader.enter();
    let pages = [3, 9, 77].map(|page| page * PAGE);
    guard.pin(&region, pages.iter().map(|at| *at..at + PAGE)).unwrap();
    for at in pages {
        check(&guard.bytes(&region)[at..at + PAGE], at);
    }
}

#[test]
fn steps_read_a_real_file_alike_however_their_misses_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..8 * MIB).map(pattern).collect();
    let mut file = std::fs::File::create(folder.path().join("component")).unwrap();
    file.write_all(&bytes).unwrap();
    file.sync_all().unwrap();
    let directory = OsDirectory::open(folder.path()).unwrap();
    for misses in KINDS {
        let pool = pool_of(misses, 2 * MIB);
        let file = directory.open("component", Access::ReadDirect).unwrap();
        let region = pool.open(file, &Open::whole(Residency::Governed)).unwrap();
        thread::scope(|scope| {
            for seed in 1..=4 {
                let (pool, region) = (&pool, &region);
                scope.spawn(move || scattered_steps(pool, region, seed));
            }
        });
        let stats = pool.stats();
        assert!(stats.evictions > 1000 && stats.used <= stats.capacity, "{misses:?} {stats:?}");
    }
}

/// Steps of pages far from each other, more than a ring takes at once.
fn scattered_steps(pool: &Pool, region: &Region, seed: u64) {
    let mut draws = Draws(seed);
    let mut reader = pool.reader().unwrap();
    for _ in 0..40 {
        let starts: Vec<usize> = (0..60).map(|_| draws.below(region.len() / PAGE) * PAGE).collect();
        let mut guard = reader.enter();
        guard.pin(region, starts.iter().map(|at| *at..at + PAGE)).unwrap();
        for at in starts {
            check(&guard.bytes(region)[at..at + PAGE], at);
        }
    }
}

#[test]
fn what_is_wanted_is_read_with_what_is_missed_and_never_for_its_own_sake() {
    let pool = pool(&governor(), MIB, PAGE);
    let file = PatternFile::new(64 * PAGE);
    let region = governed(&pool, &file);
    let mut reader = pool.reader().unwrap();
    let page = |number: usize| number * PAGE..number * PAGE + 10;
    let mut guard = reader.enter();
    let one = |number: usize| std::iter::once(page(number));
    let later = |ahead: &mut Ahead<'_>| {
        ahead.want(&region, page(9));
        ahead.want(&region, 64 * PAGE..65 * PAGE);
        assert_eq!(ahead.peek(&region, page(9)), None);
        assert_eq!(file.reads.load(SeqCst), 0);
    };
    guard.pin_ahead(&region, one(3), later).unwrap();
    drop(guard);
    assert_eq!(file.reads.load(SeqCst), 2);
    let mut guard = reader.enter();
    guard.pin_ahead(&region, [page(3), page(9)], |_| unreachable!("all is there")).unwrap();
    check(&guard.bytes(&region)[page(9)], 9 * PAGE);
    let more_than_its_part = |ahead: &mut Ahead<'_>| {
        check(ahead.peek(&region, page(3)).unwrap(), 3 * PAGE);
        (20..40).for_each(|number| ahead.want(&region, page(number)));
    };
    guard.pin_ahead(&region, one(63), more_than_its_part).unwrap();
    drop(guard);
    assert!((4..=6).contains(&file.reads.load(SeqCst)), "{:?}", pool.stats());
    assert!(pool.stats().bytes_read <= (2 + 1 + 4) * PAGE as u64, "{:?}", pool.stats());
}
