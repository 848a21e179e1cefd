//! Writing a big file from front to back without filling the page cache.
//!
//! Bytes gather in one buffer of fixed size. After every [`SYNC_INTERVAL`] bytes the file is synced
//! and the written part dropped from the page cache, so that a container's limit is never met by
//! dirty pages. Writes to the file begin at multiples of the buffer size.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{Result, VfsError};
use crate::traits::File;

/// Bytes that one writer buffers.
const BUFFER_BYTES: usize = 256 << 10;

/// Bytes that may wait in the page cache for the device.
const SYNC_INTERVAL: u64 = 1 << 20;

/// Appends to a file that nobody else writes.
#[derive(Debug)]
pub struct SequentialWriter {
    file: Arc<dyn File>,
    buffer: Vec<u8>,
    /// Where the buffer belongs in the file.
    written: u64,
    /// All before is durable.
    synced: u64,
    /// The first failure; nothing is written after it.
    failure: Option<(PathBuf, io::ErrorKind)>,
}

impl SequentialWriter {
    /// The memory that one writer holds.
    pub const fn bytes_needed() -> usize {
        BUFFER_BYTES
    }

    /// Writes from the file's beginning.
    pub fn new(file: Arc<dyn File>) -> Self {
        let buffer = Vec::with_capacity(BUFFER_BYTES);
        Self { file, buffer, written: 0, synced: 0, failure: None }
    }

    /// The offset that the next byte gets.
    pub fn position(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Appends the bytes.
    ///
    /// # Errors
    /// The system's refusal, after which every call fails: nobody knows what was written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.check()?;
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.buffer.is_empty() && rest.len() >= BUFFER_BYTES {
                let (whole, after) = rest.split_at(BUFFER_BYTES);
                self.put(whole)?;
                rest = after;
            } else {
                let room = BUFFER_BYTES - self.buffer.len();
                let (part, after) = rest.split_at(room.min(rest.len()));
                self.buffer.extend_from_slice(part);
                rest = after;
                if self.buffer.len() == BUFFER_BYTES {
                    self.flush()?;
                }
            }
        }
        Ok(())
    }

    /// Appends zeros up to the next multiple of `alignment`; says where that is.
    ///
    /// # Errors
    /// As [`Self::write`].
    ///
    /// # Panics
    /// If `alignment` is 0.
    pub fn pad_to(&mut self, alignment: u64) -> Result<u64> {
        const ZEROS: [u8; 4096] = [0; 4096];
        assert!(alignment > 0, "an alignment is at least 1");
        let end = self.position().next_multiple_of(alignment);
        while self.position() < end {
            let missing = end - self.position();
            let count = usize::try_from(missing).map_or(ZEROS.len(), |n| n.min(ZEROS.len()));
            self.write(ZEROS.get(..count).unwrap_or_default())?;
        }
        self.check()?;
        Ok(end)
    }

    /// Writes what is buffered, makes all durable and returns the offset after the last byte.
    ///
    /// # Errors
    /// The system's refusal; the file is worthless.
    pub fn finish(mut self) -> Result<u64> {
        self.check()?;
        self.flush()?;
        self.sync_and_drop()?;
        Ok(self.written)
    }

    fn check(&self) -> Result<()> {
        let Some((path, kind)) = &self.failure else {
            return Ok(());
        };
        Err(VfsError { call: "write after a failure", path: path.clone(), source: (*kind).into() })
    }

    fn flush(&mut self) -> Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        let answer = self.put(&buffer);
        self.buffer = buffer;
        self.buffer.clear();
        answer
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        let answer = self.file.write_all_at(bytes, self.written);
        self.note(answer)?;
        self.written += bytes.len() as u64;
        if self.written - self.synced >= SYNC_INTERVAL {
            self.sync_and_drop()?;
        }
        Ok(())
    }

    fn sync_and_drop(&mut self) -> Result<()> {
        let answer = self.file.sync();
        self.note(answer)?;
        // From the beginning: the system keeps some pages that it is asked to drop, if they were
        // only just synced.
        self.file.drop_cache(0, self.written);
        self.synced = self.written;
        Ok(())
    }

    fn note(&mut self, answer: Result<()>) -> Result<()> {
        if let Err(error) = &answer {
            self.failure = Some((error.path.clone(), error.source.kind()));
        }
        answer
    }
}
