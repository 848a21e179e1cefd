//! Files go when nothing in them is needed, oldest first, and not before.

use std::ops::ControlFlow;

use vectorizer_log::{Durability, Log, LogError, Position};
use vectorizer_model::{SequenceNumber, ShardId};

use crate::disk::Disk;
use crate::model::{commit, config, entry, open};

fn numbers(disk: &Disk) -> Vec<u64> {
    disk.files().keys().map(|name| name.trim_end_matches(".log").parse().unwrap()).collect()
}

/// One entry per file: shard 1 in files 1, 2, 4, shard 2 in file 3, shard 3 in file 5.
fn five_files(disk: &Disk) -> Log<u128> {
    let log = open(disk.directory(), config(4096, Durability::Fsync)).unwrap().log;
    for (shard, seq) in [(1, 1), (1, 2), (2, 1), (1, 3), (3, 1)] {
        commit(&log, &[entry(shard, seq, 10)]);
    }
    assert_eq!(numbers(disk), [1, 2, 3, 4, 5]);
    log
}

fn pin(shard: u32, seq: u64) -> (ShardId, SequenceNumber) {
    (ShardId(shard), SequenceNumber(seq))
}

fn check_release(disk: &Disk, log: &Log<u128>) {
    assert_eq!(log.collect().unwrap(), 0);
    assert_eq!(log.oldest_pin(), Some(pin(1, 1)));
    log.release(ShardId(1), SequenceNumber(1));
    assert_eq!(log.oldest_pin(), Some(pin(1, 2)));
    assert_eq!(log.collect().unwrap(), 4096 + 80);
    assert_eq!(numbers(disk), [2, 3, 4, 5]);
    // A file behind a pinned one stays.
    log.forget(ShardId(2));
    assert_eq!(log.collect().unwrap(), 0);
    log.release(ShardId(1), SequenceNumber(2));
    assert_eq!(log.collect().unwrap(), 2 * (4096 + 80));
    assert_eq!(numbers(disk), [4, 5]);
    // The file that grows stays.
    log.release(ShardId(1), SequenceNumber(9));
    log.release(ShardId(3), SequenceNumber(1));
    assert_eq!(log.oldest_pin(), None);
    assert_eq!(log.collect().unwrap(), 4096 + 80);
    assert_eq!(numbers(disk), [5]);
    let on_disk: usize = disk.files().values().map(Vec::len).sum();
    assert_eq!(log.bytes_on_disk(), on_disk as u64);
}

#[test]
fn release_and_forget_free_exactly_the_oldest_covered_files() {
    let disk = Disk::default();
    let log = five_files(&disk);
    check_release(&disk, &log);
}

#[test]
fn pins_are_known_again_after_a_replay() {
    let disk = Disk::default();
    drop(five_files(&disk));
    let opened = open(disk.directory(), config(4096, Durability::Fsync)).unwrap();
    let shards = [(1, 3), (2, 1), (3, 1)];
    assert_eq!(
        opened.recovery.shards,
        shards.map(|(shard, seq)| (ShardId(shard), SequenceNumber(seq)))
    );
    check_release(&disk, &opened.log);
    drop(opened);
    let opened = open(disk.directory(), config(4096, Durability::Fsync)).unwrap();
    assert_eq!(opened.seen.len(), 1);
    commit(&opened.log, &[entry(3, 2, 10)]);
    assert_eq!(numbers(&disk), [5, 6]);
}

#[test]
fn with_the_os_the_durable_position_moves_at_syncs() {
    let disk = Disk::default();
    let log = open(disk.directory(), config(4096 + 200, Durability::Os)).unwrap().log;
    assert_eq!(commit(&log, &[entry(1, 1, 10)]).position, Position(1));
    commit(&log, &[entry(1, 2, 10)]);
    assert_eq!(log.durable_position(), Position(0));
    // This one opens the next file.
    assert_eq!(commit(&log, &[entry(1, 3, 10)]).end.file, 2);
    assert_eq!(log.durable_position(), Position(2));
    log.sync().unwrap();
    assert_eq!(log.durable_position(), Position(3));
}

#[test]
fn a_visitor_can_stop() {
    let disk = Disk::default();
    drop(five_files(&disk));
    let stopped = Log::<()>::open(
        disk.directory(),
        config(4096, Durability::Fsync),
        &mut |entry| match entry.shard {
            ShardId(2) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        },
    );
    let error = stopped.map(|_| ()).unwrap_err();
    assert!(matches!(error, LogError::Stopped { at } if at.file == 3), "{error}");
}

#[test]
fn idle_commits_and_syncs_write_nothing() {
    let disk = Disk::default();
    let log = open(disk.directory(), config(4096, Durability::Fsync)).unwrap().log;
    let now = disk.now();
    for _ in 0..3 {
        assert!(log.commit().unwrap().entries.is_empty());
        log.sync().unwrap();
    }
    assert_eq!(disk.now(), now);
    commit(&log, &[entry(1, 1, 10)]);
    log.sync().unwrap();
    let now = disk.now();
    log.sync().unwrap();
    assert_eq!(disk.now(), now);
}
