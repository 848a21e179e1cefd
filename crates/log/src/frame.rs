//! The bytes of one frame.
//!
//! The header's checksum is seeded with the node, the file's number and the frame's own offset,
//! so that neither a stale block nor a payload that looks like a frame passes for one. It covers
//! the payload's checksum, which is computed apart, before the frame's place is known.

use vectorizer_model::{Epoch, RequestId, SequenceNumber, ShardId, limits};

use crate::Fault;
use crate::header::FILE_HEADER_BYTES;
use crate::number::{u32_at, u64_at, u128_at};

/// Bytes of a frame before its payload.
pub(crate) const FRAME_HEADER_BYTES: usize = 64;
/// Frames begin at multiples of this.
pub(crate) const FRAME_ALIGNMENT: usize = 8;
/// The first bytes of every frame: "VZFR".
pub(crate) const FRAME_MAGIC: u32 = u32::from_le_bytes(*b"VZFR");

const _: () =
    assert!(limits::OPERATION_BYTES_MAX < u32::MAX as u64, "a payload's length must fit its field");
const _: () = assert!(FRAME_HEADER_BYTES.is_multiple_of(FRAME_ALIGNMENT));

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// Carries an entry.
    Entry,
    /// Voids the entries of its shard that stand before it and have a higher seq.
    Truncation,
    /// Carries nothing but its `synced`: the proof that what stands before it was durable.
    Mark,
}

impl FrameKind {
    fn code(self) -> u32 {
        match self {
            Self::Entry => 1,
            Self::Truncation => 2,
            Self::Mark => 3,
        }
    }

    fn from_code(code: u32) -> Option<Self> {
        match code {
            1 => Some(Self::Entry),
            2 => Some(Self::Truncation),
            3 => Some(Self::Mark),
            _ => None,
        }
    }
}

/// What a header's checksum starts from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seed(u32);

impl Seed {
    pub(crate) fn new(node: u128, file: u64) -> Self {
        let node = crc32c::crc32c(&node.to_le_bytes());
        Self(crc32c::crc32c_append(node, &file.to_le_bytes()))
    }
}

/// A frame without its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) kind: FrameKind,
    pub(crate) payload_bytes: u32,
    pub(crate) payload_crc: u32,
    pub(crate) shard: ShardId,
    pub(crate) epoch: Epoch,
    pub(crate) seq: SequenceNumber,
    pub(crate) request: RequestId,
    /// All bytes of the file below this offset were durable before this frame was written.
    pub(crate) synced: u64,
}

impl FrameHeader {
    /// A mark.
    pub(crate) fn mark(synced: u64) -> Self {
        Self { synced, ..Self::truncation(ShardId::CATALOGUE, SequenceNumber::ZERO) }
            .of_kind(FrameKind::Mark)
    }

    /// A truncation record.
    pub(crate) fn truncation(shard: ShardId, seq: SequenceNumber) -> Self {
        Self {
            kind: FrameKind::Truncation,
            payload_bytes: 0,
            payload_crc: 0,
            shard,
            epoch: Epoch(0),
            seq,
            request: RequestId(0),
            synced: 0,
        }
    }

    fn of_kind(self, kind: FrameKind) -> Self {
        Self { kind, ..self }
    }

    /// The frame's bytes before its payload, for this place.
    pub(crate) fn encode(&self, seed: Seed, offset: u64) -> [u8; FRAME_HEADER_BYTES] {
        let mut out = [0; FRAME_HEADER_BYTES];
        out[0..4].copy_from_slice(&FRAME_MAGIC.to_le_bytes());
        out[8..12].copy_from_slice(&self.kind.code().to_le_bytes());
        out[12..16].copy_from_slice(&self.payload_bytes.to_le_bytes());
        out[16..20].copy_from_slice(&self.payload_crc.to_le_bytes());
        out[20..24].copy_from_slice(&self.shard.0.to_le_bytes());
        out[24..32].copy_from_slice(&self.epoch.0.to_le_bytes());
        out[32..40].copy_from_slice(&self.seq.0.to_le_bytes());
        out[40..56].copy_from_slice(&self.request.0.to_le_bytes());
        out[56..64].copy_from_slice(&self.synced.to_le_bytes());
        let crc = checksum(&out, seed, offset);
        out[4..8].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads what stands at `offset`. The payload is not looked at.
    pub(crate) fn decode(
        bytes: &[u8; FRAME_HEADER_BYTES],
        seed: Seed,
        offset: u64,
    ) -> Result<Self, Fault> {
        let magic = u32_at(bytes, 0);
        if magic != FRAME_MAGIC {
            return Err(Fault::Magic { expected: FRAME_MAGIC.into(), found: magic.into() });
        }
        let (expected, found) = (checksum(bytes, seed, offset), u32_at(bytes, 4));
        if expected != found {
            return Err(Fault::HeaderChecksum { expected, found });
        }
        let code = u32_at(bytes, 8);
        let kind = FrameKind::from_code(code)
            .ok_or(Fault::Field { field: "kind", found: u64::from(code) })?;
        let header = Self {
            kind,
            payload_bytes: u32_at(bytes, 12),
            payload_crc: u32_at(bytes, 16),
            shard: ShardId(u32_at(bytes, 20)),
            epoch: Epoch(u64_at(bytes, 24)),
            seq: SequenceNumber(u64_at(bytes, 32)),
            request: RequestId(u128_at(bytes, 40)),
            synced: u64_at(bytes, 56),
        };
        header.check(offset)?;
        Ok(header)
    }

    /// Bounds that every writer keeps.
    fn check(&self, offset: u64) -> Result<(), Fault> {
        let payload_bytes = u64::from(self.payload_bytes);
        if payload_bytes > limits::OPERATION_BYTES_MAX {
            return Err(Fault::Field { field: "payload length", found: payload_bytes });
        }
        if self.synced > offset || self.synced < FILE_HEADER_BYTES as u64 {
            return Err(Fault::Field { field: "durable offset", found: self.synced });
        }
        Ok(())
    }

    /// Bytes of the whole frame with its padding.
    pub(crate) fn frame_bytes(&self) -> u64 {
        frame_bytes(u64::from(self.payload_bytes))
    }
}

/// Bytes of a frame that carries this many, with its padding.
pub(crate) fn frame_bytes(payload_bytes: u64) -> u64 {
    (FRAME_HEADER_BYTES as u64 + payload_bytes).next_multiple_of(FRAME_ALIGNMENT as u64)
}

/// Bytes of padding behind a payload of this length.
pub(crate) fn padding_bytes(payload_bytes: usize) -> usize {
    payload_bytes.next_multiple_of(FRAME_ALIGNMENT) - payload_bytes
}

fn checksum(bytes: &[u8; FRAME_HEADER_BYTES], seed: Seed, offset: u64) -> u32 {
    let placed = crc32c::crc32c_append(seed.0, &offset.to_le_bytes());
    crc32c::crc32c_append(placed, &bytes[8..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> FrameHeader {
        FrameHeader {
            kind: FrameKind::Entry,
            payload_bytes: 5,
            payload_crc: 0x0102_0304,
            shard: ShardId(7),
            epoch: Epoch(8),
            seq: SequenceNumber(9),
            request: RequestId(10),
            synced: 4096,
        }
    }

    #[test]
    fn the_bytes_are_frozen() {
        let bytes = header().encode(Seed::new(1, 1), 4096);
        let hex = bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        assert_eq!(
            hex,
            "565a465262c7a894010000000500000004030201070000000800000000000000\
             09000000000000000a0000000000000000000000000000000010000000000000"
        );
    }

    #[test]
    fn a_header_is_valid_at_its_own_place_only() {
        let bytes = header().encode(Seed::new(1, 1), 4160);
        assert_eq!(FrameHeader::decode(&bytes, Seed::new(1, 1), 4160), Ok(header()));
        for (seed, offset) in
            [(Seed::new(1, 1), 4168), (Seed::new(1, 2), 4160), (Seed::new(2, 1), 4160)]
        {
            let decoded = FrameHeader::decode(&bytes, seed, offset);
            assert!(matches!(decoded, Err(Fault::HeaderChecksum { .. })), "{decoded:?}");
        }
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let seed = Seed::new(3, 4);
        let bytes = header().encode(seed, 8192);
        for bit in 0..FRAME_HEADER_BYTES * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(FrameHeader::decode(&bytes, seed, 8192).is_err(), "bit {bit}");
        }
    }
}
