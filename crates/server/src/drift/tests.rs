//! Readings, and who is told of them.

use std::path::PathBuf;

use super::*;
use vectorizer_memory::{CacheLevel, Class, Clock, Limits, MemoryLimits, Tenant};

const MB: u64 = 1 << 20;

fn reading(anonymous: u64, reserved: u64) -> Reading {
    Reading { anonymous: anonymous * MB, beside: 0, base: 3 * MB, reserved: reserved * MB }
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
    let beside = Reading { beside: 9 * MB, ..reading(20, 20) };
    assert_eq!(beside.drift(), 6 * MB, "the kernel's counts as well");
    assert!(!beside.trim(64 * MB, TRIM_PAUSE, true), "the heap has nothing of it");
}

/// A made-up system with one cgroup.
struct System(PathBuf);

impl System {
    fn new(name: &str, cgroup: &str, mount: &str) -> Self {
        let name = format!("vectorizer-{name}-{}", std::process::id());
        let system = Self(std::env::temp_dir().join(name));
        system.put("proc/self/cgroup", cgroup);
        system.put("proc/self/mountinfo", mount);
        system
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        // As a whole, as the kernel shows it.
        let new = path.with_extension("new");
        std::fs::write(&new, text).expect("written");
        std::fs::rename(new, path).expect("written");
    }
}

impl Drop for System {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

const V1_MOUNT: &str = "30 25 0:26 / /sys/fs/cgroup rw - cgroup cgroup rw,memory\n";
const V2_MOUNT: &str = "31 25 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

#[test]
fn the_cgroup_is_read_now_and_then() {
    let system = System::new("cgroup", "0::/pod\n", V2_MOUNT);
    system.put("sys/fs/cgroup/pod/memory.current", "100\n");
    let mut group = Group::new(&system.0);
    assert_eq!(group.usage(&system.0), Some(100));
    system.put("sys/fs/cgroup/pod/memory.current", "200\n");
    let mut read = |many: usize| (0..many).map(|_| group.usage(&system.0)).collect::<Vec<_>>();
    let later = read(10);
    assert_eq!((later[0], later[9]), (Some(100), Some(200)));
    std::fs::remove_dir_all(&system.0).expect("removed");
    assert_eq!(read(10)[9], None);
}

/// What is measured of a made-up process whose kernel side grows as `grow` has it told.
fn kernel_side_is_drift(system: &System, grow: impl Fn(&System, u64)) {
    let status = "VmRSS: 9000 kB\nRssAnon: 8192 kB\nVmPTE: 16 kB\n";
    system.put("proc/self/status", status);
    system.put("sys/fs/cgroup/pod/cgroup.procs", "1\n");
    grow(system, 5);
    let root = 512 * MB;
    let governor = Governor::new(Limits::of_root(root).with_base(8 * MB));
    let watch = MemoryWatch::start(Arc::clone(&governor), &system.0).expect("a thread");
    let room = root - 8 * MB - 40 * MB;
    let tenant = governor.tenant("default");
    let admits = || governor.reserve(Class::Operations, &tenant, room).is_ok();
    assert!(admits(), "what was there at the start is no drift: {:?}", governor.usage());
    grow(system, 55);
    until(|| governor.usage().drift == 50 * MB);
    assert!(!admits(), "{:?}", governor.usage());
    // Somebody else in the group may be who holds it.
    system.put("sys/fs/cgroup/pod/cgroup.procs", "1\n2\n");
    until(|| governor.usage().drift == 0);
    assert!(admits());
    system.put("sys/fs/cgroup/pod/cgroup.procs", "1\n");
    until(|| governor.usage().drift == 50 * MB);
    grow(system, 5);
    until(|| governor.usage().drift == 0);
    drop(watch);
}

#[test]
fn sockets_and_shared_memory_of_version_2_are_drift() {
    let system = System::new("kernel-2", "0::/pod\n", V2_MOUNT);
    system.put("sys/fs/cgroup/pod/memory.max", "600000000\n");
    kernel_side_is_drift(&system, |system, megabytes| {
        let shared = megabytes * MB - 3000;
        let kernel = "anon 1\nfile 9\nkernel 90\nslab_reclaimable 90\n";
        let stat = format!("{kernel}sock 3000\nshmem {shared}\n");
        system.put("sys/fs/cgroup/pod/memory.stat", &stat);
    });
}

#[test]
fn sockets_and_shared_memory_of_version_1_are_drift() {
    let system = System::new("kernel-1", "4:memory:/pod\n", V1_MOUNT);
    system.put("sys/fs/cgroup/pod/memory.limit_in_bytes", "600000000\n");
    kernel_side_is_drift(&system, |system, megabytes| {
        system.put("sys/fs/cgroup/pod/memory.stat", "total_rss 1\ntotal_shmem 3000\n");
        let sockets = (megabytes * MB - 3000).to_string();
        system.put("sys/fs/cgroup/pod/memory.kmem.tcp.usage_in_bytes", &sockets);
    });
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
    let clock: Arc<dyn Clock> = Arc::new(Duration::ZERO);
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
