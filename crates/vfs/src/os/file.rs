//! An open file of the operating system.

use std::fs;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::fs::{Advice, OFlags, fadvise, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

use super::pool::Place;
use crate::error::{Result, failed, refused};
use crate::traits::File;

/// What offsets, lengths and buffers of direct reads are multiples of.
const DIRECT_ALIGNMENT: usize = 4096;

/// Reads and writes through the page cache.
const CACHED: u8 = 0;
/// Reads past the page cache.
const DIRECT: u8 = 1;
/// Was to read past the page cache, but the file system refuses: what a read brings in is dropped.
const AROUND: u8 = 2;

/// A file with the path it was opened by.
#[derive(Debug)]
pub(super) struct OsFile {
    file: fs::File,
    path: PathBuf,
    route: AtomicU8,
    keeps_cached: bool,
    /// Of a handle that counts in a pool.
    _place: Option<Place>,
}

impl OsFile {
    pub(super) fn new(file: fs::File, path: PathBuf) -> Self {
        Self { file, path, route: AtomicU8::new(CACHED), keeps_cached: false, _place: None }
    }

    /// A file opened with `O_DIRECT`.
    pub(super) fn direct(file: fs::File, path: PathBuf) -> Self {
        Self { file, path, route: AtomicU8::new(DIRECT), keeps_cached: false, _place: None }
    }

    /// A file that refuses `O_DIRECT`.
    pub(super) fn around_cache(file: fs::File, path: PathBuf) -> Self {
        Self { file, path, route: AtomicU8::new(AROUND), keeps_cached: false, _place: None }
    }

    pub(super) fn keeping_cached(mut self, keeps: bool) -> Self {
        self.keeps_cached = keeps;
        self
    }

    /// A handle that takes a place in a pool as long as it is open.
    pub(super) fn in_place(self, place: Place) -> Self {
        Self { _place: Some(place), ..self }
    }

    /// The system opens folders for reading; this is not a file then.
    pub(super) fn refuse_folder(&self) -> Result<()> {
        let metadata = self.file.metadata().map_err(failed("stat", &self.path))?;
        if metadata.is_dir() { Err(refused("open", &self.path, Errno::ISDIR)) } else { Ok(()) }
    }

    /// Reads until the buffer is full or the file ends; says how many bytes.
    ///
    /// A direct read that stops off the alignment has met the end; asking again from there would
    /// be refused.
    fn read_up_to(&self, buffer: &mut [u8], offset: u64, alignment: usize) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let Some(rest) = buffer.get_mut(filled..) else {
                break;
            };
            match self.file.read_at(rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if !filled.is_multiple_of(alignment) {
                break;
            }
        }
        Ok(filled)
    }

    fn read_direct(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.read_up_to(buffer, offset, DIRECT_ALIGNMENT) {
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                // Aligned and still refused: this file system cannot, or wants more alignment.
                let flags = fcntl_getfl(&self.file)?;
                fcntl_setfl(&self.file, flags - OFlags::DIRECT)?;
                self.route.store(AROUND, Ordering::Relaxed);
                self.read_around(buffer, offset)
            }
            answer => answer,
        }
    }

    fn read_around(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let filled = self.read_up_to(buffer, offset, 1)?;
        self.drop_cache(offset, filled as u64);
        Ok(filled)
    }
}

/// Whether a direct read may ask for this.
fn is_aligned(buffer: &[u8], offset: u64) -> bool {
    buffer.as_ptr().addr().is_multiple_of(DIRECT_ALIGNMENT)
        && buffer.len().is_multiple_of(DIRECT_ALIGNMENT)
        && offset.is_multiple_of(DIRECT_ALIGNMENT as u64)
}

impl File for OsFile {
    fn len(&self) -> Result<u64> {
        let metadata = self.file.metadata().map_err(failed("stat", &self.path))?;
        Ok(metadata.len())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let route = self.route.load(Ordering::Relaxed);
        if route != CACHED && !is_aligned(buffer, offset) {
            return Err(refused("read", &self.path, Errno::INVAL));
        }
        let filled = match route {
            DIRECT => self.read_direct(buffer, offset),
            AROUND => self.read_around(buffer, offset),
            _ => self.read_up_to(buffer, offset, 1),
        };
        let filled = filled.map_err(failed("read", &self.path))?;
        if filled < buffer.len() {
            let end = io::Error::from(io::ErrorKind::UnexpectedEof);
            return Err(failed("read", &self.path)(end));
        }
        Ok(())
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.file.write_all_at(bytes, offset).map_err(failed("write", &self.path))
    }

    fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(failed("fdatasync", &self.path))
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.file.set_len(len).map_err(failed("truncate", &self.path))
    }

    fn drop_cache(&self, offset: u64, len: u64) {
        if let Some(len) = NonZeroU64::new(len).filter(|_| !self.keeps_cached) {
            fadvise(&self.file, offset, Some(len), Advice::DontNeed).ok();
        }
    }

    fn os_file(&self) -> Option<&fs::File> {
        Some(&self.file)
    }

    fn direct_file(&self) -> Option<&fs::File> {
        (self.route.load(Ordering::Relaxed) == DIRECT).then_some(&self.file)
    }
}
