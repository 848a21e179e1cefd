//! A file whose every byte tells its offset, with reads that can be made to fail.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use vectorizer_memory::{Governor, Limits};
use vectorizer_pages::{Config, Growth, Misses, Open, Pool, Region, Residency};
use vectorizer_vfs::{File, Result, VfsError};

pub(crate) const PAGE: usize = 4096;
pub(crate) const MIB: usize = 1 << 20;

/// The byte at an offset of every pattern file; never zero, so that memory that was never read
/// into does not pass.
pub(crate) fn pattern(offset: usize) -> u8 {
    let mixed = (offset as u64 ^ (offset as u64 >> 12) << 5).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8 | 1
}

#[derive(Debug)]
pub(crate) struct PatternFile {
    len: u64,
    pub(crate) reads: AtomicU64,
    /// A read over this offset fails; `u64::MAX` for none.
    pub(crate) broken_at: AtomicU64,
}

impl PatternFile {
    pub(crate) fn new(len: usize) -> Arc<Self> {
        Arc::new(Self {
            len: len as u64,
            reads: AtomicU64::new(0),
            broken_at: AtomicU64::new(u64::MAX),
        })
    }
}

pub(crate) fn failed(kind: io::ErrorKind) -> VfsError {
    VfsError { call: "read", path: "pattern".into(), source: kind.into() }
}

impl File for PatternFile {
    fn len(&self) -> Result<u64> {
        Ok(self.len)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        self.reads.fetch_add(1, SeqCst);
        assert!(buffer.len().is_multiple_of(PAGE) && offset.is_multiple_of(PAGE as u64));
        let end = offset + buffer.len() as u64;
        if (offset..end).contains(&self.broken_at.load(SeqCst)) {
            buffer.fill(0xee);
            return Err(failed(io::ErrorKind::Other));
        }
        if end > self.len {
            return Err(failed(io::ErrorKind::UnexpectedEof));
        }
        for (at, byte) in buffer.iter_mut().enumerate() {
            *byte = pattern(offset as usize + at);
        }
        Ok(())
    }

    fn write_all_at(&self, _bytes: &[u8], _offset: u64) -> Result<()> {
        Err(failed(io::ErrorKind::Unsupported))
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn set_len(&self, _len: u64) -> Result<()> {
        Err(failed(io::ErrorKind::Unsupported))
    }

    fn drop_cache(&self, _offset: u64, _len: u64) {}

    fn os_file(&self) -> Option<&std::fs::File> {
        None
    }
}

pub(crate) fn governor() -> Arc<Governor> {
    Governor::new(Limits::of_root(1 << 30))
}

pub(crate) fn pool(governor: &Arc<Governor>, capacity: usize, extent_bytes: usize) -> Arc<Pool> {
    let config = Config {
        capacity: capacity as u64,
        growth: Growth::None,
        extent_bytes,
        readers_max: 16,
        misses: Misses::Threads,
    };
    Pool::new(governor, config).unwrap()
}

pub(crate) fn governed(pool: &Pool, file: &Arc<PatternFile>) -> Region {
    let file: Arc<dyn File> = Arc::<PatternFile>::clone(file);
    pool.open(file, &Open::whole(Residency::Governed)).unwrap()
}

pub(crate) fn check(bytes: &[u8], offset: usize) {
    for (at, byte) in bytes.iter().enumerate() {
        assert_eq!(*byte, pattern(offset + at), "byte {}", offset + at);
    }
}

/// A small generator; quality does not matter here.
pub(crate) struct Draws(pub(crate) u64);

impl Draws {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}
