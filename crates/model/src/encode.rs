//! Canonical bytes: little-endian, length-prefixed, versioned by hand.
//!
//! Logs, segments, manifests and peers share this one encoding; `docs/format/operation.md` gives
//! the byte tables. Rules that hold everywhere:
//! - equal values have equal bytes, and bytes that are not what the writer would have written are
//!   refused (long varints, keys out of order, padding bits);
//! - counts and lengths are checked against the bytes that are left before anything is allocated;
//! - nesting is bounded by [`crate::limits::DEPTH_MAX`] when reading, so that no bytes can exhaust
//!   the stack. Writers do not check: doors do, before they accept a
//!   value; see [`crate::check`].
//!
//! # Layout
//! [`writer`], [`reader`]: the primitives; [`payload`], [`filter`], [`settings`], [`batch`],
//! [`operation`]: one file for each noun.

pub mod batch;
pub mod filter;
pub mod operation;
pub mod payload;
pub mod reader;
pub mod settings;
pub mod writer;

pub use payload::encoded_payload_bytes;
pub use reader::Reader;
pub use writer::Writer;

use crate::{CollectionSettings, Filter, KeyPath, Operation, Payload, PointId};

/// Bytes that are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end within a value.
    #[error("{needed} more bytes needed at byte {at}")]
    Truncated {
        /// Offset of the value.
        at: usize,
        /// Bytes that are missing.
        needed: usize,
    },
    /// A tag, length or text that this version does not know or allow.
    #[error("{what} has the value {found} at byte {at}")]
    Invalid {
        /// The thing that was read.
        what: &'static str,
        /// Offset of the value.
        at: usize,
        /// What stands there.
        found: u64,
    },
}

/// A noun with canonical bytes. Implementations compose: a field is written by its own type.
pub trait Canonical: Sized {
    /// The fewest bytes that one takes; bounds how many a list may claim.
    const BYTES_MIN: usize;

    /// Appends the bytes.
    fn write(&self, to: &mut Writer<'_>);

    /// Reads one from the front.
    ///
    /// # Errors
    /// [`DecodeError`] names the place; the reader is then of no further use.
    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

/// Appends the canonical bytes of any noun.
pub fn encode<T: Canonical>(value: &T, out: &mut Vec<u8>) {
    value.write(&mut Writer::new(out));
}

/// Reads the canonical bytes of any noun; all of `bytes` must be used.
///
/// # Errors
/// [`DecodeError`] names the place; nothing is allocated beyond what the bytes justify.
pub fn decode<T: Canonical>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut reader = Reader::new(bytes);
    let value = T::read(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

/// Appends the canonical bytes of an operation.
pub fn encode_operation(operation: &Operation, out: &mut Vec<u8>) {
    encode(operation, out);
}

/// Reads the canonical bytes of an operation; all of `bytes` must be used.
///
/// # Errors
/// [`DecodeError`] names the place; nothing is allocated beyond what the bytes justify.
pub fn decode_operation(bytes: &[u8]) -> Result<Operation, DecodeError> {
    decode(bytes)
}

/// Appends the canonical bytes of a payload.
pub fn encode_payload(payload: &Payload, out: &mut Vec<u8>) {
    encode(payload, out);
}

/// Reads the canonical bytes of a payload; all of `bytes` must be used.
///
/// # Errors
/// As [`decode`].
pub fn decode_payload(bytes: &[u8]) -> Result<Payload, DecodeError> {
    decode(bytes)
}

/// Appends the canonical bytes of settings.
pub fn encode_settings(settings: &CollectionSettings, out: &mut Vec<u8>) {
    encode(settings, out);
}

/// Reads the canonical bytes of settings; all of `bytes` must be used.
///
/// # Errors
/// As [`decode`].
pub fn decode_settings(bytes: &[u8]) -> Result<CollectionSettings, DecodeError> {
    decode(bytes)
}

/// Appends the canonical bytes of a point's id.
pub fn encode_point_id(id: PointId, out: &mut Vec<u8>) {
    encode(&id, out);
}

/// Reads the canonical bytes of a point's id; all of `bytes` must be used.
///
/// # Errors
/// As [`decode`].
pub fn decode_point_id(bytes: &[u8]) -> Result<PointId, DecodeError> {
    decode(bytes)
}

/// Appends the canonical bytes of a filter.
pub fn encode_filter(filter: &Filter, out: &mut Vec<u8>) {
    encode(filter, out);
}

/// The canonical bytes of a filter if there are at most `most`; of a longer one hardly more are made.
pub fn encode_filter_within(filter: &Filter, most: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    filter.write(&mut Writer::within(&mut out, most));
    (out.len() <= most).then_some(out)
}

/// Reads the canonical bytes of a filter; all of `bytes` must be used.
///
/// # Errors
/// As [`decode`].
pub fn decode_filter(bytes: &[u8]) -> Result<Filter, DecodeError> {
    decode(bytes)
}

/// Appends the canonical bytes of a payload path.
pub fn encode_key_path(path: &KeyPath, out: &mut Vec<u8>) {
    encode(path, out);
}

/// Reads the canonical bytes of a payload path; all of `bytes` must be used.
///
/// # Errors
/// As [`decode`].
pub fn decode_key_path(bytes: &[u8]) -> Result<KeyPath, DecodeError> {
    decode(bytes)
}
