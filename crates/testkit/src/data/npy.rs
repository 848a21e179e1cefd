//! `.npy` files, version 1, C order: `u8`, `f16`, `f32` and `i32` in one or two dimensions.
//!
//! Source: the NEP 1 format description of `NumPy`.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use super::{DataError, Matrix};

/// Element types that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    U8,
    F16,
    F32,
    I32,
}

struct Header {
    element: Element,
    rows: usize,
    columns: usize,
}

/// Reads the first `rows_max` rows of an array of numbers as singles.
///
/// # Errors
/// [`DataError`] names the file.
pub fn read_matrix(path: &Path, rows_max: usize) -> Result<Matrix, DataError> {
    let (header, bytes) = read(path, rows_max)?;
    let values = match header.element {
        Element::U8 => bytes.iter().map(|&byte| f32::from(byte)).collect(),
        Element::F16 => halves(&bytes).collect(),
        Element::F32 => fours(&bytes).map(f32::from_le_bytes).collect(),
        Element::I32 => {
            return Err(DataError::Format { path: path.into(), reason: "integers, not vectors" });
        }
    };
    Ok(Matrix::new(header.columns, values))
}

/// Reads the first `rows_max` rows of an array of row numbers.
///
/// # Errors
/// [`DataError`] names the file.
pub fn read_rows(path: &Path, rows_max: usize) -> Result<Vec<Vec<u32>>, DataError> {
    let refused = |reason| DataError::Format { path: path.into(), reason };
    let (header, bytes) = read(path, rows_max)?;
    if header.element != Element::I32 {
        return Err(refused("elements are not `<i4`"));
    }
    let numbers = fours(&bytes).map(|four| u32::try_from(i32::from_le_bytes(four)));
    let numbers: Vec<u32> = numbers
        .collect::<Result<_, _>>()
        .map_err(|_negative| refused("a row number is negative"))?;
    Ok(numbers.chunks(header.columns).map(<[u32]>::to_vec).collect())
}

fn fours(bytes: &[u8]) -> impl Iterator<Item = [u8; 4]> {
    bytes.as_chunks().0.iter().copied()
}

fn halves(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks().0.iter().map(|&two| single_from_half(u16::from_le_bytes(two)))
}

/// The value of an IEEE 754 half: 1 sign bit, 5 exponent bits, 10 fraction bits.
fn single_from_half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f32::from(bits & 0x3ff);
    let magnitude = match exponent {
        0 => fraction * 2_f32.powi(-24),
        0x1f if fraction > 0.0 => f32::NAN,
        0x1f => f32::INFINITY,
        _ => (fraction + 1024.0) * 2_f32.powi(exponent - 25),
    };
    sign * magnitude
}

fn read(path: &Path, rows_max: usize) -> Result<(Header, Vec<u8>), DataError> {
    let failed = |source| DataError::Io { path: path.into(), source };
    let refused = |reason| DataError::Format { path: path.into(), reason };
    let mut file = BufReader::new(File::open(path).map_err(failed)?);
    let mut start = [0; 10];
    file.read_exact(&mut start).map_err(failed)?;
    if start[..8] != *b"\x93NUMPY\x01\x00" {
        return Err(refused("it does not begin as .npy version 1"));
    }
    let mut text = vec![0; u16::from_le_bytes([start[8], start[9]]).into()];
    file.read_exact(&mut text).map_err(failed)?;
    let header = std::str::from_utf8(&text).ok().and_then(parse_header);
    let mut header = header.ok_or_else(|| refused("its header is not one that is known here"))?;
    header.rows = header.rows.min(rows_max);
    let element_bytes = match header.element {
        Element::U8 => 1,
        Element::F16 => 2,
        Element::F32 | Element::I32 => 4,
    };
    let wanted = header.rows * header.columns * element_bytes;
    let mut bytes = Vec::with_capacity(wanted);
    file.take(wanted as u64).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() < wanted {
        return Err(refused("it ends before its last row"));
    }
    Ok((header, bytes))
}

/// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (10, 3), }`.
fn parse_header(text: &str) -> Option<Header> {
    let element = match quoted_after(text, "'descr':")? {
        "|u1" => Element::U8,
        "<f2" => Element::F16,
        "<f4" => Element::F32,
        "<i4" => Element::I32,
        _ => return None,
    };
    let (_, order) = text.split_once("'fortran_order':")?;
    if !order.trim_start().starts_with("False") {
        return None;
    }
    let (_, shape) = text.split_once("'shape':")?;
    let (shape, _) = shape.trim_start().strip_prefix('(')?.split_once(')')?;
    let lengths = shape.split(',').map(str::trim).filter(|part| !part.is_empty());
    let lengths: Vec<usize> = lengths.map(str::parse).collect::<Result<_, _>>().ok()?;
    match *lengths.as_slice() {
        [rows] => Some(Header { element, rows, columns: 1 }),
        [rows, columns] if columns > 0 => Some(Header { element, rows, columns }),
        _ => None,
    }
}

fn quoted_after<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = text.split_once(name)?;
    let (value, _) = after.trim_start().strip_prefix('\'')?.split_once('\'')?;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(header: &str, elements: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(elements);
        bytes
    }

    fn file(name: &str, bytes: &[u8]) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("{}-{name}.npy", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn every_element_type_is_read() {
        let header = |descr: &str, shape: &str| {
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}   \n")
        };
        let path = file("u8", &array(&header("|u1", "(2, 3)"), &[1, 2, 3, 4, 5, 6]));
        assert_eq!(
            read_matrix(&path, usize::MAX).unwrap(),
            Matrix::new(3, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
        );
        assert_eq!(read_matrix(&path, 1).unwrap().rows(), 1);
        assert!(read_rows(&path, 1).is_err());
        std::fs::remove_file(path).unwrap();

        let halves = [0x3c00_u16, 0xc000, 0x3555, 0x0001].map(u16::to_le_bytes).concat();
        let path = file("f16", &array(&header("<f2", "(1, 4)"), &halves));
        let read = read_matrix(&path, 9).unwrap().values;
        assert_eq!(read, [1.0, -2.0, 0.333_251_95, 5.960_464_5e-8]);
        std::fs::remove_file(path).unwrap();

        let singles = [0.5_f32, -1.25].map(f32::to_le_bytes).concat();
        let path = file("f32", &array(&header("<f4", "(2,)"), &singles));
        assert_eq!(read_matrix(&path, 9).unwrap(), Matrix::new(1, vec![0.5, -1.25]));
        std::fs::remove_file(path).unwrap();

        let rows = [4_i32, 9, 0, 1].map(i32::to_le_bytes).concat();
        let path = file("i32", &array(&header("<i4", "(2, 2)"), &rows));
        assert_eq!(read_rows(&path, 9).unwrap(), [[4, 9], [0, 1]]);
        assert!(read_matrix(&path, 9).is_err());
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn other_files_are_refused() {
        let fortran = "{'descr': '|u1', 'fortran_order': True, 'shape': (1, 1), }";
        let short = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2), }";
        let unknown = "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1), }";
        for (name, header) in [("fortran", fortran), ("short", short), ("unknown", unknown)] {
            let path = file(name, &array(header, &[1]));
            assert!(matches!(read_matrix(&path, 9), Err(DataError::Format { .. })), "{name}");
            std::fs::remove_file(path).unwrap();
        }
        assert!(matches!(read_matrix(Path::new("absent"), 9), Err(DataError::Io { .. })));
    }
}
