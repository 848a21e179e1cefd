//! A truncation record voids what stands before it, and nothing else.

use proptest::collection::vec;
use proptest::prelude::*;
use vectorizer_log::Durability;
use vectorizer_model::{SequenceNumber, ShardId};

use crate::disk::Disk;
use crate::model::{Seen, commit, config, entry, open};

proptest! {
    #[test]
    fn replay_equals_a_list_that_is_cut(
        steps in vec((0..3_u32, 0..4_u8, 0..6_u64), 1..60),
        file_bytes in 4096..6000_u64,
    ) {
        let disk = Disk::default();
        let config = config(file_bytes, Durability::Fsync);
        let log = open(disk.directory(), config).unwrap().log;
        let mut expected: Vec<Seen> = Vec::new();
        let mut seqs = [0_u64; 3];
        for (shard, kind, back) in steps {
            let seq = &mut seqs[shard as usize];
            if kind == 0 {
                *seq = seq.saturating_sub(back);
                log.truncate_after(ShardId(shard), SequenceNumber(*seq)).unwrap();
                expected.retain(|seen| seen.shard != shard || seen.seq <= *seq);
            } else {
                *seq += 1;
                let mut entry = entry(shard, *seq, 90);
                entry.request.0 = u128::from(back);
                log.append(entry.clone()).unwrap();
                expected.push(Seen::of(&entry));
            }
            if kind == 1 {
                log.commit().unwrap();
            }
        }
        log.commit().unwrap();
        drop(log);
        let opened = open(disk.directory(), config).unwrap();
        prop_assert_eq!(opened.seen, expected);
    }
}

#[test]
fn void_entries_pin_nothing() {
    for reopened in [false, true] {
        let disk = Disk::default();
        let config = config(4096, Durability::Fsync);
        let mut log = open(disk.directory(), config).unwrap().log;
        for seq in 1..=3 {
            commit(&log, &[entry(1, seq, 10)]);
        }
        log.truncate_after(ShardId(1), SequenceNumber(1)).unwrap();
        let group = log.commit().unwrap();
        assert!(group.entries.is_empty());
        assert_eq!(group.bytes, 64);
        if reopened {
            drop(log);
            let opened = open(disk.directory(), config).unwrap();
            assert_eq!(opened.recovery.void_entries, 2);
            log = opened.log;
        }
        log.release(ShardId(1), SequenceNumber(1));
        assert_eq!(log.collect().unwrap(), 3 * (4096 + 80));
        assert_eq!(disk.files().len(), 1);
    }
}
