//! Primitives: what is written is read; what no writer writes is refused.

use super::*;
use crate::encode::Writer;

fn written(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut Writer::new(&mut bytes));
    bytes
}

#[test]
fn varints_are_short_and_exact() {
    for (value, len) in
        [(0, 1), (127, 1), (128, 2), (16_383, 2), (16_384, 3), (u64::MAX >> 1, 9), (u64::MAX, 10)]
    {
        let bytes = written(|to| to.varint(value));
        assert_eq!(bytes.len(), len, "{value}");
        assert_eq!(Reader::new(&bytes).varint(), Ok(value));
    }
    for value in [0, -1, 1, 63, -64, 64, i64::MAX, i64::MIN] {
        let bytes = written(|to| to.varint_signed(value));
        assert_eq!(Reader::new(&bytes).varint_signed(), Ok(value));
    }
}

#[test]
fn long_and_overflowing_varints_are_refused() {
    let overflowing = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
    let endless = [0xff; 12];
    for bytes in [&[0x80, 0x00][..], &[0xff, 0x80, 0x00], &overflowing, &endless] {
        let error = Reader::new(bytes).varint().unwrap_err();
        assert!(matches!(error, DecodeError::Invalid { .. }), "{bytes:?}");
    }
    let error = Reader::new(&[0x80]).varint().unwrap_err();
    assert_eq!(error, DecodeError::Truncated { at: 1, needed: 1 });
}

#[test]
fn counts_beyond_the_bytes_are_refused_before_allocation() {
    let bytes = written(|to| to.varint(u64::MAX));
    for bytes_min in [1, 4, 9] {
        let error = Reader::new(&bytes).count(bytes_min).unwrap_err();
        assert!(matches!(error, DecodeError::Truncated { at: 10, .. }));
    }
    let error = Reader::new(&bytes).list::<String>().unwrap_err();
    assert!(matches!(error, DecodeError::Truncated { at: 10, .. }));
    assert!(Reader::new(&[]).f32_block(usize::MAX).is_err());
    assert!(Reader::new(&[]).bitmap(usize::MAX).is_err());
}

#[test]
fn bitmaps_keep_their_flags_and_refuse_padding() {
    for count in [0_usize, 1, 7, 8, 9, 64, 65] {
        let flags: Vec<bool> = (0..count).map(|at| at % 3 == 0).collect();
        let bytes = written(|to| to.bitmap(&flags));
        assert_eq!(bytes.len(), count.div_ceil(8));
        assert_eq!(Reader::new(&bytes).bitmap(count), Ok(flags));
    }
    let error = Reader::new(&[0b0000_0101, 0b0000_0100]).bitmap(10);
    let (what, at, found) = ("last byte of a bitmap", 1, 4);
    assert_eq!(error, Err(DecodeError::Invalid { what, at, found }));
}

#[test]
fn blocks_keep_every_bit_pattern() {
    let values: Vec<f32> =
        (0..5000_u32).map(|bits| f32::from_bits(bits.wrapping_mul(0x9e37_79b9))).collect();
    let bytes = written(|to| to.f32_block(&values));
    assert_eq!(bytes.len(), values.len() * 4);
    let read = Reader::new(&bytes).f32_block(values.len()).unwrap();
    assert!(read.iter().map(|v| v.to_bits()).eq(values.iter().map(|v| v.to_bits())));
}

#[test]
fn texts_must_be_utf8() {
    let error = Reader::new(&[3, b'a', 0xff, b'b']).text();
    let (what, at, found) = ("byte of a text", 2, 0xff);
    assert_eq!(error, Err(DecodeError::Invalid { what, at, found }));
}
