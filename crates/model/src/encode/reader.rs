//! Reads primitives from a byte slice, checked.

use super::{Canonical, DecodeError};
use crate::limits;

/// Reads canonical bytes from the front of a slice. It refuses what no writer would have written.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, depth: 0 }
    }

    /// Offset of the next byte.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Bytes that are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// [`DecodeError::Invalid`] with the number of bytes left.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(invalid("count of bytes after the end", self.at, left as u64)),
        }
    }

    /// `count` bytes as they are.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if fewer are left.
    #[inline]
    pub fn raw(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(taken) = rest.get(..count) else {
            return Err(DecodeError::Truncated { at: self.at, needed: count - rest.len() });
        };
        self.at += count;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.raw(N)?);
        Ok(array)
    }

    /// One byte.
    ///
    /// # Errors
    /// As [`Reader::raw`].
    #[inline]
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// One byte, 0 or 1.
    ///
    /// # Errors
    /// As [`Reader::raw`], or [`DecodeError::Invalid`].
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        self.tag("truth value", |byte| match byte {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        })
    }

    /// Two bytes.
    ///
    /// # Errors
    /// As [`Reader::raw`].
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes.
    ///
    /// # Errors
    /// As [`Reader::raw`].
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes.
    ///
    /// # Errors
    /// As [`Reader::raw`].
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Sixteen bytes.
    ///
    /// # Errors
    /// As [`Reader::raw`].
    pub fn u128(&mut self) -> Result<u128, DecodeError> {
        self.array().map(u128::from_le_bytes)
    }

    /// The bits of an IEEE 754 single, whatever they are.
    ///
    /// # Errors
    /// As [`Reader::raw`].
    pub fn f32(&mut self) -> Result<f32, DecodeError> {
        self.array().map(f32::from_le_bytes)
    }

    /// The bits of an IEEE 754 double, whatever they are.
    ///
    /// # Errors
    /// As [`Reader::raw`].
    pub fn f64(&mut self) -> Result<f64, DecodeError> {
        self.array().map(f64::from_le_bytes)
    }

    /// A number written by [`super::Writer::varint`].
    ///
    /// # Errors
    /// As [`Reader::raw`], or [`DecodeError::Invalid`] if it is longer than it need be.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        let start = self.at;
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            let overflows = shift == 63 && byte > 1;
            let padded = shift > 0 && byte == 0;
            if overflows || padded {
                return Err(invalid("last byte of a varint", start, byte.into()));
            }
            value |= bits << shift;
            if byte < 0x80 {
                break;
            }
        }
        Ok(value)
    }

    /// A number written by [`super::Writer::varint_signed`].
    ///
    /// # Errors
    /// As [`Reader::varint`].
    pub fn varint_signed(&mut self) -> Result<i64, DecodeError> {
        let zigzag = self.varint()?;
        Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }

    /// A count of things that take at least `bytes_min` bytes each, which must therefore be left.
    ///
    /// # Errors
    /// As [`Reader::varint`], or [`DecodeError::Truncated`].
    pub fn count(&mut self, bytes_min: usize) -> Result<usize, DecodeError> {
        let count = self.varint()?;
        let needed = usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(bytes_min);
        self.expect_bytes(needed)?;
        usize::try_from(count)
            .map_err(|_too_wide| invalid("count of things without bytes", self.at, count))
    }

    fn expect_bytes(&self, needed: usize) -> Result<(), DecodeError> {
        match needed.checked_sub(self.remaining()) {
            None | Some(0) => Ok(()),
            Some(missing) => Err(DecodeError::Truncated { at: self.at, needed: missing }),
        }
    }

    /// Length, then UTF-8.
    ///
    /// # Errors
    /// As [`Reader::count`], or [`DecodeError::Invalid`] with the first byte that is not UTF-8.
    #[inline]
    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        let bytes_len = self.count(1)?;
        let start = self.at;
        let bytes = self.raw(bytes_len)?;
        std::str::from_utf8(bytes).map_err(|error| {
            let place = error.valid_up_to();
            let found = bytes.get(place).copied().unwrap_or_default();
            invalid("byte of a text", start + place, found.into())
        })
    }

    /// `count` components written by [`super::Writer::f32_block`]. Cost: a copy.
    ///
    /// # Errors
    /// As [`Reader::raw`]; nothing was allocated.
    pub fn f32_block(&mut self, count: usize) -> Result<Vec<f32>, DecodeError> {
        let bytes = self.raw(count.saturating_mul(4))?;
        let components = bytes.as_chunks().0.iter();
        Ok(components.map(|&four| f32::from_le_bytes(four)).collect())
    }

    /// `count` flags written by [`super::Writer::bitmap`].
    ///
    /// # Errors
    /// As [`Reader::raw`], or [`DecodeError::Invalid`] if an unused bit is set.
    pub fn bitmap(&mut self, count: usize) -> Result<Vec<bool>, DecodeError> {
        let bytes = self.raw(count.div_ceil(8))?;
        let used = count % 8;
        if let Some(&last) = bytes.last()
            && used > 0
            && last >> used != 0
        {
            return Err(invalid("last byte of a bitmap", self.at - 1, last.into()));
        }
        let bit = |at: usize| bytes[at / 8] >> (at % 8) & 1 == 1;
        Ok((0..count).map(bit).collect())
    }

    /// Count, then each element.
    ///
    /// # Errors
    /// As [`Reader::count`] and as the elements. The first allocation takes no more bytes than
    /// are left to read; it grows as elements are read.
    pub fn list<T: Canonical>(&mut self) -> Result<Vec<T>, DecodeError> {
        const FIRST_MIN: usize = 16;
        let count = self.count(T::BYTES_MIN)?;
        let justified = self.remaining() / size_of::<T>().max(1);
        let mut elements = Vec::with_capacity(count.min(justified.max(FIRST_MIN)));
        for _ in 0..count {
            elements.push(T::read(self)?);
        }
        Ok(elements)
    }

    /// One byte with a meaning.
    ///
    /// # Errors
    /// As [`Reader::raw`], or [`DecodeError::Invalid`] if `meaning` knows none.
    pub fn tag<T>(
        &mut self,
        what: &'static str,
        meaning: impl FnOnce(u8) -> Option<T>,
    ) -> Result<T, DecodeError> {
        let at = self.at;
        let byte = self.u8()?;
        meaning(byte).ok_or_else(|| invalid(what, at, byte.into()))
    }

    /// Reads something that may hold others of its kind.
    ///
    /// # Errors
    /// [`DecodeError::Invalid`] beyond [`limits::DEPTH_MAX`] levels, else as `read`.
    pub fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        self.depth += 1;
        if self.depth > limits::DEPTH_MAX {
            return Err(invalid("nesting depth", self.at, self.depth as u64));
        }
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }
}

/// The error for `what` at offset `at`.
pub(super) fn invalid(what: &'static str, at: usize, found: u64) -> DecodeError {
    DecodeError::Invalid { what, at, found }
}

#[cfg(test)]
mod tests;
