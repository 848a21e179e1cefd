//! Readings, and who is told of them.

use super::*;
use vectorizer_memory::{CacheLevel, Class, Clock, Limits, MemoryLimits, Tenant};

const MB: u64 = 1 << 20;

fn reading(anonymous: u64, reserved: u64) -> Reading {
    Reading { anonymous: anonymous * MB, base: 3 * MB, reserved: reserved * MB }
}

#[test]
fn drift_is_what_nobody_reserved() {
    assert_eq!(reading(20, 10).drift(), 7 * MB);
    assert_eq!(reading(20, 17).drift(), 0);
    assert_eq!(reading(20, 40).drift(), 0, "reserved and not yet touched");
}

#[test]
fn the_heap_is_trimmed_where_that_may_help() {
    let (limit, soon) = (64 * MB, Duration::from_millis(10));
    assert!(!reading(20, 10).trim(limit, soon, true), "not all the time");
    assert!(reading(20, 10).trim(limit, TRIM_PAUSE, false));
    assert!(!reading(20, 17).trim(limit, TRIM_PAUSE, true));
    assert!(reading(60, 50).trim(limit, soon, true), "nearly full");
    assert!(!reading(60, 50).trim(limit, soon, false), "the last trim gave nothing");
    assert!(reading(60, 50).trim(limit, TRIM_PAUSE, false));
    assert!(!reading(60, 57).trim(limit, TRIM_PAUSE, true), "nothing drifts");
    assert!(!reading(60, 56).trim(limit, TRIM_PAUSE, true), "hardly anything drifts");
    let large = 4096 * MB;
    assert!(reading(3600, 3595).trim(large, soon, true), "nearly full: a little counts");
    assert!(!reading(2000, 1995).trim(large, TRIM_PAUSE, true), "half full: it does not");
    assert!(!Trim::now(MB - 1).gave && Trim::now(MB).gave);
}

#[test]
fn the_cgroup_is_read_now_and_then() {
    let root = std::env::temp_dir().join(format!("vectorizer-cgroup-{}", std::process::id()));
    let put = |path: &str, text: &str| {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("written");
    };
    put("proc/self/cgroup", "0::/pod\n");
    put("proc/self/mountinfo", "31 25 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    put("sys/fs/cgroup/pod/memory.current", "100\n");
    let mut usage = CgroupUsage::default();
    assert_eq!(usage.read(&root), Some(100));
    put("sys/fs/cgroup/pod/memory.current", "200\n");
    let read: Vec<_> = (0..CGROUP_TICKS).map(|_| usage.read(&root)).collect();
    assert_eq!((read[0], read[9]), (Some(100), Some(200)));
    std::fs::remove_dir_all(&root).expect("removed");
    let gone: Vec<_> = (0..CGROUP_TICKS).map(|_| usage.read(&root)).collect();
    assert_eq!(gone[9], None);
}

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

/// Waits until something is so.
fn until(is_so: impl Fn() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < Duration::from_secs(10), "it does not become so");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn ladders_move_though_nobody_asks_for_memory() {
    let base = process_memory(Path::new("/")).expect("readable").anonymous.expect("told");
    let root = 16_384 * MB;
    let limits = Limits::of_root(root).with_base(base).with_cache_limit(100 * MB);
    let governor = Governor::new(limits);
    let clock: Arc<dyn Clock> = Arc::new(Still);
    let caches = CacheMemoryManager::new(Arc::clone(&governor), Arc::clone(&clock));
    let limits = MemoryLimits::of_root(root);
    let guard = MemoryGuard::new(Arc::clone(&governor), limits, clock).expect("no limits");
    let watch = MemoryWatch::start(Arc::clone(&governor), Path::new("/")).expect("a thread");
    let (told_guard, told_caches) = (Arc::downgrade(&guard), Arc::downgrade(&caches));
    let empty_frames = Box::new(|| 0);
    let told = Told { guard: told_guard, caches: told_caches, empty_frames };
    watch.told.set(told).expect("nobody was told before");
    until(|| guard.memory_stats().is_ok_and(|stats| stats.used_system > 0));
    let system = Tenant::system();
    let level = || caches.stats().level;
    // Past the caches themselves, so that no allocation of theirs has the ladder looked at.
    let held = governor.try_reserve(Class::QueryCache, &system, 95 * MB + 50_000).expect("room");
    until(|| level() == CacheLevel::Emergency);
    assert_eq!(caches.stats().warnings, 1);
    // What changed was told, and is not told again.
    until(|| caches.take_level_changes().is_empty());
    drop(held);
    until(|| level() == CacheLevel::Normal);
    let held = governor.reserve(Class::Pinned, &system, root / 100 * 80).expect("room");
    until(|| guard.pressure().level == PressureLevel::Warning);
    until(|| caches.stats().warnings == 2);
    drop(held);
    until(|| guard.pressure().level == PressureLevel::Normal);
}

#[test]
fn what_nobody_reserved_is_refused_to_others() {
    let limit = 4096 * MB;
    let base = process_memory(Path::new("/")).expect("readable").anonymous.expect("told");
    let governor = Governor::new(Limits::of_root(limit).with_base(base));
    let watch = MemoryWatch::start(Arc::clone(&governor), Path::new("/")).expect("a thread");
    let leak = vec![1_u8; 200 << 20];
    let since = Instant::now();
    while governor.usage().drift < 150 * MB {
        assert!(since.elapsed() < Duration::from_secs(10), "{:?}", governor.usage());
        std::thread::sleep(Duration::from_millis(10));
    }
    let tenant = governor.tenant("default");
    let room = limit - base - 100 * MB;
    assert!(governor.reserve(Class::Operations, &tenant, room).is_err());
    drop(leak);
    let since = Instant::now();
    while governor.reserve(Class::Operations, &tenant, room).is_err() {
        assert!(since.elapsed() < Duration::from_secs(10), "{:?}", governor.usage());
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(watch);
}
