//! Big files written from front to back.

use std::io::IoSliceMut;

use rustix::io::{ReadWriteFlags, preadv2};

use vectorizer_vfs::crash::{Effect, Faults, Mode, Operation, TraceDirectory};
use vectorizer_vfs::{Access, Directory, OsDirectory, SequentialWriter};

const BUFFER: usize = SequentialWriter::bytes_needed();

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251).to_le_bytes()[0]).collect()
}

#[test]
fn appended_bytes_are_padded_and_durable() {
    let disk = TraceDirectory::new();
    let mut writer = SequentialWriter::new(disk.create("a").unwrap());
    let bytes = pattern(3 * BUFFER + 5);
    writer.write(&bytes[..7]).unwrap();
    writer.write(&bytes[7..]).unwrap();
    assert_eq!(writer.position(), bytes.len() as u64);
    let padded = writer.pad_to(4096).unwrap();
    assert_eq!(writer.pad_to(4096).unwrap(), padded);
    writer.write(b"end").unwrap();
    assert_eq!(writer.finish().unwrap(), padded + 3);
    disk.sync().unwrap();
    let found = disk.image(disk.position(), Mode::LoseUnsynced).contents().remove("a").unwrap();
    let (written, rest) = found.split_at(bytes.len());
    assert!(written == bytes);
    let (padding, end) = rest.split_at(rest.len() - 3);
    assert!(padding.iter().all(|byte| *byte == 0));
    assert_eq!(end, b"end");
}

#[test]
fn few_bytes_wait_for_the_device() {
    let disk = TraceDirectory::new();
    let mut writer = SequentialWriter::new(disk.create("a").unwrap());
    for _ in 0..20 {
        writer.write(&vec![1; 1 << 20]).unwrap();
    }
    assert_eq!(writer.finish().unwrap(), 20 << 20);
    let mut waiting = 0;
    for effect in disk.trace() {
        if let Effect::Write { bytes, offset, .. } = &effect {
            assert!(offset.is_multiple_of(BUFFER as u64));
            waiting += bytes.len();
        }
        if matches!(effect, Effect::SyncFile { .. }) {
            waiting = 0;
        }
        assert!(waiting <= 8 << 20);
    }
    assert_eq!(waiting, 0);
}

#[test]
fn nothing_follows_a_failure() {
    let disk = TraceDirectory::new();
    let mut writer = SequentialWriter::new(disk.create("a").unwrap());
    disk.set_faults(Faults::none().fail(Operation::Write, 0));
    let refusal = writer.write(&vec![0; BUFFER]).unwrap_err();
    assert_eq!(refusal.source.raw_os_error(), Some(5));
    writer.write(b"x").unwrap_err();
    writer.pad_to(1).unwrap_err();
    writer.finish().unwrap_err();
    assert_eq!(disk.contents()["a"], b"");
}

#[test]
fn nothing_is_read_beyond_what_is_asked() {
    const READ: usize = 1 << 20;
    let folder = tempfile::tempdir().unwrap();
    let directory = OsDirectory::open(folder.path()).unwrap();
    let mut writer = SequentialWriter::new(directory.create("a").unwrap());
    writer.write(&pattern(16 * BUFFER)).unwrap();
    writer.finish().unwrap();
    let file = directory.open("a", Access::Read).unwrap();
    let mut chunk = vec![0; READ / 8];
    for start in (0..READ as u64).step_by(READ / 8) {
        file.read_exact_at(&mut chunk, start).unwrap();
        file.drop_cache(start, chunk.len() as u64);
    }
    let pages = (0..16 * BUFFER as u64).step_by(4096);
    let left: Vec<u64> = pages.filter(|at| is_cached_at(&*directory, "a", *at)).collect();
    assert_eq!(left, [0; 0], "cached still, of {READ} bytes that were read and dropped");
}

/// Whether the file's first byte can be read without asking the device.
fn is_cached(directory: &dyn Directory, name: &str) -> bool {
    is_cached_at(directory, name, 0)
}

fn is_cached_at(directory: &dyn Directory, name: &str, offset: u64) -> bool {
    let file = directory.open(name, Access::Read).unwrap();
    let mut byte = [0];
    let mut buffers = [IoSliceMut::new(&mut byte)];
    let read = preadv2(file.os_file().unwrap(), &mut buffers, offset, ReadWriteFlags::NOWAIT);
    read.is_ok_and(|count| count == 1)
}

#[test]
fn what_is_written_stays_cached_where_it_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let directory = OsDirectory::open(folder.path()).unwrap().keeping_cached();
    let inner = directory.subdirectory("inner").unwrap();
    for (place, name) in [(&directory, "a"), (&inner, "b")] {
        let mut writer = SequentialWriter::new(place.create(name).unwrap());
        writer.write(&pattern(3 * BUFFER)).unwrap();
        writer.finish().unwrap();
        assert!(is_cached(&**place, name), "{name}");
        place.open(name, Access::Read).unwrap().drop_cache(0, 1 << 30);
        assert!(is_cached(&**place, name), "{name} after a drop");
    }
}
