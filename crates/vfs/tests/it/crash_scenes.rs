//! What crashes may leave, case by case.

use std::collections::BTreeSet;

use vectorizer_vfs::crash::{CrashImage, Faults, Mode, Operation, TraceDirectory};
use vectorizer_vfs::{Directory, File};

/// What `look` sees in random images of all that was done.
fn seen<T: Ord>(disk: &TraceDirectory, look: impl Fn(&TraceDirectory) -> T) -> BTreeSet<T> {
    let cut = disk.position();
    (0..400).map(|seed| look(&disk.image(cut, Mode::Random(seed)))).collect()
}

fn file(disk: &TraceDirectory, name: &str) -> Option<Vec<u8>> {
    disk.contents().remove(name)
}

fn durable(disk: &TraceDirectory, name: &str, bytes: &[u8]) -> std::sync::Arc<dyn File> {
    let file = disk.create(name).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file.sync().unwrap();
    disk.sync().unwrap();
    file
}

#[test]
fn a_rename_without_synced_content_may_lose_the_content() {
    let disk = TraceDirectory::new();
    durable(&disk, "a", b"old");
    let new = disk.create("a.tmp").unwrap();
    new.write_all_at(&[7; 1024], 0).unwrap();
    disk.rename("a.tmp", "a").unwrap();
    disk.sync().unwrap();
    let contents = seen(&disk, |image| file(image, "a").unwrap());
    assert!(contents.contains(&Vec::new()), "short");
    assert!(contents.contains(&vec![0; 1024]), "zeros");
    assert!(contents.contains(&[[0; 512], [7; 512]].concat()), "torn and reordered");
    assert!(contents.contains(&vec![7; 1024]), "whole");
    assert!(!contents.contains(&b"old"[..]), "the name was durable");
}

#[test]
fn a_rename_without_a_synced_folder_is_old_or_new() {
    let disk = TraceDirectory::new();
    durable(&disk, "a", b"old");
    let new = disk.create("a.tmp").unwrap();
    new.write_all_at(b"new", 0).unwrap();
    new.sync().unwrap();
    disk.rename("a.tmp", "a").unwrap();
    let contents = seen(&disk, |image| file(image, "a").unwrap());
    assert_eq!(contents, [b"new".to_vec(), b"old".to_vec()].into());
    let names = seen(&disk, |image| file(image, "a.tmp"));
    assert_eq!(names, [None, Some(b"new".to_vec())].into());
}

#[test]
fn writes_to_one_sector_keep_their_order() {
    let disk = TraceDirectory::new();
    let log = durable(&disk, "a", &[0; 3]);
    for at in 0..3 {
        log.write_all_at(&[1], at).unwrap();
    }
    let contents = seen(&disk, |image| file(image, "a").unwrap());
    assert_eq!(contents.len(), 4);
    assert!(!contents.contains(&vec![0, 1, 0]));
}

#[test]
fn what_follows_a_cut_needs_the_cut() {
    let disk = TraceDirectory::new();
    let log = durable(&disk, "a", b"oldoldold");
    log.set_len(0).unwrap();
    log.write_all_at(b"new", 0).unwrap();
    let contents = seen(&disk, |image| file(image, "a").unwrap());
    let expected = [b"oldoldold".to_vec(), Vec::new(), vec![0; 3], b"new".to_vec()];
    assert_eq!(contents, expected.into());
}

#[test]
fn a_sync_after_a_failed_one_does_not_bring_the_bytes_back() {
    let disk = TraceDirectory::new();
    let log = durable(&disk, "a", b"");
    log.write_all_at(&[1; 1024], 0).unwrap();
    disk.set_faults(Faults::none().fail(Operation::SyncFile, 0));
    assert_eq!(log.sync().unwrap_err().source.raw_os_error(), Some(5));
    log.write_all_at(&[2; 4], 512).unwrap();
    log.sync().unwrap();
    let lost = file(&disk.image(disk.position(), Mode::LoseUnsynced), "a").unwrap();
    assert_eq!(lost[..512], [0; 512], "never written");
    assert_eq!(lost[512..], [vec![2; 4], vec![1; 508]].concat(), "written again");
    let cut = file(&disk.image(disk.position(), Mode::CutOnly), "a").unwrap();
    assert_eq!(cut, disk.contents()["a"]);
}

#[test]
fn names_after_a_failed_sync_are_not_durable() {
    let disk = TraceDirectory::new();
    for name in ["a", "b"] {
        disk.create(name).unwrap();
    }
    disk.set_faults(Faults::none().fail(Operation::SyncDirectory, 0));
    disk.sync().unwrap_err();
    disk.rename("b", "c").unwrap();
    disk.sync().unwrap();
    let image = disk.image(disk.position(), Mode::LoseUnsynced);
    assert_eq!(image.contents().into_keys().collect::<Vec<_>>(), ["c"]);
}

#[test]
fn folders_need_syncs_around_and_inside() {
    let disk = TraceDirectory::new();
    let inner = disk.subdirectory("d").unwrap();
    inner.create("a").unwrap().sync().unwrap();
    inner.sync().unwrap();
    let lost = |disk: &TraceDirectory| disk.image(disk.position(), Mode::LoseUnsynced);
    assert!(lost(&disk).list().unwrap().is_empty());
    disk.sync().unwrap();
    assert!(lost(&disk).contents().contains_key("d/a"));
    disk.remove_subdirectory("d").unwrap();
    assert!(lost(&disk).contents().contains_key("d/a"));
    disk.sync().unwrap();
    assert!(lost(&disk).list().unwrap().is_empty());
}

#[test]
fn a_full_disk_takes_what_fits() {
    let disk = TraceDirectory::new();
    let log = durable(&disk, "a", b"abc");
    disk.set_faults(Faults::none().room(2));
    let refusal = log.write_all_at(b"ABCDEF", 0).unwrap_err();
    assert_eq!(refusal.source.raw_os_error(), Some(28));
    assert_eq!(disk.contents()["a"], b"ABCDE");
    log.write_all_at(b"xyz", 0).unwrap();
    disk.set_faults(Faults::none());
    log.write_all_at(b"F", 5).unwrap();
}

#[test]
fn the_nth_call_fails_and_changes_nothing() {
    let disk = TraceDirectory::new();
    disk.set_faults(Faults::none().fail(Operation::Create, 1).fail_from(Operation::Rename, 0));
    disk.create("a").unwrap();
    disk.create("b").unwrap_err();
    disk.create("b").unwrap();
    disk.rename("a", "b").unwrap_err();
    disk.rename("a", "b").unwrap_err();
    assert_eq!(disk.contents().len(), 2);
    assert_eq!(disk.position(), 2);
}

#[test]
fn images_are_disks_that_can_crash_again() {
    let disk = TraceDirectory::new();
    let log = durable(&disk, "log", b"");
    let start = disk.position();
    for n in 0..4 {
        log.write_all_at(&[n; 700], u64::from(n) * 700).unwrap();
    }
    let images: Vec<CrashImage> = disk.images(3, 5).starting_at(start).collect();
    assert_eq!(images.len(), (disk.position() - start + 1) * 7);
    for CrashImage { cut, mode, directory } in images {
        assert_eq!(directory.contents(), disk.image(cut, mode).contents());
        let again = directory.image(0, Mode::LoseUnsynced);
        assert_eq!(again.contents(), directory.contents());
        directory.remove("log").unwrap();
        assert!(directory.image(1, Mode::CutOnly).contents().is_empty());
        assert_eq!(directory.image(1, Mode::LoseUnsynced).contents(), again.contents());
    }
}
