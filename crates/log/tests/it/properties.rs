//! Whatever is committed is replayed, through rotations and reopenings.

use proptest::collection::vec;
use proptest::prelude::*;
use vectorizer_log::{Durability, Entry};
use vectorizer_vfs::OsDirectory;

use crate::disk::Disk;
use crate::model::{Seen, commit, config, entry, open};

#[derive(Debug, Clone)]
enum Step {
    Append { shard: u32, payload_bytes: usize },
    Commit,
    Sync,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..5_u32, prop_oneof![0..64_usize, 0..3000_usize])
            .prop_map(|(shard, payload_bytes)| Step::Append { shard, payload_bytes }),
        3 => Just(Step::Commit),
        1 => Just(Step::Sync),
        1 => Just(Step::Reopen),
    ]
}

fn durability() -> impl Strategy<Value = Durability> {
    prop_oneof![Just(Durability::Fsync), Just(Durability::Os)]
}

proptest! {
    #[test]
    fn what_is_committed_is_replayed_in_order(
        steps in vec(step(), 1..120),
        durability in durability(),
        file_bytes in 4096..20_000_u64,
    ) {
        let disk = Disk::default();
        let config = config(file_bytes, durability);
        let mut opened = open(disk.directory(), config).unwrap();
        let mut committed: Vec<Seen> = Vec::new();
        let mut queued: Vec<Entry<u128>> = Vec::new();
        let mut seqs = [0_u64; 5];
        for step in steps {
            match step {
                Step::Append { shard, payload_bytes } => {
                    let seq = &mut seqs[shard as usize];
                    *seq += 1;
                    let entry = entry(shard, *seq, payload_bytes);
                    opened.log.append(entry.clone()).unwrap();
                    queued.push(entry);
                }
                Step::Commit => {
                    let bytes = opened.log.queued_bytes();
                    let group = opened.log.commit().unwrap();
                    prop_assert_eq!(group.bytes, bytes);
                    prop_assert_eq!(&group.entries, &queued);
                    prop_assert_eq!(opened.log.queued_bytes(), 0);
                    if durability == Durability::Fsync {
                        prop_assert_eq!(opened.log.durable_position(), group.position);
                    }
                    committed.extend(queued.drain(..).map(|entry| Seen::of(&entry)));
                }
                Step::Sync => opened.log.sync().unwrap(),
                Step::Reopen => {
                    queued.clear();
                    drop(opened);
                    opened = open(disk.directory(), config).unwrap();
                    prop_assert_eq!(&opened.seen, &committed);
                    prop_assert_eq!(&opened.recovery.torn, &None);
                }
            }
            let on_disk: usize = disk.files().values().map(Vec::len).sum();
            prop_assert_eq!(opened.log.bytes_on_disk(), on_disk as u64);
        }
        drop(opened);
        prop_assert_eq!(open(disk.directory(), config).unwrap().seen, committed);
    }
}

#[test]
fn payloads_of_every_size_round_trip_on_a_real_disk() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(3 << 20, Durability::Fsync);
    let opened = open(OsDirectory::open(folder.path()).unwrap(), config).unwrap();
    let sizes = [0, 1, 7, 8, 9, 4032, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 20, 3];
    let entries: Vec<_> = (1..).zip(sizes).map(|(seq, bytes)| entry(3, seq, bytes)).collect();
    for group in entries.chunks(3) {
        commit(&opened.log, group);
    }
    commit(&opened.log, &entries);
    drop(opened);
    let opened = open(OsDirectory::open(folder.path()).unwrap(), config).unwrap();
    let twice: Vec<_> = entries.iter().chain(&entries).map(Seen::of).collect();
    assert!(opened.seen == twice);
    assert!(opened.recovery.files > 2);
}

#[test]
fn many_threads_append_while_one_commits() {
    let disk = Disk::default();
    let config = config(16 << 10, Durability::Fsync);
    let opened = open(disk.directory(), config).unwrap();
    let log = &opened.log;
    let mut committed = Vec::new();
    std::thread::scope(|scope| {
        for shard in 0..4 {
            scope.spawn(move || {
                for seq in 1..=200 {
                    log.append(entry(shard, seq, 50)).unwrap();
                }
            });
        }
        while committed.len() < 800 {
            let group = log.commit().unwrap();
            committed.extend(group.entries.iter().map(Seen::of));
        }
    });
    for shard in 0..4 {
        let seqs = committed.iter().filter(|seen| seen.shard == shard).map(|seen| seen.seq);
        assert!(seqs.eq(1..=200));
    }
    drop(opened);
    assert_eq!(open(disk.directory(), config).unwrap().seen, committed);
}
