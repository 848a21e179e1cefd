//! Byte counts as people write them: `64 MiB`, `1.5GB`. KB, MB, GB mean powers of 2^10.

use std::fmt;
use std::str::FromStr;

/// A number of bytes, parsed from and shown in binary units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteCount(pub u64);

/// One KiB in bytes.
pub const KIB: u64 = 1 << 10;
/// One MiB in bytes.
pub const MIB: u64 = 1 << 20;
/// One GiB in bytes.
pub const GIB: u64 = 1 << 30;

/// A byte count that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{input}` is not a byte count; write a number with KB, MB, GB or TB, such as 512MB")]
pub struct ParseByteCountError {
    /// What was given.
    pub input: String,
}

impl FromStr for ByteCount {
    type Err = ParseByteCountError;

    fn from_str(input: &str) -> Result<Self, Self::Err> {
        let refused = || ParseByteCountError { input: input.to_owned() };
        let text = input.trim();
        let split = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let number: f64 = number.parse().map_err(|_not_a_number| refused())?;
        let factor = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" | "kib" => KIB,
            "m" | "mb" | "mib" => MIB,
            "g" | "gb" | "gib" => GIB,
            "t" | "tb" | "tib" => GIB << 10,
            _ => return Err(refused()),
        };
        let bytes = number * factor as f64;
        if !bytes.is_finite() || bytes >= u64::MAX as f64 {
            return Err(refused());
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "digits and a dot cannot be negative; range checked above"
        )]
        Ok(Self(bytes as u64))
    }
}

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0;
        let (factor, unit) = match bytes {
            b if b >= GIB => (GIB, "GiB"),
            b if b >= MIB => (MIB, "MiB"),
            b if b >= KIB => (KIB, "KiB"),
            _ => return write!(f, "{bytes} B"),
        };
        write!(f, "{:.1} {unit}", bytes as f64 / factor as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_binary_and_synonyms() {
        for (text, bytes) in
            [("0", 0), ("1KB", 1024), ("1.5 GiB", 3 << 29), ("512mb", 512 << 20), ("7b", 7)]
        {
            assert_eq!(text.parse::<ByteCount>().map(|b| b.0), Ok(bytes), "{text}");
        }
        for text in ["", "-1", "1 XB", "MB", "1e9", "99999999999TB"] {
            assert!(text.parse::<ByteCount>().is_err(), "{text}");
        }
    }

    #[test]
    fn shown_with_one_decimal() {
        assert_eq!(ByteCount(1536 << 20).to_string(), "1.5 GiB");
        assert_eq!(ByteCount(12).to_string(), "12 B");
    }
}
