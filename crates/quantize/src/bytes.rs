//! The quantizer as stored, 16 bytes, little-endian:
//!
//! | at | bytes | field |
//! |---|---|---|
//! | 0 | 1 | version, 1 |
//! | 1 | 1 | metric: 0 L2, 1 Dot, 2 Cosine, 3 Manhattan |
//! | 2 | 1 | largest code: 127 or 255 |
//! | 3 | 1 | 0 |
//! | 4 | 4 | dimension |
//! | 8 | 4 | offset, `f32` |
//! | 12 | 4 | step, `f32`, positive |

use vectorizer_model::Metric;

use crate::error::QuantizeError;
use crate::levels::Levels;
use crate::scalar::{ScalarQuantizer, check_dim};

/// Bytes of a stored quantizer.
pub const STORED_BYTES: usize = 16;

const VERSION: u8 = 1;

impl ScalarQuantizer {
    /// The bytes to store; [`Self::from_bytes`] gives an equal quantizer.
    pub fn to_bytes(&self) -> [u8; STORED_BYTES] {
        let metric = match self.metric {
            Metric::L2 => 0,
            Metric::Dot => 1,
            Metric::Cosine => 2,
            Metric::Manhattan => 3,
        };
        let mut bytes = [0; STORED_BYTES];
        bytes[..4].copy_from_slice(&[VERSION, metric, self.levels.max(), 0]);
        bytes[4..8].copy_from_slice(&self.dim.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.offset.to_le_bytes());
        bytes[12..].copy_from_slice(&self.step.to_le_bytes());
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`QuantizeError::Length`] if there are more or fewer bytes; [`QuantizeError::Stored`] names
    /// the field that this version does not know or allow.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, QuantizeError> {
        let refused = |what, found| QuantizeError::Stored { what, found };
        let (&[header, dim, offset, step], []) = bytes.as_chunks::<4>() else {
            return Err(wrong_length(bytes));
        };
        let [version, metric, largest, reserved] = header;
        if version != VERSION {
            return Err(refused("version", version.into()));
        }
        let metric = match metric {
            0 => Metric::L2,
            1 => Metric::Dot,
            2 => Metric::Cosine,
            3 => Metric::Manhattan,
            _ => return Err(refused("metric", metric.into())),
        };
        let levels = match largest {
            127 => Levels::U7,
            255 => Levels::U8,
            _ => return Err(refused("largest code", largest.into())),
        };
        if reserved != 0 {
            return Err(refused("reserved byte", reserved.into()));
        }
        let dim = u32::from_le_bytes(dim);
        let (offset, step) = (f32::from_le_bytes(offset), f32::from_le_bytes(step));
        let dim = check_dim(dim as usize).map_err(|_out_of_limits| refused("dimension", dim))?;
        if !step.is_normal() || step < 0.0 {
            return Err(refused("step", step.to_bits()));
        }
        let symmetric = -f32::from(levels.middle()) * step;
        if !offset.is_finite() || metric == Metric::Dot && offset.to_bits() != symmetric.to_bits() {
            return Err(refused("offset", offset.to_bits()));
        }
        Ok(Self { metric, levels, dim, offset, step })
    }
}

fn wrong_length(bytes: &[u8]) -> QuantizeError {
    QuantizeError::Length { expected: STORED_BYTES, found: bytes.len() }
}
