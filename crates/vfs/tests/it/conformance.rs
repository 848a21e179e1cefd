//! One suite for the system's folder and for the one in memory.

use std::io::ErrorKind;
use std::sync::Arc;

use vectorizer_vfs::crash::TraceDirectory;
use vectorizer_vfs::{Access, Directory, EntryKind, OsDirectory, Result};

#[test]
fn the_systems_folder_conforms() {
    let folder = tempfile::tempdir().unwrap();
    suite(&|name| OsDirectory::open(folder.path().join(name).join("deep")).unwrap());
}

#[test]
fn the_folder_in_memory_conforms() {
    suite(&|_| TraceDirectory::new().directory());
}

fn suite(open: &dyn Fn(&str) -> Arc<dyn Directory>) {
    creation_is_exclusive(&*open("create"));
    bytes_read_as_written(&*open("bytes"));
    a_file_ends(&*open("end"));
    length_is_set(&*open("length"));
    a_rename_replaces(&*open("rename"));
    members_are_sorted(&*open("list"));
    folders_nest(&*open("nest"));
    removed_files_stay_readable(&*open("remove"));
    direct_reads_are_aligned(&*open("direct"));
    access_is_kept(&*open("access"));
    names_are_single_components(&*open("names"));
}

/// The kind of the refusal.
fn kind<T: std::fmt::Debug>(answer: Result<T>) -> ErrorKind {
    answer.unwrap_err().source.kind()
}

fn put(directory: &dyn Directory, name: &str, bytes: &[u8]) {
    let file = directory.create(name).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file.sync().unwrap();
}

fn get(directory: &dyn Directory, name: &str) -> Vec<u8> {
    let file = directory.open(name, Access::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

fn creation_is_exclusive(directory: &dyn Directory) {
    assert_eq!(kind(directory.open("a", Access::Write)), ErrorKind::NotFound);
    assert!(directory.create("a").unwrap().is_empty().unwrap());
    assert_eq!(kind(directory.create("a")), ErrorKind::AlreadyExists);
    directory.subdirectory("d").unwrap();
    assert_eq!(kind(directory.create("d")), ErrorKind::AlreadyExists);
    assert_eq!(kind(directory.open("d", Access::Read)), ErrorKind::IsADirectory);
}

fn bytes_read_as_written(directory: &dyn Directory) {
    let file = directory.create("a").unwrap();
    file.write_all_at(b"hello world", 3).unwrap();
    file.write_all_at(b"W", 9).unwrap();
    file.write_all_at(b"", 900).unwrap();
    file.sync().unwrap();
    directory.sync().unwrap();
    file.drop_cache(0, 14);
    let mut bytes = [1; 14];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"\0\0\0hello World");
    assert_eq!(get(directory, "a"), bytes);
    let room = directory.space().unwrap();
    assert!(room.total >= room.available && room.total > 0);
}

fn a_file_ends(directory: &dyn Directory) {
    put(directory, "a", b"abc");
    let file = directory.open("a", Access::Read).unwrap();
    assert_eq!(kind(file.read_exact_at(&mut [0; 4], 0)), ErrorKind::UnexpectedEof);
    assert_eq!(kind(file.read_exact_at(&mut [0; 1], 3)), ErrorKind::UnexpectedEof);
    assert_eq!(kind(file.read_exact_at(&mut [0; 1], 1 << 40)), ErrorKind::UnexpectedEof);
    file.read_exact_at(&mut [], 3).unwrap();
}

fn length_is_set(directory: &dyn Directory) {
    put(directory, "a", b"abcdef");
    let file = directory.open("a", Access::Write).unwrap();
    file.set_len(2).unwrap();
    file.set_len(5).unwrap();
    assert_eq!(file.len().unwrap(), 5);
    assert_eq!(get(directory, "a"), b"ab\0\0\0");
}

fn a_rename_replaces(directory: &dyn Directory) {
    put(directory, "new", b"new");
    put(directory, "old", b"old");
    let old = directory.open("old", Access::Read).unwrap();
    directory.rename("new", "old").unwrap();
    assert_eq!(get(directory, "old"), b"new");
    assert_eq!(kind(directory.open("new", Access::Read)), ErrorKind::NotFound);
    assert_eq!(kind(directory.rename("new", "old")), ErrorKind::NotFound);
    let mut bytes = [0; 3];
    old.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"old");
    directory.rename("old", "old").unwrap();
    assert_eq!(get(directory, "old"), b"new");
    directory.subdirectory("d").unwrap();
    assert_eq!(kind(directory.rename("old", "d")), ErrorKind::IsADirectory);
}

fn members_are_sorted(directory: &dyn Directory) {
    assert!(directory.list().unwrap().is_empty());
    for name in ["b", "a", "B", "10", "9"] {
        put(directory, name, b"");
    }
    directory.subdirectory("aa").unwrap();
    let names: Vec<String> =
        directory.list().unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["10", "9", "B", "a", "aa", "b"]);
    let kinds = directory.list().unwrap();
    let folders = kinds.iter().filter(|entry| entry.kind == EntryKind::Directory);
    assert_eq!(folders.map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["aa"]);
}

fn folders_nest(directory: &dyn Directory) {
    let inner = directory.subdirectory("inner").unwrap();
    put(&*inner, "a", b"inside");
    put(&*inner.subdirectory("innermost").unwrap(), "b", b"");
    assert_eq!(get(&*directory.subdirectory("inner").unwrap(), "a"), b"inside");
    inner.sync().unwrap();
    assert_eq!(kind(directory.remove("inner")), ErrorKind::IsADirectory);
    put(directory, "file", b"");
    assert_eq!(kind(directory.subdirectory("file")), ErrorKind::NotADirectory);
    directory.remove_subdirectory("inner").unwrap();
    assert_eq!(kind(directory.remove_subdirectory("inner")), ErrorKind::NotFound);
    assert_eq!(kind(inner.create("c")), ErrorKind::NotFound);
    assert!(directory.subdirectory("inner").unwrap().list().unwrap().is_empty());
}

fn removed_files_stay_readable(directory: &dyn Directory) {
    put(directory, "a", b"abc");
    let file = directory.open("a", Access::Read).unwrap();
    directory.remove("a").unwrap();
    assert_eq!(kind(directory.remove("a")), ErrorKind::NotFound);
    let mut bytes = [0; 3];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"abc");
    put(directory, "a", b"again");
    assert_eq!(file.len().unwrap(), 3);
}

fn direct_reads_are_aligned(directory: &dyn Directory) {
    let content: Vec<u8> = (0..9000_u32).map(|n| n.to_le_bytes()[0] ^ 5).collect();
    put(directory, "a", &content);
    let file = directory.open("a", Access::ReadDirect).unwrap();
    let mut memory = vec![0_u8; 4 * 4096];
    let start = memory.as_ptr().align_offset(4096);
    let aligned = &mut memory[start..start + 2 * 4096];
    file.read_exact_at(aligned, 0).unwrap();
    assert_eq!(aligned, &content[..8192]);
    assert_eq!(kind(file.read_exact_at(&mut aligned[..4096], 8192)), ErrorKind::UnexpectedEof);
    assert_eq!(kind(file.read_exact_at(&mut aligned[..4096], 512)), ErrorKind::InvalidInput);
    assert_eq!(kind(file.read_exact_at(&mut aligned[..512], 0)), ErrorKind::InvalidInput);
    assert_eq!(kind(file.read_exact_at(&mut aligned[1..4097], 0)), ErrorKind::InvalidInput);
}

fn access_is_kept(directory: &dyn Directory) {
    put(directory, "a", b"abc");
    let file = directory.open("a", Access::Read).unwrap();
    assert_eq!(file.write_all_at(b"x", 0).unwrap_err().source.raw_os_error(), Some(9));
    assert_eq!(kind(file.set_len(0)), ErrorKind::InvalidInput);
    file.sync().unwrap();
    assert_eq!(get(directory, "a"), b"abc");
}

fn names_are_single_components(directory: &dyn Directory) {
    put(directory, "a", b"");
    for name in ["", ".", "..", "a/b", "/a", "a\0"] {
        assert_eq!(kind(directory.create(name)), ErrorKind::InvalidInput, "{name:?}");
        assert_eq!(kind(directory.rename("a", name)), ErrorKind::InvalidInput, "{name:?}");
        assert_eq!(kind(directory.remove_subdirectory(name)), ErrorKind::InvalidInput, "{name:?}");
    }
}
