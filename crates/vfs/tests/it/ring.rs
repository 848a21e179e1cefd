//! Several reads at once.

use std::io::ErrorKind;
use std::sync::Arc;

use vectorizer_vfs::{Access, File, OsDirectory, Read, ReadRing, Result, VfsError};

const PAGE: usize = 4096;
/// More than a ring has places for at once.
const PAGES: usize = 100;

/// A file that can be read by a ring alone.
#[derive(Debug)]
struct RingOnly(Arc<dyn File>);

fn refused() -> VfsError {
    VfsError { call: "read", path: "ring only".into(), source: ErrorKind::Unsupported.into() }
}

impl File for RingOnly {
    fn len(&self) -> Result<u64> {
        self.0.len()
    }

    fn read_exact_at(&self, _buffer: &mut [u8], _offset: u64) -> Result<()> {
        Err(refused())
    }

    fn write_all_at(&self, _bytes: &[u8], _offset: u64) -> Result<()> {
        Err(refused())
    }

    fn sync(&self) -> Result<()> {
        Err(refused())
    }

    fn set_len(&self, _len: u64) -> Result<()> {
        Err(refused())
    }

    fn drop_cache(&self, _offset: u64, _len: u64) {}

    fn os_file(&self) -> Option<&std::fs::File> {
        self.0.os_file()
    }

    fn direct_file(&self) -> Option<&std::fs::File> {
        self.0.direct_file()
    }

    fn held(&self) -> Result<Option<Arc<dyn File>>> {
        let held = self.0.held()?;
        Ok(held.map(|held| Arc::new(Self(held)) as Arc<dyn File>))
    }
}

fn byte_of(page: usize) -> u8 {
    u8::try_from(page % 251 + 1).unwrap()
}

/// A file each of whose pages is full of a byte of its own.
fn file(folder: &tempfile::TempDir, access: Access) -> Arc<dyn File> {
    let directory = OsDirectory::open(folder.path()).unwrap();
    let written = directory.create("pages").unwrap();
    let bytes: Vec<u8> = (0..PAGES * PAGE).map(|at| byte_of(at / PAGE)).collect();
    written.write_all_at(&bytes, 0).unwrap();
    written.sync().unwrap();
    directory.open("pages", access).unwrap()
}

/// `count` pages of zeros, on page boundaries.
fn with_pages(count: usize, with: impl FnOnce(&mut [u8])) {
    let mut memory = vec![0; (count + 1) * PAGE];
    let start = (PAGE - memory.as_ptr().addr() % PAGE) % PAGE;
    with(&mut memory[start..start + count * PAGE]);
}

/// Page `n` of the file into page `PAGES - 1 - n` of the buffer.
fn backwards<'a>(file: &'a dyn File, buffer: &'a mut [u8]) -> Vec<Read<'a>> {
    let pages = buffer.chunks_mut(PAGE).rev().enumerate();
    pages.map(|(page, into)| Read::new(file, into, (page * PAGE) as u64)).collect()
}

#[test]
fn a_ring_reads_more_than_it_has_places_for() {
    let Ok(mut ring) = ReadRing::new() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = RingOnly(file(&folder, Access::ReadDirect));
    if file.direct_file().is_none() {
        return;
    }
    for _ in 0..3 {
        with_pages(PAGES, |buffer| {
            let mut reads = backwards(&file, buffer);
            ring.read(&mut reads);
            assert!(!ring.is_broken());
            for read in reads {
                read.finish().unwrap();
            }
            for (page, bytes) in buffer.chunks(PAGE).rev().enumerate() {
                assert!(bytes.iter().all(|byte| *byte == byte_of(page)), "page {page}");
            }
        });
    }
}

#[test]
fn what_a_ring_does_not_read_is_read_at_the_end() {
    for access in [Access::Read, Access::ReadDirect] {
        let folder = tempfile::tempdir().unwrap();
        let file = file(&folder, access);
        with_pages(3, |buffer| {
            let offsets = [1, PAGES, 2].map(|page| (page * PAGE) as u64);
            let pages = buffer.chunks_mut(PAGE).zip(offsets);
            let mut reads: Vec<Read<'_>> =
                pages.map(|(into, offset)| Read::new(&*file, into, offset)).collect();
            if let Ok(mut ring) = ReadRing::new() {
                ring.read(&mut reads);
            }
            let outcomes: Vec<Result<()>> = reads.into_iter().map(Read::finish).collect();
            assert!(outcomes[0].is_ok() && outcomes[2].is_ok(), "{outcomes:?}");
            let beyond = outcomes[1].as_ref().unwrap_err();
            assert_eq!(beyond.source.kind(), ErrorKind::UnexpectedEof);
            assert_eq!((buffer[0], buffer[2 * PAGE]), (byte_of(1), byte_of(2)));
        });
    }
}
