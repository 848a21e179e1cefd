//! The file that grows.
//!
//! Bytes are written at `end` only; everything below `synced` is durable, and every frame says
//! so. A failed write may be taken back as long as nothing behind it was written; a failed sync
//! never is, because nobody can say what it left behind.

use std::sync::Arc;

use vectorizer_vfs::{Directory, File, VfsError};

use crate::files::file_name;
use crate::frame::{FRAME_ALIGNMENT, FrameHeader, FrameKind, Seed, padding_bytes};
use crate::header::{FILE_HEADER_BYTES, FileHeader};
use crate::queue::Queued;
use crate::{Location, Position};

/// Bytes gathered into one write, and clean bytes left in the page cache at most.
const CHUNK_BYTES: usize = 1 << 20;
const PAGE_BYTES: u64 = 4096;
/// Bytes that an open log keeps for gathering, and about as many while it is replayed; an entry
/// that is larger than a chunk is written from where it lies.
pub const BUFFER_BYTES: u64 = 2 * CHUNK_BYTES as u64;

/// A write or sync that failed.
pub(crate) enum Failure {
    /// The file ends where it ended before, durably: the log stays usable.
    Restored(VfsError),
    /// Nobody can say what the disk holds.
    Lost(VfsError),
}

/// The last file and what is known of it.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) file: Arc<dyn File>,
    pub(crate) number: u64,
    pub(crate) node: u128,
    pub(crate) end: u64,
    pub(crate) synced: u64,
    /// Truncation records in this file.
    pub(crate) truncations: u64,
    /// Whether a mark already says that everything before it was durable.
    pub(crate) marked: bool,
    /// The last position that was written.
    pub(crate) written: Position,
    /// Everything below was dropped from the page cache.
    pub(crate) dropped: u64,
    pub(crate) buffer: Vec<u8>,
}

impl Writer {
    /// Creates the file that `header` names, durably.
    pub(crate) fn create(dir: &dyn Directory, header: FileHeader) -> Result<Self, Failure> {
        let name = file_name(header.number);
        let file = dir.create(&name).map_err(Failure::Restored)?;
        if let Err(error) = file.write_all_at(&header.encode(), 0) {
            let removed = error.is_full() && dir.remove(&name).is_ok() && dir.sync().is_ok();
            return Err(Failure::of(removed, error));
        }
        file.sync().map_err(Failure::Lost)?;
        dir.sync().map_err(Failure::Lost)?;
        let end = FILE_HEADER_BYTES as u64;
        Ok(Self {
            file,
            number: header.number,
            node: header.node,
            end,
            synced: end,
            truncations: 0,
            marked: true,
            written: Position(0),
            dropped: 0,
            buffer: Vec::new(),
        })
    }

    pub(crate) fn location(&self) -> Location {
        Location { file: self.number, offset: self.end }
    }

    /// Whether `bytes` more belong into the next file.
    pub(crate) fn is_full_for(&self, bytes: u64, file_bytes: u64) -> bool {
        self.end > FILE_HEADER_BYTES as u64 && self.end.saturating_add(bytes) > file_bytes
    }

    /// Completes this file and opens the next.
    pub(crate) fn rotate(&mut self, dir: &dyn Directory) -> Result<(), Failure> {
        self.sync()?;
        let next = FileHeader {
            number: self.number + 1,
            node: self.node,
            previous_bytes: self.end,
            previous_truncations: self.truncations,
        };
        let next = Self::create(dir, next)?;
        self.file.drop_cache(self.dropped, self.end - self.dropped);
        *self = Self { written: self.written, buffer: std::mem::take(&mut self.buffer), ..next };
        Ok(())
    }

    /// Writes one group behind the end; not synced.
    pub(crate) fn append<C>(&mut self, items: &[Queued<C>]) -> Result<(), Failure> {
        let mut end = self.end;
        let mut truncations = self.truncations;
        self.buffer.clear();
        for item in items {
            if let Queued::Truncation { .. } = item {
                truncations += 1;
            }
            let mut written = self.put(item, &mut end);
            if written.is_ok() && self.buffer.len() >= CHUNK_BYTES {
                written = self.flush(&mut end);
            }
            written.map_err(|error| self.take_back(error))?;
        }
        let written = self.flush(&mut end);
        written.map_err(|error| self.take_back(error))?;
        self.end = end;
        self.truncations = truncations;
        self.marked = false;
        Ok(())
    }

    /// Writes the proof that everything so far is durable; not synced. Once is enough.
    pub(crate) fn mark(&mut self) -> Result<(), Failure> {
        if self.marked || self.synced < self.end {
            return Ok(());
        }
        let mark = FrameHeader::mark(self.synced).encode(self.seed(), self.end);
        let written = self.file.write_all_at(&mark, self.end);
        written.map_err(|error| self.take_back(error))?;
        self.end += mark.len() as u64;
        self.marked = true;
        Ok(())
    }

    /// Makes everything written durable.
    pub(crate) fn sync(&mut self) -> Result<(), Failure> {
        if self.synced == self.end {
            return Ok(());
        }
        self.file.sync().map_err(Failure::Lost)?;
        self.synced = self.end;
        let whole_pages = self.synced - self.synced % PAGE_BYTES;
        if whole_pages >= self.dropped + CHUNK_BYTES as u64 {
            self.file.drop_cache(self.dropped, whole_pages - self.dropped);
            self.dropped = whole_pages;
        }
        Ok(())
    }

    fn seed(&self) -> Seed {
        Seed::new(self.node, self.number)
    }

    /// Puts a frame into the buffer, or past it if its payload is large. `end` is the file offset
    /// behind the bytes that are written, the buffer not counted.
    fn put<C>(&mut self, item: &Queued<C>, end: &mut u64) -> Result<(), VfsError> {
        let (header, payload) = match item {
            Queued::Entry { entry, payload_crc } => {
                let header = FrameHeader {
                    kind: FrameKind::Entry,
                    payload_bytes: u32::try_from(entry.payload.len())
                        .expect("append refuses payloads beyond the limit"),
                    payload_crc: *payload_crc,
                    shard: entry.shard,
                    epoch: entry.epoch,
                    seq: entry.seq,
                    request: entry.request,
                    synced: self.synced,
                };
                (header, entry.payload.as_slice())
            }
            Queued::Truncation { shard, seq } => {
                let header =
                    FrameHeader { synced: self.synced, ..FrameHeader::truncation(*shard, *seq) };
                (header, [].as_slice())
            }
        };
        if self.buffer.len() + payload.len() > CHUNK_BYTES {
            self.flush(end)?;
        }
        let offset = *end + self.buffer.len() as u64;
        let head = header.encode(self.seed(), offset);
        self.buffer.extend_from_slice(&head);
        if payload.len() >= CHUNK_BYTES {
            self.flush(end)?;
            self.file.write_all_at(payload, *end)?;
            *end += payload.len() as u64;
        } else {
            self.buffer.extend_from_slice(payload);
        }
        let padding = padding_bytes(payload.len());
        self.buffer.extend_from_slice(&[0; FRAME_ALIGNMENT][..padding]);
        Ok(())
    }

    /// Writes the buffer at `end`.
    fn flush(&mut self, end: &mut u64) -> Result<(), VfsError> {
        if !self.buffer.is_empty() {
            self.file.write_all_at(&self.buffer, *end)?;
            *end += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }

    /// After a failed write behind `end`: cuts what may stand there, if the disk was merely full.
    fn take_back(&mut self, error: VfsError) -> Failure {
        let restored =
            error.is_full() && self.file.set_len(self.end).is_ok() && self.file.sync().is_ok();
        if restored {
            self.synced = self.end;
        }
        Failure::of(restored, error)
    }
}

impl Failure {
    fn of(restored: bool, error: VfsError) -> Self {
        if restored { Self::Restored(error) } else { Self::Lost(error) }
    }
}
