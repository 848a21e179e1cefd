//! The kernel's word on what is in memory.

use std::fs;

use vectorizer_pages::{Config, Growth, Pool};

use crate::fixture::{MIB, PatternFile, governed, governor};

/// Resident bytes of the mapping that holds an address.
fn resident_at(address: usize) -> usize {
    let maps = fs::read_to_string("/proc/self/smaps").unwrap();
    let mut within = false;
    for line in maps.lines() {
        let first = line.split(' ').next().unwrap_or_default();
        if let Some((start, end)) = first.split_once('-') {
            let start = usize::from_str_radix(start, 16).unwrap();
            let end = usize::from_str_radix(end, 16).unwrap();
            within = (start..end).contains(&address);
        } else if let (true, Some(rest)) = (within, line.strip_prefix("Rss:")) {
            let kib: usize = rest.trim().trim_end_matches(" kB").parse().unwrap();
            return kib << 10;
        }
    }
    panic!("no mapping at {address:x}");
}

#[test]
fn memory_taken_away_leaves_the_process() {
    let growth = Growth::Borrow { headroom: 1016 * MIB as u64 };
    let config = Config { capacity: 2 * MIB as u64, growth, readers_max: 16, ..Config::default() };
    let pool = Pool::new(&governor(), config).unwrap();
    // Large enough that its addresses are a mapping of their own.
    let region = governed(&pool, &PatternFile::new(256 * MIB));
    let mut reader = pool.reader().unwrap();
    let address = reader.enter().bytes(&region).as_ptr().addr();
    for start in (0..256 * MIB).step_by(512 << 10) {
        let mut guard = reader.enter();
        guard.pin_range(&region, start..start + (128 << 10)).unwrap();
    }
    let stats = pool.stats();
    assert!(stats.evictions > 10_000, "{stats:?}");
    let resident = resident_at(address) as u64;
    assert!(resident <= stats.used, "{resident} bytes resident, {} charged", stats.used);
    // Tables are charged but lie elsewhere; everything else that is charged is resident here.
    assert!(resident >= stats.used - MIB as u64, "{resident} resident, {} charged", stats.used);
    assert!(pool.give_back(u64::MAX) > 4 * MIB as u64);
    let (resident, used) = (resident_at(address) as u64, pool.stats().used);
    assert!(used <= 2 * MIB as u64 && resident <= used, "{resident} of {used}");
}
