//! Whether a payload is shallow and small enough to be stored.

use crate::encode::encoded_payload_bytes;
use crate::{Payload, limits};

/// Bounds of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadLimits {
    /// Levels of objects and lists, the payload itself being the first.
    pub depth_max: usize,
    /// Bytes of its canonical encoding.
    pub bytes_max: u64,
}

impl Default for PayloadLimits {
    fn default() -> Self {
        Self { depth_max: limits::DEPTH_MAX, bytes_max: limits::PAYLOAD_BYTES_MAX as u64 }
    }
}

/// A payload that cannot be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Too many levels.
    #[error("payload is nested {depth} levels deep; at most {depth_max} are allowed")]
    TooDeep {
        /// Levels it has.
        depth: usize,
        /// Levels allowed.
        depth_max: usize,
    },
    /// Too many bytes.
    #[error("payload has {bytes} bytes; at most {bytes_max} are allowed")]
    TooLarge {
        /// Bytes it would take.
        bytes: u64,
        /// Bytes allowed.
        bytes_max: u64,
    },
}

impl Payload {
    /// Checks depth and encoded size. Cost: one walk for each.
    ///
    /// # Errors
    /// [`PayloadError`] names the bound that it exceeds.
    pub fn check(&self, limits: &PayloadLimits) -> Result<(), PayloadError> {
        let depth = self.depth();
        if depth > limits.depth_max {
            return Err(PayloadError::TooDeep { depth, depth_max: limits.depth_max });
        }
        let bytes = encoded_payload_bytes(self);
        if bytes > limits.bytes_max {
            return Err(PayloadError::TooLarge { bytes, bytes_max: limits.bytes_max });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    fn object(value: Value) -> Payload {
        Payload([("k".to_owned(), value)].into())
    }

    #[test]
    fn the_deepest_allowed_payload_survives_encoding_and_a_deeper_one_is_refused() {
        let mut payload = Payload::new();
        for _ in 1..limits::DEPTH_MAX {
            payload = object(Value::Object(payload));
        }
        assert_eq!(payload.check(&PayloadLimits::default()), Ok(()));
        let mut bytes = Vec::new();
        crate::encode::encode_payload(&payload, &mut bytes);
        assert_eq!(crate::encode::decode_payload(&bytes).as_ref(), Ok(&payload));

        let deeper = object(Value::Array(vec![Value::Object(payload)]));
        let (depth, depth_max) = (limits::DEPTH_MAX + 2, limits::DEPTH_MAX);
        assert_eq!(
            deeper.check(&PayloadLimits::default()),
            Err(PayloadError::TooDeep { depth, depth_max })
        );
        bytes.clear();
        crate::encode::encode_payload(&deeper, &mut bytes);
        assert!(crate::encode::decode_payload(&bytes).is_err());
    }

    #[test]
    fn size_is_the_encoded_size() {
        let payload = object(Value::Str("x".repeat(200)));
        let limits = PayloadLimits { depth_max: 1, bytes_max: 206 };
        assert_eq!(payload.check(&limits), Ok(()));
        let limits = PayloadLimits { depth_max: 1, bytes_max: 205 };
        let refused = PayloadError::TooLarge { bytes: 206, bytes_max: 205 };
        assert_eq!(payload.check(&limits), Err(refused));
    }
}
