//! Canonical bytes: little-endian, length-prefixed, versioned by hand.

use crate::Operation;

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

/// Appends the canonical bytes of an operation.
pub fn encode_operation(operation: &Operation, out: &mut Vec<u8>) {
    let _ = (operation, out);
}

/// Reads the canonical bytes of an operation; all of `bytes` must be used.
///
/// # Errors
/// [`DecodeError`] names the place; nothing is allocated beyond what the bytes justify.
pub fn decode_operation(bytes: &[u8]) -> Result<Operation, DecodeError> {
    Err(DecodeError::Truncated {
        at: bytes.len(),
        needed: 1,
    })
}
