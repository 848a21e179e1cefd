//! Appends primitives to a byte vector.

use super::Canonical;

/// Writes canonical bytes at the end of a vector.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// With so many bytes there, lists end early and bytes as they are left out.
    enough: usize,
}

impl<'a> Writer<'a> {
    /// Writes after what `out` holds.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, enough: usize::MAX }
    }

    /// The same, where bytes are of no use if there are more than `most` in all: then hardly more
    /// are written.
    pub fn within(out: &'a mut Vec<u8>, most: usize) -> Self {
        Self { out, enough: most.saturating_add(1) }
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    /// One byte, 0 or 1.
    pub fn bool(&mut self, value: bool) {
        self.u8(value.into());
    }

    /// Two bytes.
    pub fn u16(&mut self, value: u16) {
        self.raw(&value.to_le_bytes());
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) {
        self.raw(&value.to_le_bytes());
    }

    /// Eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }

    /// Sixteen bytes.
    pub fn u128(&mut self, value: u128) {
        self.raw(&value.to_le_bytes());
    }

    /// Four bytes: the bits of an IEEE 754 single.
    pub fn f32(&mut self, value: f32) {
        self.raw(&value.to_le_bytes());
    }

    /// Eight bytes: the bits of an IEEE 754 double.
    pub fn f64(&mut self, value: f64) {
        self.raw(&value.to_le_bytes());
    }

    /// 1 to 10 bytes: seven bits each, lowest first, the top bit set on all but the last (LEB128).
    pub fn varint(&mut self, value: u64) {
        let mut rest = value;
        while rest >= 0x80 {
            self.u8(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        self.u8(rest.to_le_bytes()[0]);
    }

    /// A signed number as a varint of its zigzag form, so that small negatives stay short.
    pub fn varint_signed(&mut self, value: i64) {
        self.varint(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    /// A length or count, as varint.
    pub fn count(&mut self, count: usize) {
        self.varint(count as u64);
    }

    /// Bytes as they are, without their length.
    pub fn raw(&mut self, bytes: &[u8]) {
        let room = self.enough.saturating_sub(self.out.len());
        self.out.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Length, then UTF-8.
    pub fn text(&mut self, text: &str) {
        self.count(text.len());
        self.raw(text.as_bytes());
    }

    /// Components as raw singles, without their count. Cost: a copy.
    pub fn f32_block(&mut self, values: &[f32]) {
        const CHUNK: usize = 1024;
        self.out.reserve(values.len() * 4);
        let mut block = [0_u8; CHUNK * 4];
        for chunk in values.chunks(CHUNK) {
            let bytes = &mut block[..chunk.len() * 4];
            for (place, value) in bytes.as_chunks_mut().0.iter_mut().zip(chunk) {
                *place = value.to_le_bytes();
            }
            self.out.extend_from_slice(bytes);
        }
    }

    /// One bit for each flag, lowest bit first, without their count; unused bits are 0.
    pub fn bitmap(&mut self, flags: &[bool]) {
        self.out.extend(flags.chunks(8).map(|chunk| {
            let bits = chunk.iter().rev();
            bits.fold(0, |byte, &flag| byte << 1 | u8::from(flag))
        }));
    }

    /// Count, then each element.
    pub fn list<T: Canonical>(&mut self, elements: &[T]) {
        self.count(elements.len());
        for element in elements {
            if self.out.len() >= self.enough {
                return;
            }
            element.write(self);
        }
    }
}
