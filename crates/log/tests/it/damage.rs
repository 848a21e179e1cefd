//! A torn tail is dropped, damage is named, and the two are never confused.

use std::collections::BTreeMap;

use vectorizer_log::{Durability, Location, LogConfig, LogError};

use crate::disk::Disk;
use crate::model::{NODE, Seen, commit, config, entry, open};

const HEADER_BYTES: usize = 4096;

/// A log of several files and groups, all proven durable by a mark: its files, entries and the
/// place of the mark.
fn proven_log(config: LogConfig) -> (BTreeMap<String, Vec<u8>>, Vec<Seen>, Location) {
    let disk = Disk::default();
    let opened = open(disk.directory(), config).unwrap();
    let mut seen = Vec::new();
    let mut end = opened.recovery.end;
    for group in 0..6_u64 {
        let entries: Vec<_> =
            (0..3).map(|of| entry(of, group + 1, 13 * usize::try_from(group).unwrap())).collect();
        end = commit(&opened.log, &entries).end;
        seen.extend(entries.iter().map(Seen::of));
    }
    opened.log.sync().unwrap();
    (disk.files(), seen, end)
}

fn name(number: u64) -> String {
    format!("{number:010}.log")
}

#[test]
fn a_flipped_byte_of_what_was_durable_is_named() {
    for durability in [Durability::Fsync, Durability::Os] {
        let config = config(4096 + 700, durability);
        let (files, _, end) = proven_log(config);
        assert!(files.len() >= 3, "{}", files.len());
        for number in 1..=end.file {
            let whole = &files[&name(number)];
            let durable =
                if number == end.file { usize::try_from(end.offset).unwrap() } else { whole.len() };
            for at in 0..durable {
                let mut files = files.clone();
                files.get_mut(&name(number)).unwrap()[at] ^= 0x10;
                match open(Disk::holding(&files).directory(), config).map(|_| ()) {
                    Err(LogError::Damaged { at: found, .. }) => {
                        assert_eq!(found.file, number, "byte {at}");
                        assert!(found.offset <= at as u64, "byte {at}: {found}");
                        assert!(at as u64 - found.offset < HEADER_BYTES as u64, "{at}: {found}");
                    }
                    other => panic!("file {number} byte {at}: {other:?}"),
                }
            }
        }
    }
}

#[test]
fn a_mark_proves_even_the_smallest_frame_before_it() {
    let config = config(1 << 20, Durability::Os);
    let disk = Disk::default();
    let opened = open(disk.directory(), config).unwrap();
    commit(&opened.log, &[entry(1, 1, 0)]);
    opened.log.sync().unwrap();
    for at in HEADER_BYTES..HEADER_BYTES + 64 {
        let mut files = disk.files();
        files.get_mut(&name(1)).unwrap()[at] ^= 1;
        let error = open(Disk::holding(&files).directory(), config).map(|_| ()).unwrap_err();
        assert!(matches!(error, LogError::Damaged { at, .. } if at.offset == 4096), "{error}");
    }
}

#[test]
fn a_flipped_byte_of_the_mark_costs_nothing_but_the_mark() {
    let config = config(1 << 20, Durability::Fsync);
    let (files, seen, end) = proven_log(config);
    let end = usize::try_from(end.offset).unwrap();
    for at in end..files[&name(1)].len() {
        let mut files = files.clone();
        files.get_mut(&name(1)).unwrap()[at] ^= 1;
        let opened = open(Disk::holding(&files).directory(), config).unwrap();
        assert_eq!(opened.seen, seen);
        assert_eq!(opened.recovery.torn.unwrap().bytes, 64);
    }
}

#[test]
fn a_log_cut_at_any_byte_gives_the_frames_before() {
    let config = config(1 << 20, Durability::Fsync);
    let disk = Disk::default();
    let opened = open(disk.directory(), config).unwrap();
    let mut seen = Vec::new();
    let mut ends = Vec::new();
    for group in 0..5 {
        let entries: Vec<_> = (0..group).map(|of| entry(1, group * 10 + of, 30)).collect();
        commit(&opened.log, &entries);
        for entry in &entries {
            seen.push(Seen::of(entry));
            ends.push(HEADER_BYTES + seen.len() * (64 + 32));
        }
    }
    let whole = disk.files()[&name(1)].clone();
    assert_eq!(ends.last(), Some(&whole.len()));
    for cut in 0..=whole.len() {
        for filled in [false, true] {
            let mut bytes = whole[..cut].to_vec();
            if filled {
                bytes.resize(whole.len(), 0);
            }
            let disk = Disk::holding(&BTreeMap::from([(name(1), bytes)]));
            let result = open(disk.directory(), config);
            if filled && cut < HEADER_BYTES {
                // Longer than a header that was never synced can make it.
                let zeros_only = whole[cut..HEADER_BYTES].iter().all(|&byte| byte == 0);
                assert_eq!(result.is_ok(), zeros_only, "cut {cut}");
                continue;
            }
            let opened = result.unwrap();
            let intact = ends.iter().filter(|&&end| end <= cut || filled && fits(&whole, cut, end));
            let intact = intact.count();
            assert_eq!(opened.seen, seen[..intact], "cut {cut}");
            // It goes on from there.
            let next = entry(2, 1, 100);
            commit(&opened.log, std::slice::from_ref(&next));
            drop(opened);
            let expected: Vec<_> =
                seen[..intact].iter().cloned().chain([Seen::of(&next)]).collect();
            assert_eq!(open(disk.directory(), config).unwrap().seen, expected);
        }
    }
}

/// Whether the bytes between the cut and the end were zero anyway.
fn fits(whole: &[u8], cut: usize, end: usize) -> bool {
    cut < end && whole[cut..end].iter().all(|&byte| byte == 0)
}

#[test]
fn an_early_frame_of_the_last_group_may_be_torn_while_a_later_one_is_whole() {
    for durability in [Durability::Fsync, Durability::Os] {
        let config = config(1 << 20, durability);
        let disk = Disk::default();
        let opened = open(disk.directory(), config).unwrap();
        let first: Vec<_> = (1..4).map(|seq| entry(1, seq, 600)).collect();
        let second: Vec<_> = (4..8).map(|seq| entry(1, seq, 600)).collect();
        let start = usize::try_from(commit(&opened.log, &first).end.offset).unwrap();
        opened.log.sync().unwrap();
        let start = start + 64;
        commit(&opened.log, &second);
        for lost in [start, start + 64, start + 512] {
            let mut files = disk.files();
            files.get_mut(&name(1)).unwrap()[lost..lost + 512].fill(0);
            let opened = open(Disk::holding(&files).directory(), config).unwrap();
            assert_eq!(opened.seen, first.iter().map(Seen::of).collect::<Vec<_>>());
            assert_eq!(opened.recovery.torn.unwrap().at.offset, start as u64);
        }
        // One more group, and the same loss is damage.
        opened.log.sync().unwrap();
        commit(&opened.log, &[entry(1, 8, 10)]);
        let mut files = disk.files();
        files.get_mut(&name(1)).unwrap()[start + 64..start + 576].fill(0);
        let error = open(Disk::holding(&files).directory(), config).map(|_| ()).unwrap_err();
        let expected = Location { file: 1, offset: start as u64 };
        assert!(matches!(error, LogError::Damaged { at, .. } if at == expected), "{error}");
    }
}

#[test]
fn a_payload_that_holds_a_log_proves_nothing() {
    let config = config(1 << 20, Durability::Fsync);
    let (files, _, _) = proven_log(config);
    let disk = Disk::default();
    let opened = open(disk.directory(), config).unwrap();
    let first = entry(1, 1, 100);
    let end = commit(&opened.log, std::slice::from_ref(&first)).end.offset;
    let mut second = entry(1, 2, 0);
    second.payload.clone_from(&files[&name(1)]);
    commit(&opened.log, &[second]);
    let mut files = disk.files();
    files.get_mut(&name(1)).unwrap()[usize::try_from(end).unwrap() + 8] ^= 1;
    let opened = open(Disk::holding(&files).directory(), config).unwrap();
    assert_eq!(opened.seen, [Seen::of(&first)]);
}

#[test]
fn missing_cut_and_foreign_files_are_refused() {
    let config = config(4096 + 700, Durability::Fsync);
    let (files, _, end) = proven_log(config);
    assert!(end.file >= 3);

    let mut gap = files.clone();
    gap.remove(&name(2));
    let error = open(Disk::holding(&gap).directory(), config).map(|_| ()).unwrap_err();
    assert!(matches!(error, LogError::Missing { number: 2 }), "{error}");

    let mut short = files.clone();
    let len = short[&name(1)].len();
    short.get_mut(&name(1)).unwrap().truncate(HEADER_BYTES);
    let error = open(Disk::holding(&short).directory(), config).map(|_| ()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("log file 1 at byte 4096 is damaged: the file has 4096 bytes, expected {len}")
    );

    let stranger = LogConfig { node: NODE + 1, ..config };
    let error = open(Disk::holding(&files).directory(), stranger).map(|_| ()).unwrap_err();
    assert!(matches!(error, LogError::ForeignNode { number: 1, .. }), "{error}");
}

#[test]
fn a_file_is_complete_once_the_creation_of_the_next_began() {
    let config = config(1 << 20, Durability::Fsync);
    let disk = Disk::default();
    let opened = open(disk.directory(), config).unwrap();
    let group: Vec<_> = (1..4).map(|seq| entry(1, seq, 100)).collect();
    let end = usize::try_from(commit(&opened.log, &group).end.offset).unwrap();
    for unborn in [0, 1000, HEADER_BYTES] {
        let mut files = disk.files();
        files.insert(name(2), vec![0; unborn]);
        let disk = Disk::holding(&files);
        let opened = open(disk.directory(), config).unwrap();
        assert_eq!(opened.seen.len(), 3);
        assert_eq!(disk.files().len(), 1);

        files.get_mut(&name(1)).unwrap()[end - 20] ^= 1;
        let disk = Disk::holding(&files);
        for _ in 0..2 {
            let error = open(disk.directory(), config).map(|_| ()).unwrap_err();
            assert!(matches!(error, LogError::Damaged { at, .. } if at.file == 1), "{error}");
        }
        assert_eq!(disk.files(), files);
    }
}

#[test]
fn files_that_are_not_the_logs_are_left_alone() {
    let disk = Disk::holding(&BTreeMap::from([("LOCK".to_owned(), vec![1, 2])]));
    let config = config(4096, Durability::Fsync);
    commit(&open(disk.directory(), config).unwrap().log, &[entry(1, 1, 1)]);
    assert_eq!(disk.files()["LOCK"], [1, 2]);
}
