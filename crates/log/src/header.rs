//! The first page of every log file.
//!
//! It is written and synced before the file gets its first frame, and only after the file before
//! it was synced to its end; so it can state that file's length.

use crate::number::{u32_at, u64_at, u128_at};
use crate::{Fault, Location, LogError};

/// Bytes of the header with its padding; frames begin behind it.
pub(crate) const FILE_HEADER_BYTES: usize = 4096;
/// The format's version.
pub(crate) const FORMAT_VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"VZLOG\0\r\n";

/// What a file says about itself and about the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) number: u64,
    pub(crate) node: u128,
    /// Bytes of the file before this one; 0 for the first.
    pub(crate) previous_bytes: u64,
    /// Truncation records in the file before this one.
    pub(crate) previous_truncations: u64,
}

impl FileHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; FILE_HEADER_BYTES];
        out[0..8].copy_from_slice(MAGIC);
        out[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        out[16..24].copy_from_slice(&self.number.to_le_bytes());
        out[24..40].copy_from_slice(&self.node.to_le_bytes());
        out[40..48].copy_from_slice(&self.previous_bytes.to_le_bytes());
        out[48..56].copy_from_slice(&self.previous_truncations.to_le_bytes());
        let crc = checksum(&out);
        out[12..16].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Whether the bytes are a whole header of any version.
    pub(crate) fn check(bytes: &[u8]) -> Result<(), Fault> {
        if bytes.len() < FILE_HEADER_BYTES {
            let missing = (FILE_HEADER_BYTES - bytes.len()) as u64;
            return Err(Fault::Cut { missing });
        }
        if bytes[0..8] != *MAGIC {
            return Err(Fault::Magic { expected: u64_at(MAGIC, 0), found: u64_at(bytes, 0) });
        }
        let (expected, found) = (checksum(bytes), u32_at(bytes, 12));
        if expected != found {
            return Err(Fault::HeaderChecksum { expected, found });
        }
        Ok(())
    }

    /// Reads the header of the file with this number in its name.
    pub(crate) fn decode(bytes: &[u8], number: u64, node: u128) -> Result<Self, LogError> {
        let damaged = |fault| LogError::Damaged { at: Location { file: number, offset: 0 }, fault };
        Self::check(bytes).map_err(damaged)?;
        let version = u32_at(bytes, 8);
        if version != FORMAT_VERSION {
            return Err(LogError::UnknownVersion { number, known: FORMAT_VERSION, found: version });
        }
        let header = Self {
            number: u64_at(bytes, 16),
            node: u128_at(bytes, 24),
            previous_bytes: u64_at(bytes, 40),
            previous_truncations: u64_at(bytes, 48),
        };
        if header.node != node {
            return Err(LogError::ForeignNode { number, expected: node, found: header.node });
        }
        if header.number != number {
            return Err(damaged(Fault::Field { field: "file number", found: header.number }));
        }
        Ok(header)
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..FILE_HEADER_BYTES])
}
