//! Frames out of a file, in order and in bounded memory, and the search for a proof.

use vectorizer_vfs::File;

use crate::Fault;
use crate::frame::{FRAME_ALIGNMENT, FRAME_HEADER_BYTES, FRAME_MAGIC, FrameHeader, Seed};
use crate::header::FILE_HEADER_BYTES;

/// Bytes read at once; a frame larger than this is read whole.
const CHUNK_BYTES: usize = 1 << 20;

/// What stands next in a file.
pub(crate) enum Step<'a> {
    /// An intact frame.
    Frame { at: u64, header: FrameHeader, payload: &'a [u8] },
    /// Nothing: the file ends between two frames.
    End,
    /// Something else.
    Broken { at: u64, fault: Fault },
}

/// Reads a file's frames from its header to `limit`.
pub(crate) struct FrameReader<'f> {
    file: &'f dyn File,
    seed: Seed,
    limit: u64,
    /// File offset of `buffer[start]`, the next byte to look at.
    offset: u64,
    buffer: Vec<u8>,
    start: usize,
}

impl<'f> FrameReader<'f> {
    pub(crate) fn new(file: &'f dyn File, seed: Seed, limit: u64) -> Self {
        Self { file, seed, limit, offset: FILE_HEADER_BYTES as u64, buffer: Vec::new(), start: 0 }
    }

    /// The next frame. After [`Step::End`] or [`Step::Broken`] it answers the same again.
    pub(crate) fn step(&mut self) -> vectorizer_vfs::Result<Step<'_>> {
        let at = self.offset;
        let remaining = self.limit.saturating_sub(at);
        if remaining == 0 {
            return Ok(Step::End);
        }
        let broken = |fault| Ok(Step::Broken { at, fault });
        if remaining < FRAME_HEADER_BYTES as u64 {
            return broken(Fault::Cut { missing: FRAME_HEADER_BYTES as u64 - remaining });
        }
        self.fill(FRAME_HEADER_BYTES)?;
        let mut head = [0; FRAME_HEADER_BYTES];
        head.copy_from_slice(&self.buffer[self.start..self.start + FRAME_HEADER_BYTES]);
        let header = match FrameHeader::decode(&head, self.seed, at) {
            Ok(header) => header,
            Err(fault) => return broken(fault),
        };
        let total = header.frame_bytes();
        if remaining < total {
            return broken(Fault::Cut { missing: total - remaining });
        }
        let total_bytes = header.payload_bytes as usize + FRAME_HEADER_BYTES;
        let total_bytes = total_bytes.next_multiple_of(FRAME_ALIGNMENT);
        self.fill(total_bytes)?;
        let body = &self.buffer[self.start + FRAME_HEADER_BYTES..self.start + total_bytes];
        let (payload, padding) = body.split_at(header.payload_bytes as usize);
        let found = crc32c::crc32c(payload);
        if found != header.payload_crc {
            return broken(Fault::PayloadChecksum { expected: header.payload_crc, found });
        }
        if padding.iter().any(|&byte| byte != 0) {
            return broken(Fault::Padding);
        }
        self.start += total_bytes;
        self.offset += total;
        Ok(Step::Frame { at, header, payload })
    }

    /// Goes on at another offset, behind a broken frame.
    pub(crate) fn resume(&mut self, offset: u64) {
        self.offset = offset;
        self.buffer.clear();
        self.start = 0;
    }

    /// Makes at least `bytes` bytes stand in the buffer; the caller knows that the file has them.
    fn fill(&mut self, bytes: usize) -> vectorizer_vfs::Result<()> {
        let buffered = self.buffer.len() - self.start;
        if buffered >= bytes {
            return Ok(());
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        if self.buffer.capacity() > 2 * CHUNK_BYTES && bytes <= CHUNK_BYTES {
            self.buffer.shrink_to(CHUNK_BYTES);
        }
        let remaining = usize::try_from(self.limit - self.offset).unwrap_or(usize::MAX);
        self.buffer.resize(bytes.max(CHUNK_BYTES).min(remaining), 0);
        let read_at = self.offset + buffered as u64;
        self.file.read_exact_at(&mut self.buffer[buffered..], read_at)
    }
}

/// Looks behind a broken frame for a frame that was written when the broken one was durable.
///
/// Only headers count: each is checked against its own place, so that one intact header proves
/// what was durable before it was written, whatever became of its payload.
pub(crate) fn find_proof(
    file: &dyn File,
    bytes: u64,
    broken: u64,
    seed: Seed,
) -> vectorizer_vfs::Result<Option<u64>> {
    find_header(file, bytes, broken, seed, |header| header.synced > broken)
}

/// Looks behind a broken frame for the next intact header that is wanted.
pub(crate) fn find_header(
    file: &dyn File,
    bytes: u64,
    broken: u64,
    seed: Seed,
    wanted: impl Fn(&FrameHeader) -> bool,
) -> vectorizer_vfs::Result<Option<u64>> {
    let magic = FRAME_MAGIC.to_le_bytes();
    let mut window = vec![0; CHUNK_BYTES];
    let mut at = broken + FRAME_ALIGNMENT as u64;
    while at + FRAME_HEADER_BYTES as u64 <= bytes {
        let held = usize::try_from(bytes - at).unwrap_or(usize::MAX);
        let held = held.min(CHUNK_BYTES);
        file.read_exact_at(&mut window[..held], at)?;
        let mut start = 0;
        while start + FRAME_HEADER_BYTES <= held {
            if window[start..start + magic.len()] == magic {
                let mut head = [0; FRAME_HEADER_BYTES];
                head.copy_from_slice(&window[start..start + FRAME_HEADER_BYTES]);
                let place = at + start as u64;
                let header = FrameHeader::decode(&head, seed, place);
                if header.is_ok_and(|header| wanted(&header)) {
                    return Ok(Some(place));
                }
            }
            start += FRAME_ALIGNMENT;
        }
        at += start as u64;
    }
    Ok(None)
}
