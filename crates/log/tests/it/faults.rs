//! A disk that refuses: nothing is acknowledged, and nothing goes on as if it had not happened.

use std::io::ErrorKind;

use vectorizer_log::{Durability, LogError};
use vectorizer_model::limits;

use crate::disk::{Disk, Trouble};
use crate::model::{Opened, Seen, commit, config, entry, open};

fn trouble(call: &'static str, kind: ErrorKind) -> Trouble {
    Trouble { call, after: 0, kind, partial: 0 }
}

/// A log with one committed entry, on its disk.
fn begun(durability: Durability) -> (Disk, Opened, Seen) {
    let disk = Disk::default();
    let opened = open(disk.directory(), config(1 << 20, durability)).unwrap();
    let first = entry(1, 1, 100);
    commit(&opened.log, std::slice::from_ref(&first));
    (disk, opened, Seen::of(&first))
}

fn assert_poisoned(opened: &Opened, call: &str) {
    let refused = opened.log.append(entry(9, 1, 10)).unwrap_err();
    assert_eq!(refused.entries, [entry(9, 1, 10)]);
    assert!(refused.cause.to_string().contains(call), "{}", refused.cause);
    for cause in [
        refused.cause,
        opened.log.commit().unwrap_err().cause,
        opened.log.sync().unwrap_err(),
        opened.log.collect().unwrap_err(),
    ] {
        assert!(matches!(cause, LogError::Poisoned { .. }), "{cause}");
    }
}

#[test]
fn a_failed_write_or_sync_stops_the_log_and_hands_the_entries_back() {
    for call in ["write", "sync"] {
        let (disk, opened, first) = begun(Durability::Fsync);
        disk.trouble(trouble(call, ErrorKind::Other));
        let entries = [entry(1, 2, 10), entry(2, 1, 20)];
        for entry in &entries {
            opened.log.append(entry.clone()).unwrap();
        }
        let durable = opened.log.durable_position();
        let refused = opened.log.commit().unwrap_err();
        assert_eq!(refused.entries, entries);
        assert!(matches!(refused.cause, LogError::Poisoned { .. }));
        assert_eq!(opened.log.durable_position(), durable);
        assert_poisoned(&opened, call);

        let reopened = open(disk.directory(), config(1 << 20, Durability::Fsync)).unwrap();
        assert_eq!(reopened.seen[0], first);
        commit(&reopened.log, &[entry(1, 3, 10)]);
    }
}

#[test]
fn a_full_disk_refuses_the_group_and_nothing_else() {
    for durability in [Durability::Fsync, Durability::Os] {
        for partial in [0, 1, 63, 64, 100, 300] {
            let (disk, opened, first) = begun(durability);
            let before = disk.files();
            disk.trouble(Trouble { partial, ..trouble("write", ErrorKind::StorageFull) });
            let refused_entries = [entry(1, 2, 100), entry(1, 3, 100)];
            for entry in &refused_entries {
                opened.log.append(entry.clone()).unwrap();
            }
            let refused = opened.log.commit().unwrap_err();
            assert_eq!(refused.entries, refused_entries);
            assert!(matches!(refused.cause, LogError::Disk(_)), "{}", refused.cause);
            assert_eq!(disk.files(), before);

            let next = entry(1, 2, 50);
            commit(&opened.log, std::slice::from_ref(&next));
            let reopened = open(disk.directory(), config(1 << 20, durability)).unwrap();
            assert_eq!(reopened.seen, [first, Seen::of(&next)]);
        }
    }
}

#[test]
fn a_full_disk_that_cannot_be_taken_back_stops_the_log() {
    for then in ["set_len", "sync"] {
        let (disk, opened, _) = begun(Durability::Fsync);
        disk.trouble(trouble("write", ErrorKind::StorageFull));
        disk.trouble(trouble(then, ErrorKind::Other));
        opened.log.append(entry(1, 2, 10)).unwrap();
        assert_eq!(opened.log.commit().unwrap_err().entries, [entry(1, 2, 10)]);
        assert_poisoned(&opened, "write");
    }
}

#[test]
fn a_full_disk_within_a_large_group_leaves_none_of_it() {
    let (disk, opened, first) = begun(Durability::Fsync);
    let before = disk.files();
    disk.trouble(Trouble { after: 2, ..trouble("write", ErrorKind::StorageFull) });
    for seq in 2..8 {
        opened.log.append(entry(1, seq, 700 << 10)).unwrap();
    }
    assert_eq!(opened.log.commit().unwrap_err().entries.len(), 6);
    // The group went into the next file, which stays, without a frame.
    let mut after = disk.files();
    assert_eq!(after.remove("0000000002.log").map(|bytes| bytes.len()), Some(4096));
    assert_eq!(after, before);
    drop(opened);
    let reopened = open(disk.directory(), config(1 << 20, Durability::Fsync)).unwrap();
    assert_eq!(reopened.seen, [first]);
}

#[test]
fn a_rotation_that_fails_refuses_or_stops() {
    let cases = [
        ("create", ErrorKind::StorageFull, true),
        ("write", ErrorKind::StorageFull, true),
        ("write", ErrorKind::Other, false),
        ("sync", ErrorKind::Other, false),
        ("sync names", ErrorKind::Other, false),
    ];
    for (call, kind, usable) in cases {
        let disk = Disk::default();
        let config = config(4096 + 200, Durability::Fsync);
        let opened = open(disk.directory(), config).unwrap();
        let first = entry(1, 1, 100);
        commit(&opened.log, std::slice::from_ref(&first));
        disk.trouble(Trouble { partial: 1000, ..trouble(call, kind) });
        opened.log.append(entry(1, 2, 100)).unwrap();
        let refused = opened.log.commit().unwrap_err();
        assert_eq!(refused.entries, [entry(1, 2, 100)]);
        let mut expected = vec![Seen::of(&first)];
        if usable {
            assert!(matches!(refused.cause, LogError::Disk(_)), "{call}: {}", refused.cause);
            commit(&opened.log, &[entry(1, 2, 90)]);
            expected.push(Seen::of(&entry(1, 2, 90)));
        } else {
            assert_poisoned(&opened, call);
        }
        drop(opened);
        let reopened = open(disk.directory(), config).unwrap();
        assert_eq!(reopened.seen, expected, "{call} {kind}");
        commit(&reopened.log, &[entry(1, 3, 100)]);
        drop(reopened);
        expected.push(Seen::of(&entry(1, 3, 100)));
        assert_eq!(open(disk.directory(), config).unwrap().seen, expected);
    }
}

#[test]
fn entries_queued_during_a_failure_come_back_too() {
    let (disk, opened, _) = begun(Durability::Fsync);
    disk.trouble(trouble("sync names", ErrorKind::Other));
    // A failed removal is only tried again; a failed sync of the folder stops the log.
    drop(opened);
    let opened = open(disk.directory(), config(1 << 20, Durability::Fsync));
    assert!(matches!(opened.map(|_| ()).unwrap_err(), LogError::Disk(_)));
    let opened = open(disk.directory(), config(4096 + 64, Durability::Fsync)).unwrap();
    commit(&opened.log, &[entry(1, 2, 100)]);
    opened.log.release(entry(1, 1, 0).shard, entry(1, 1, 0).seq);
    opened.log.append(entry(1, 3, 100)).unwrap();
    disk.trouble(trouble("remove", ErrorKind::Other));
    assert!(matches!(opened.log.collect().unwrap_err(), LogError::Disk(_)));
    disk.trouble(trouble("sync names", ErrorKind::Other));
    assert!(matches!(opened.log.collect().unwrap_err(), LogError::Poisoned { .. }));
    assert_eq!(opened.log.commit().unwrap_err().entries, [entry(1, 3, 100)]);
    assert_poisoned(&opened, "sync names");
}

#[test]
fn a_mark_without_room_is_done_without() {
    let (disk, opened, first) = begun(Durability::Fsync);
    disk.trouble(Trouble { partial: 10, ..trouble("write", ErrorKind::StorageFull) });
    opened.log.sync().unwrap();
    opened.log.sync().unwrap();
    opened.log.sync().unwrap();
    drop(opened);
    let reopened = open(disk.directory(), config(1 << 20, Durability::Fsync)).unwrap();
    assert_eq!(reopened.seen, [first]);
    assert_eq!(reopened.recovery.end.offset, 4096 + 168 + 64);
}

#[test]
fn an_entry_beyond_the_limit_is_refused_and_comes_back() {
    let opened = open(Disk::default().directory(), config(4096, Durability::Os)).unwrap();
    let mut large = entry(1, 1, 0);
    large.payload = vec![0; usize::try_from(limits::OPERATION_BYTES_MAX).unwrap() + 1];
    let refused = opened.log.append(large).unwrap_err();
    assert!(matches!(refused.cause, LogError::EntryTooLarge { .. }));
    assert_eq!(refused.entries.len(), 1);
    assert_eq!(opened.log.queued_bytes(), 0);
    assert_eq!(opened.log.commit().unwrap().bytes, 0);
}
