//! How many levels a code has.

/// The range of a code. Rows and queries that meet must have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Levels {
    /// Codes 0 to 127: half the precision, and kernels with fewer instructions.
    #[default]
    U7,
    /// Codes 0 to 255.
    U8,
}

impl Levels {
    /// The largest code: 127 or 255.
    #[inline]
    pub fn max(self) -> u8 {
        match self {
            Self::U7 => 127,
            Self::U8 => 255,
        }
    }

    /// The code that stands for zero where codes are symmetric: 64 or 128.
    #[inline]
    pub fn middle(self) -> u8 {
        match self {
            Self::U7 => 64,
            Self::U8 => 128,
        }
    }
}
