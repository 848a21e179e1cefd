//! `.fvecs` and `.bvecs` files: each row is its dimension (`i32`) and its components (`f32`, or
//! one byte each).
//!
//! Source: the TEXMEX corpus description (Jegou, Douze & Schmid 2011).

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

use super::{DataError, Matrix};

/// Reads the first `rows_max` rows of a file of singles.
///
/// # Errors
/// [`DataError`] names the file.
pub fn read_fvecs(path: &Path, rows_max: usize) -> Result<Matrix, DataError> {
    read(path, rows_max, 4, |bytes, values| {
        values.extend(bytes.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)));
    })
}

/// Reads the first `rows_max` rows of a file of bytes, as singles.
///
/// # Errors
/// [`DataError`] names the file.
pub fn read_bvecs(path: &Path, rows_max: usize) -> Result<Matrix, DataError> {
    read(path, rows_max, 1, |bytes, values| {
        values.extend(bytes.iter().map(|&byte| f32::from(byte)));
    })
}

fn read(
    path: &Path,
    rows_max: usize,
    component_bytes: usize,
    append: impl Fn(&[u8], &mut Vec<f32>),
) -> Result<Matrix, DataError> {
    let failed = |source| DataError::Io { path: path.into(), source };
    let refused = |reason| DataError::Format { path: path.into(), reason };
    let mut file = BufReader::new(File::open(path).map_err(failed)?);
    let (mut dim, mut values, mut row) = (0, Vec::new(), Vec::new());
    for _ in 0..rows_max {
        let mut four = [0; 4];
        match file.read_exact(&mut four) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            other => other.map_err(failed)?,
        }
        let row_dim = usize::try_from(i32::from_le_bytes(four)).unwrap_or(0);
        if row_dim == 0 || dim > 0 && row_dim != dim {
            return Err(refused("rows differ in their dimension, or it is not positive"));
        }
        dim = row_dim;
        row.clear();
        let row_bytes = row_dim * component_bytes;
        file.by_ref().take(row_bytes as u64).read_to_end(&mut row).map_err(failed)?;
        if row.len() < row_bytes {
            return Err(refused("it ends within a row"));
        }
        append(&row, &mut values);
    }
    if dim == 0 {
        return Err(refused("it has no rows"));
    }
    Ok(Matrix::new(dim, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_and_faults_refused() {
        let path = std::env::temp_dir().join(format!("{}-rows.vecs", std::process::id()));
        let mut bytes = Vec::new();
        for row in [[1.5_f32, 2.0], [-3.0, 4.0]] {
            bytes.extend(2_i32.to_le_bytes());
            bytes.extend(row.map(f32::to_le_bytes).concat());
        }
        std::fs::write(&path, &bytes).unwrap();
        let all = Matrix::new(2, vec![1.5, 2.0, -3.0, 4.0]);
        assert_eq!(read_fvecs(&path, usize::MAX).unwrap(), all);
        assert_eq!(read_fvecs(&path, 1).unwrap().rows(), 1);
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(matches!(read_fvecs(&path, 9), Err(DataError::Format { .. })));

        std::fs::write(&path, [3, 0, 0, 0, 7, 8, 255]).unwrap();
        assert_eq!(read_bvecs(&path, 9).unwrap(), Matrix::new(3, vec![7.0, 8.0, 255.0]));
        std::fs::write(&path, [3, 0, 0, 0, 7, 8, 255, 2, 0, 0, 0, 1, 1]).unwrap();
        assert!(matches!(read_bvecs(&path, 9), Err(DataError::Format { .. })));
        std::fs::remove_file(path).unwrap();
    }
}
