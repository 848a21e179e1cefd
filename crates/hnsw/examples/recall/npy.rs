//! Reads the few shapes of `NumPy`'s `.npy` format that the data sets have.

fn read(path: &str) -> (String, Vec<u8>, usize) {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(&bytes[10..10 + length]).into_owned();
    let (_, shape) = header.split_once("'shape': (").expect("a shape");
    let columns = shape.split([',', ')']).nth(1).expect("two axes");
    let columns = columns.trim().parse().expect("a number");
    (header, bytes[10 + length..].to_vec(), columns)
}

/// Values of u8, f16 or f32, and the length of a row.
pub(crate) fn floats(path: &str) -> (Vec<f32>, usize) {
    let (header, bytes, columns) = read(path);
    let values = if header.contains("|u1") {
        bytes.iter().map(|value| f32::from(*value)).collect()
    } else if header.contains("<f2") {
        let halves = bytes.as_chunks().0.iter();
        halves.map(|half| from_half(u16::from_le_bytes(*half))).collect()
    } else if header.contains("<f4") {
        bytes.as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)).collect()
    } else {
        panic!("{path}: {header}")
    };
    (values, columns)
}

/// Values of i32, and the length of a row.
pub(crate) fn integers(path: &str) -> (Vec<i32>, usize) {
    let (header, bytes, columns) = read(path);
    assert!(header.contains("<i4"), "{path}: {header}");
    (bytes.as_chunks().0.iter().map(|value| i32::from_le_bytes(*value)).collect(), columns)
}

fn from_half(half: u16) -> f32 {
    let sign = if half >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (half >> 10 & 31, f32::from(half & 1023));
    match exponent {
        0 => sign * fraction * 2.0_f32.powi(-24),
        _ => sign * (1.0 + fraction / 1024.0) * 2.0_f32.powi(i32::from(exponent) - 15),
    }
}
