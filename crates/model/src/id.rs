//! Names and numbers of things: collections, shards, points, segments, rows, requests.

use std::fmt;
use std::str::FromStr;

use crate::limits;

/// A point's id, unique within its collection. Integers order before UUIDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PointId {
    /// An unsigned integer.
    Num(u64),
    /// A UUID, as its big-endian number.
    Uuid(u128),
}

impl PointId {
    /// The fixed hash that places a point in its collection's hash space: the 64-bit finaliser of
    /// `MurmurHash3` over the id's words. Part of the on-disk contract; it never changes.
    pub fn placement_hash(self) -> u64 {
        match self {
            Self::Num(n) => mix(n ^ 0x9e37_79b9_7f4a_7c15),
            Self::Uuid(u) => {
                #[expect(clippy::cast_possible_truncation, reason = "the two halves of the id")]
                let (high, low) = ((u >> 64) as u64, u as u64);
                mix(low ^ mix(high ^ 0xc2b2_ae3d_27d4_eb4f))
            }
        }
    }
}

/// `MurmurHash3`'s `fmix64` (Appleby, public domain).
fn mix(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

/// A text that is neither an unsigned integer nor a UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "value {input} is not a valid point ID, valid values are either an unsigned integer or a UUID"
)]
pub struct ParsePointIdError {
    /// What was given.
    pub input: String,
}

impl FromStr for PointId {
    type Err = ParsePointIdError;

    /// Reads decimal digits, or a UUID in simple, hyphenated, braced or urn form.
    fn from_str(input: &str) -> Result<Self, Self::Err> {
        let digits = !input.is_empty() && input.bytes().all(|b| b.is_ascii_digit());
        if digits && let Ok(number) = input.parse() {
            return Ok(Self::Num(number));
        }
        parse_uuid(input)
            .map(Self::Uuid)
            .ok_or_else(|| ParsePointIdError { input: input.to_owned() })
    }
}

fn parse_uuid(input: &str) -> Option<u128> {
    let text = input.strip_prefix("urn:uuid:").unwrap_or(input);
    let text = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or(text);
    let bytes = text.as_bytes();
    let hyphenated = match bytes.len() {
        32 => false,
        36 => true,
        _ => return None,
    };
    let mut value = 0_u128;
    for (at, &byte) in bytes.iter().enumerate() {
        if hyphenated && matches!(at, 8 | 13 | 18 | 23) {
            if byte != b'-' {
                return None;
            }
            continue;
        }
        value = value << 4 | u128::from((byte as char).to_digit(16)?);
    }
    Some(value)
}

impl fmt::Display for PointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Num(number) => write!(f, "{number}"),
            Self::Uuid(u) => write!(
                f,
                "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
                u >> 96,
                u >> 80 & 0xffff,
                u >> 64 & 0xffff,
                u >> 48 & 0xffff,
                u & 0xffff_ffff_ffff
            ),
        }
    }
}

/// A collection's name: 1 to 255 bytes, none of `/ \ < > : " | ? *`, NUL or control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionName(Box<str>);

/// A text that cannot name a collection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CollectionNameError {
    /// No characters at all.
    #[error("collection name is empty; give it 1 to 255 bytes")]
    Empty,
    /// Longer than [`limits::COLLECTION_NAME_BYTES_MAX`].
    #[error("collection name has {len} bytes; at most 255 are allowed")]
    TooLong {
        /// Bytes given.
        len: usize,
    },
    /// A character that names on disk or in URLs cannot carry.
    #[error("collection name holds the character {character:?}; leave it out")]
    Forbidden {
        /// The first such character.
        character: char,
    },
}

impl CollectionName {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`CollectionNameError`] says which rule it breaks.
    pub fn new(name: &str) -> Result<Self, CollectionNameError> {
        if name.is_empty() {
            return Err(CollectionNameError::Empty);
        }
        if name.len() > limits::COLLECTION_NAME_BYTES_MAX {
            return Err(CollectionNameError::TooLong { len: name.len() });
        }
        let forbidden = |c: &char| c.is_control() || "/\\<>:\"|?*".contains(*c);
        if let Some(character) = name.chars().find(forbidden) {
            return Err(CollectionNameError::Forbidden { character });
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CollectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A shard of this engine: one collection's range of the hash space. Never reused.
/// Shard 0 is the node's catalogue of collections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u32);

impl ShardId {
    /// The catalogue of collections, itself a shard of the log.
    pub const CATALOGUE: Self = Self(0);
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A segment of a shard. Never reused within the shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub u64);

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A dense row number within one segment or memtable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Ordinal(pub u32);

impl Ordinal {
    /// The row number as an index.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The row at `index`.
    ///
    /// # Panics
    /// If `index` does not fit in 32 bits; segments hold fewer rows than that.
    #[inline]
    pub fn from_index(index: usize) -> Self {
        Self(u32::try_from(index).expect("a segment holds fewer than 2^32 rows"))
    }
}

impl fmt::Display for Ordinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A client's or server's name for one write, so that a retry is applied once. 0 means unnamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RequestId(pub u128);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn point_ids_read_every_form_and_show_one() {
        let hyphenated = "550e8400-e29b-41d4-a716-446655440000";
        let simple = "550e8400e29b41d4a716446655440000";
        let urn = "urn:uuid:550e8400-e29b-41d4-a716-446655440000";
        for text in [hyphenated, simple, urn] {
            assert_eq!(text.parse::<PointId>().map(|id| id.to_string()).as_deref(), Ok(hyphenated));
        }
        assert_eq!("18446744073709551615".parse(), Ok(PointId::Num(u64::MAX)));
        for text in ["", "abc", "-1", "1.5", "18446744073709551616", "550e8400-e29b-41d4-a716"] {
            assert!(text.parse::<PointId>().is_err(), "{text}");
        }
    }

    #[test]
    fn integers_order_before_uuids() {
        assert!(PointId::Num(u64::MAX) < PointId::Uuid(0));
    }

    #[test]
    fn placement_hash_is_frozen() {
        assert_eq!(PointId::Num(0).placement_hash(), mix(0x9e37_79b9_7f4a_7c15));
        assert_eq!(mix(1), 0xb456_bcfc_34c2_cb2c);
    }

    #[test]
    fn collection_names_refuse_what_paths_cannot_hold() {
        assert!(CollectionName::new("notes-2026_\u{3b1}").is_ok());
        assert_eq!(CollectionName::new(""), Err(CollectionNameError::Empty));
        assert!(CollectionName::new(&"x".repeat(256)).is_err());
        assert!(CollectionName::new("a/b").is_err());
        assert!(CollectionName::new("a\0b").is_err());
    }
}
