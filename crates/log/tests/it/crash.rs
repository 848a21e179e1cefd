//! Power is lost at every moment, and the disk keeps any part of what was not synced.

use std::collections::BTreeMap;

use vectorizer_log::{Durability, Entry, Log, LogConfig};
use vectorizer_model::{SequenceNumber, ShardId};
use vectorizer_vfs::crash::TraceDirectory;

use crate::disk::{Disk, Random};
use crate::model::{Seen, commit, config, entry, open};

/// What was true at one moment of a run.
struct Moment {
    /// Events of the disk by then.
    events: usize,
    /// Entries that were acknowledged, of those appended in order.
    acknowledged: usize,
    /// Entries that no replay needs any more, or that may be gone.
    released: usize,
}

struct Run {
    appended: Vec<Seen>,
    moments: Vec<Moment>,
}

impl Run {
    /// Replay gives a piece of what was appended, in order, without gaps, with all that was
    /// acknowledged and not released.
    fn check(&self, events: usize, seen: &[Seen], what: &str) {
        let by_then = self.moments.iter().rfind(|moment| moment.events <= events);
        let (acknowledged, _) = by_then.map_or((0, 0), |m| (m.acknowledged, m.released));
        // What is released may be removed at once, before the next moment is noted.
        let released = self.moments.iter().find(|moment| moment.events >= events);
        let released = released.or(self.moments.last()).map_or(0, |m| m.released);
        if seen.is_empty() {
            assert!(released >= acknowledged, "{what}: {acknowledged} entries are gone");
            return;
        }
        let first = self.appended.iter().position(|entry| *entry == seen[0]);
        let first = first.unwrap_or_else(|| panic!("{what}: {:?} was never appended", seen[0]));
        let end = first + seen.len();
        assert!(first <= released, "{what}: replay begins at {first}, needed from {released}");
        assert!(end >= acknowledged, "{what}: replay ends at {end} of {acknowledged}");
        assert!(seen == &self.appended[first..end], "{what}: out of order");
    }
}

/// Commits groups of random entries; with `frees` also releases and collects.
fn run(
    now: &dyn Fn() -> usize,
    log: &Log<u128>,
    random: &mut Random,
    shape: (u64, bool, Durability),
) -> Run {
    let (groups, frees, durability) = shape;
    let mut run = Run { appended: Vec::new(), moments: Vec::new() };
    let mut released = 0;
    for group in 0..groups {
        let count = 1 + random.below(6);
        let mut entries: Vec<Entry<u128>> = Vec::new();
        for _ in 0..count {
            let seq = (run.appended.len() + entries.len()) as u64 + 1;
            entries.push(entry(7, seq, random.below(1500)));
        }
        run.appended.extend(entries.iter().map(Seen::of));
        let end = commit(log, &entries).end;
        if random.below(3) == 0 {
            log.sync().unwrap();
        }
        let durable = usize::try_from(log.durable_position().0).unwrap();
        if durability == Durability::Fsync {
            assert_eq!(durable, run.appended.len());
        }
        run.moments.push(Moment { events: now(), acknowledged: durable, released });
        if frees && group % 4 == 3 && end.file > 2 {
            released = released.max(durable - durable / 4);
            log.release(ShardId(7), SequenceNumber(run.appended[released - 1].seq));
            log.collect().unwrap();
            run.moments.push(Moment { events: now(), acknowledged: durable, released });
        }
    }
    run
}

/// Opens what a loss of power left, goes on, and loses power again within the recovery.
fn check_image(
    run: &Run,
    events: usize,
    files: &BTreeMap<String, Vec<u8>>,
    config: LogConfig,
    random: &mut Random,
) {
    let what = format!("after {events} events");
    let disk = Disk::holding(files);
    let opened = open(disk.directory(), config).unwrap_or_else(|error| panic!("{what}: {error}"));
    run.check(events, &opened.seen, &what);
    let next = entry(8, 1, 700);
    let before = disk.now();
    commit(&opened.log, std::slice::from_ref(&next));
    let mut expected = opened.seen;
    drop(opened.log);

    let again = Disk::holding(&disk.after_power_loss(random.below(before + 1), random));
    let reopened = open(again.directory(), config).unwrap();
    run.check(events, &reopened.seen, &format!("{what}, again"));

    let kept = if config.durability == Durability::Fsync {
        disk.after_power_loss(disk.now(), random)
    } else {
        disk.files()
    };
    let reopened = open(Disk::holding(&kept).directory(), config).unwrap();
    expected.push(Seen::of(&next));
    assert!(reopened.seen == expected, "{what}: the next entry is lost");
}

fn try_crashes(seed: u64, frees: bool, durability: Durability) -> usize {
    let mut random = Random(seed);
    let config = config(4096 + 1000 + random.next() % 20_000, durability);
    let disk = Disk::default();
    let log = open(disk.directory(), config).unwrap().log;
    let run = run(&|| disk.now(), &log, &mut random, (14, frees, durability));
    for events in 0..=disk.now() {
        for _ in 0..3 {
            let files = disk.after_power_loss(events, &mut random);
            check_image(&run, events, &files, config, &mut random);
        }
    }
    3 * (disk.now() + 1)
}

#[test]
fn no_crash_loses_an_acknowledged_entry() {
    let images: usize =
        (0..20).map(|seed| try_crashes(seed, seed % 2 == 1, Durability::Fsync)).sum();
    assert!(images > 2000, "{images}");
}

#[test]
fn no_crash_loses_a_synced_entry_without_sync_per_group() {
    let images: usize =
        (100..140).map(|seed| try_crashes(seed, seed % 2 == 1, Durability::Os)).sum();
    assert!(images > 2000, "{images}");
}

#[test]
fn no_crash_image_of_the_trace_loses_an_acknowledged_entry() {
    let mut images = 0;
    for (seed, durability) in (0..16).zip([Durability::Fsync, Durability::Os].into_iter().cycle()) {
        let mut random = Random(seed);
        let config = config(4096 + 1000 + random.next() % 20_000, durability);
        let disk = TraceDirectory::new();
        let log = open(disk.directory(), config).unwrap().log;
        let shape = (14, seed % 4 > 1, durability);
        let run = run(&|| disk.position(), &log, &mut random, shape);
        for image in disk.images(seed, 3) {
            let files = image.directory.contents();
            check_image(&run, image.cut, &files, config, &mut random);
            images += 1;
        }
    }
    assert!(images > 2000, "{images}");
}
