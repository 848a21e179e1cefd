//! Vectors of one dimension, row after row: `.npy`, `.fvecs`, `.bvecs`.

use std::io::{self, Cursor, Read};

use anyhow::{Context, bail, ensure};
use half::f16;
use serde_json::Value;
use vectorizer_model::limits::DIMENSION_MAX;

use super::rows::{BODY_BYTES, Batch, Rows, format_of, open_input, vector_settings};
use crate::cli::{Format, MetricName};

/// How a component is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    U8,
    F16,
    F32,
}

impl Element {
    fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::F16 => 2,
            Self::F32 => 4,
        }
    }

    fn datatype(self) -> &'static str {
        match self {
            Self::U8 => "uint8",
            Self::F16 => "float16",
            Self::F32 => "float32",
        }
    }
}

/// A matrix that is read row by row.
pub(crate) struct Matrix {
    input: Box<dyn Read + Send>,
    element: Element,
    dim: usize,
    /// Whether each row begins with its length.
    framed: bool,
    rows: Option<u64>,
    /// Rows read so far.
    row: u64,
    first_id: u64,
    buffer: Vec<u8>,
}

impl Matrix {
    /// Reads the head of a matrix. `bytes` is the length of the whole input, if it is known.
    ///
    /// # Errors
    /// It is of another format, or does not hold whole rows.
    pub(crate) fn open(
        mut input: Box<dyn Read + Send>,
        bytes: Option<u64>,
        format: Format,
    ) -> anyhow::Result<Self> {
        let framed = format != Format::Npy;
        let (element, dim, rows, head) = match format {
            Format::Npy => npy_head(&mut input)?,
            Format::Fvecs | Format::Bvecs => {
                let element = if format == Format::Fvecs { Element::F32 } else { Element::U8 };
                let mut head = [0; 4];
                input.read_exact(&mut head).context("the file has no rows")?;
                let dim = row_length(head)?;
                input = Box::new(Cursor::new(head).chain(input));
                (element, dim, None, 0)
            }
            Format::Jsonl => bail!("JSON lines are no matrix; give a .npy, .fvecs or .bvecs file"),
        };
        let limit = DIMENSION_MAX as usize;
        ensure!((1..=limit).contains(&dim), "rows have {dim} components; 1 to {limit} are allowed");
        let row_bytes = dim * element.bytes() + if framed { 4 } else { 0 };
        let rows = match (rows, bytes) {
            (None, Some(bytes)) => Some(bytes.div_ceil(row_bytes as u64)),
            (rows, _) => rows,
        };
        if let (Some(rows), Some(bytes)) = (rows, bytes) {
            let whole = head + rows * row_bytes as u64;
            ensure!(whole == bytes, "the file has {bytes} bytes, and {rows} rows take {whole}");
        }
        let buffer = vec![0; row_bytes];
        Ok(Self { input, element, dim, framed, rows, row: 0, first_id: 0, buffer })
    }

    /// Opens a file of queries.
    pub(crate) fn open_file(file: &std::path::Path) -> anyhow::Result<Self> {
        let format = format_of(file, None)?;
        let (input, bytes) = open_input(file)?;
        Self::open(input, bytes, format).with_context(|| file.display().to_string())
    }

    /// The same with another id for the first row.
    #[must_use]
    pub(crate) fn with_first_id(mut self, id: u64) -> Self {
        self.first_id = id;
        self
    }

    /// Reads the next row into the buffer; false at the end.
    fn read_row(&mut self) -> anyhow::Result<bool> {
        if self.rows == Some(self.row) {
            return Ok(false);
        }
        let row = self.row;
        let held = read_up_to(&mut self.input, &mut self.buffer)
            .with_context(|| format!("cannot read row {row}"))?;
        if held == 0 && self.rows.is_none() {
            self.rows = Some(row);
            return Ok(false);
        }
        ensure!(held == self.buffer.len(), "the file ends within row {row}");
        if self.framed {
            let mut head = [0; 4];
            head.copy_from_slice(&self.buffer[..4]);
            let dim = row_length(head)?;
            let expected = self.dim;
            ensure!(dim == expected, "row {row} has {dim} components, and row 0 has {expected}");
        }
        self.row += 1;
        Ok(true)
    }

    /// Appends the row in the buffer as JSON.
    fn append_row(&self, body: &mut Vec<u8>) -> anyhow::Result<()> {
        let values = &self.buffer[if self.framed { 4 } else { 0 }..];
        body.push(b'[');
        for (at, value) in values.chunks_exact(self.element.bytes()).enumerate() {
            if at > 0 {
                body.push(b',');
            }
            let number = match (self.element, value) {
                (Element::U8, value) => {
                    serde_json::to_writer(&mut *body, &value[0])?;
                    continue;
                }
                (_, &[a, b]) => f16::from_le_bytes([a, b]).to_f32(),
                (_, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
                _ => bail!("a component has {} bytes", value.len()),
            };
            let row = self.row - 1;
            ensure!(number.is_finite(), "component {at} of row {row} is {number}");
            serde_json::to_writer(&mut *body, &number)?;
        }
        body.push(b']');
        Ok(())
    }

    /// The next row as JSON; none at the end.
    pub(crate) fn next_vector(&mut self) -> anyhow::Result<Option<Value>> {
        if !self.read_row()? {
            return Ok(None);
        }
        let mut text = Vec::new();
        self.append_row(&mut text)?;
        Ok(Some(serde_json::from_slice(&text)?))
    }
}

impl Rows for Matrix {
    fn total_rows(&self) -> Option<u64> {
        self.rows
    }

    fn total_bytes(&self) -> Option<u64> {
        None
    }

    fn dim(&self) -> Option<u64> {
        Some(self.dim as u64)
    }

    fn vectors(&mut self, metric: MetricName) -> anyhow::Result<Value> {
        Ok(vector_settings(self.dim as u64, metric, self.element.datatype()))
    }

    fn skip(&mut self, rows: u64) -> anyhow::Result<()> {
        let bytes = rows * self.buffer.len() as u64;
        let passed = io::copy(&mut self.input.by_ref().take(bytes), &mut io::sink())?;
        ensure!(passed == bytes, "the file has fewer than the {rows} rows imported before");
        self.row += rows;
        Ok(())
    }

    fn next_batch(&mut self, rows_max: u64) -> anyhow::Result<Option<Batch>> {
        let first = self.row;
        let mut body = br#"{"batch":{"vectors":["#.to_vec();
        while self.row - first < rows_max && body.len() < BODY_BYTES && self.read_row()? {
            if self.row - first > 1 {
                body.push(b',');
            }
            self.append_row(&mut body)?;
        }
        let rows = self.row - first;
        if rows == 0 {
            return Ok(None);
        }
        let last = self.first_id.checked_add(self.row).context("ids grow beyond 64 bits")?;
        let ids: Vec<String> = (self.first_id + first..last).map(|id| id.to_string()).collect();
        let mut body = String::from_utf8(body)?;
        body += "],\"ids\":[";
        body += &ids.join(",");
        body += "]}}";
        Ok(Some(Batch { rows, body, bytes_read: self.row * self.buffer.len() as u64 }))
    }

    fn distinct(&self) -> u64 {
        self.row
    }
}

fn row_length(head: [u8; 4]) -> anyhow::Result<usize> {
    let length = i32::from_le_bytes(head);
    usize::try_from(length).with_context(|| format!("a row says that it has {length} components"))
}

/// Fills the buffer as far as the input goes.
fn read_up_to(input: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut held = 0;
    while held < buffer.len() {
        match input.read(&mut buffer[held..]) {
            Ok(0) => break,
            Ok(bytes) => held += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(held)
}

/// Element, components of a row, rows, and bytes of the head.
fn npy_head(input: &mut dyn Read) -> anyhow::Result<(Element, usize, Option<u64>, u64)> {
    let mut start = [0; 10];
    input.read_exact(&mut start).context("the file is too short for .npy")?;
    ensure!(start.starts_with(b"\x93NUMPY"), "the file does not begin as .npy files do");
    let (length, before) = match start[6] {
        1 => (usize::from(u16::from_le_bytes([start[8], start[9]])), 10),
        2 | 3 => {
            let mut high = [0; 2];
            input.read_exact(&mut high).context("the file is too short for .npy")?;
            let length = u32::from_le_bytes([start[8], start[9], high[0], high[1]]);
            (usize::try_from(length)?, 12)
        }
        version => bail!("version {version} of .npy is not known; save the array again"),
    };
    ensure!(length <= 1 << 20, "the header of the .npy file has {length} bytes");
    let mut header = vec![0; length];
    input.read_exact(&mut header).context("the file is too short for .npy")?;
    let header = String::from_utf8_lossy(&header);
    let (element, dim, rows) = parse_npy(&header)?;
    Ok((element, dim, Some(rows), before + length as u64))
}

/// Reads a header such as `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }`.
fn parse_npy(header: &str) -> anyhow::Result<(Element, usize, u64)> {
    let field = |name: &str| {
        let (_, rest) = header.split_once(&format!("'{name}':"))?;
        Some(rest.trim_start())
    };
    let descr = field("descr").and_then(|rest| rest.strip_prefix('\'')?.split_once('\''));
    let element = match descr.map(|(descr, _)| descr) {
        Some("|u1" | "<u1" | "u1") => Element::U8,
        Some("<f2") => Element::F16,
        Some("<f4") => Element::F32,
        other => {
            let other = other.unwrap_or("unknown");
            bail!("the array's type is {other}; save it as uint8, float16 or float32 (<f4)")
        }
    };
    let fortran = field("fortran_order").is_some_and(|rest| rest.starts_with("True"));
    ensure!(!fortran, "the array is in Fortran order; save numpy.ascontiguousarray of it");
    let shape = field("shape").and_then(|rest| rest.strip_prefix('(')?.split_once(')'));
    let (shape, _) = shape.context("the header of the .npy file has no shape")?;
    let shape: Vec<u64> = shape
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::parse)
        .collect::<Result<_, _>>()
        .context("the shape of the .npy file")?;
    match shape[..] {
        [rows, dim] => Ok((element, usize::try_from(dim)?, rows)),
        [dim] => Ok((element, usize::try_from(dim)?, 1)),
        _ => bail!("the array has {} dimensions; give it 2", shape.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header =
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(data);
        file
    }

    fn open(file: Vec<u8>, format: Format) -> anyhow::Result<Matrix> {
        let bytes = file.len() as u64;
        Matrix::open(Box::new(Cursor::new(file)), Some(bytes), format)
    }

    #[test]
    fn every_element_type_is_read() {
        let floats: Vec<u8> = [1.5_f32, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let halves: Vec<u8> =
            [1.5, -2.0].iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect();
        for (descr, data, expected) in [
            ("<f4", floats, "[1.5,-2.0]"),
            ("<f2", halves, "[1.5,-2.0]"),
            ("|u1", vec![7, 255], "[7,255]"),
        ] {
            let mut matrix = open(npy(descr, "(1, 2)", &data), Format::Npy).unwrap();
            let batch = matrix.next_batch(10).unwrap().unwrap();
            let body = format!(r#"{{"batch":{{"vectors":[{expected}],"ids":[0]}}}}"#);
            assert_eq!((batch.rows, batch.body), (1, body));
            assert!(matrix.next_batch(10).unwrap().is_none());
        }
    }

    #[test]
    fn rows_are_batched_and_skipped() {
        let file = npy("|u1", "(5, 1)", &[0, 1, 2, 3, 4]);
        let mut matrix = open(file, Format::Npy).unwrap().with_first_id(100);
        matrix.skip(2).unwrap();
        let batch = matrix.next_batch(2).unwrap().unwrap();
        assert_eq!(batch.body, r#"{"batch":{"vectors":[[2],[3]],"ids":[102,103]}}"#);
        assert_eq!(matrix.next_batch(2).unwrap().unwrap().rows, 1);
        assert_eq!(matrix.distinct(), 5);
    }

    #[test]
    fn framed_rows_must_agree() {
        let row = |dim: i32, values: &[u8]| [&dim.to_le_bytes()[..], values].concat();
        let file = [row(2, &[1, 2]), row(2, &[3, 4])].concat();
        let mut matrix = open(file, Format::Bvecs).unwrap();
        assert_eq!((matrix.dim(), matrix.total_rows()), (Some(2), Some(2)));
        assert_eq!(matrix.next_batch(9).unwrap().unwrap().rows, 2);
        let file = [row(2, &[1, 2]), row(1, &[3, 4])].concat();
        let refusal = open(file, Format::Bvecs).unwrap().next_batch(9).unwrap_err();
        assert!(refusal.to_string().contains("row 1 has 1"), "{refusal}");
        assert!(open(row(2, &[1]), Format::Bvecs).is_err());
    }

    #[test]
    fn unusable_arrays_are_refused() {
        for file in [
            npy("<f8", "(1, 1)", &[0; 8]),
            npy("<f4", "(1, 1, 1)", &[0; 4]),
            npy("<f4", "(2, 1)", &[0; 4]),
            npy("<f4", "(1, 0)", &[]),
            b"PK".to_vec(),
        ] {
            assert!(open(file, Format::Npy).is_err());
        }
        let mut matrix = open(npy("<f4", "(1, 1)", &f32::NAN.to_le_bytes()), Format::Npy).unwrap();
        assert!(matrix.next_batch(1).unwrap_err().to_string().contains("row 0 is NaN"));
    }
}
