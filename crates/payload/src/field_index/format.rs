//! The bytes of a field index, version 1: `docs/format/field-index.md`.

use std::convert::Infallible;
use std::io;

use roaring::RoaringBitmap;
use vectorizer_model::KeyPath;
use vectorizer_model::encode::DecodeError;
use vectorizer_model::settings::FieldIndexKind;

use super::postings::Postings;
use super::values::{Class, Values};
use super::{FieldIndex, RowSets};
use crate::PayloadError;

const MAGIC: [u8; 4] = *b"VFIX";
const VERSION: u16 = 1;

impl FieldIndex {
    /// The bytes of the component. Equal indexes have equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let Ok(()) = self.write(|run| {
            bytes.extend_from_slice(run);
            Ok::<(), Infallible>(())
        });
        bytes
    }

    /// Hands out the same bytes in runs, and holds no more than [`FieldIndex::WRITE_BYTES`] for it.
    ///
    /// # Errors
    /// The first of `sink`, which is not called after it.
    pub fn write<E>(&self, sink: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut out = Output { run: Vec::with_capacity(Self::WRITE_BYTES), sink, failure: None };
        let key = self.key.to_string();
        let text_bytes = match &self.values {
            Values::Texts { text, .. } => text.len(),
            Values::Keys(_) => 0,
        };
        out.put(&MAGIC);
        out.put(&VERSION.to_le_bytes());
        out.put(&[kind_code(self.kind), 0]);
        out.word(self.rows);
        out.len(key.len());
        out.len(self.values.len());
        out.len(self.postings.rows.len());
        out.len(self.postings.dense.len());
        out.len(text_bytes);
        out.put(key.as_bytes());
        match &self.values {
            Values::Texts { starts, text } => {
                for &start in starts {
                    out.word(start);
                }
                out.put(text.as_bytes());
            }
            Values::Keys(keys) => {
                for key in keys {
                    out.put(&key.to_le_bytes());
                }
            }
        }
        for &word in self.postings.starts.iter().chain(&self.postings.rows) {
            out.word(word);
        }
        for (value, bitmap) in &self.postings.dense {
            out.word(*value);
            out.bitmap(bitmap);
        }
        for set in self.sets.all() {
            out.bitmap(set);
        }
        out.finish()
    }

    /// Bytes that [`FieldIndex::write`] holds.
    pub const WRITE_BYTES: usize = 4 << 10;

    /// Reads the bytes of a component. Checksums are the segment's; this checks structure, so that
    /// no bytes make a later call fail.
    ///
    /// Allocates a small multiple of `bytes.len()`; see [`FieldIndex::bytes`] for what stays.
    ///
    /// # Errors
    /// [`PayloadError::Format`] names the place.
    pub fn parse(bytes: &[u8]) -> Result<Self, PayloadError> {
        let mut input = Input { bytes, at: 0 };
        let index = input.index()?;
        if input.at < bytes.len() {
            return Err(input.invalid("field index end", bytes.len() as u64).into());
        }
        Ok(index)
    }
}

fn kind_code(kind: FieldIndexKind) -> u8 {
    match kind {
        FieldIndexKind::Keyword => 0,
        FieldIndexKind::Integer => 1,
        FieldIndexKind::Float => 2,
        FieldIndexKind::Bool => 3,
    }
}

/// Bytes on their way to a sink, which is told of them a run at a time.
struct Output<S, E> {
    run: Vec<u8>,
    sink: S,
    /// Nothing is written after it.
    failure: Option<E>,
}

impl<S: FnMut(&[u8]) -> Result<(), E>, E> Output<S, E> {
    fn put(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = self.run.capacity() - self.run.len();
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.run.extend_from_slice(now);
            rest = later;
            if self.run.len() == self.run.capacity() {
                self.hand_out();
            }
        }
    }

    fn hand_out(&mut self) {
        if self.failure.is_none() {
            self.failure = (self.sink)(&self.run).err();
        }
        self.run.clear();
    }

    fn finish(mut self) -> Result<(), E> {
        self.hand_out();
        self.failure.map_or(Ok(()), Err)
    }

    fn word(&mut self, word: u32) {
        self.put(&word.to_le_bytes());
    }

    /// Lengths fit: the builder and the reader refuse longer ones.
    fn len(&mut self, len: usize) {
        self.word(u32::try_from(len).unwrap_or(u32::MAX));
    }

    fn bitmap(&mut self, bitmap: &RoaringBitmap) {
        self.len(bitmap.serialized_size());
        let written = bitmap.serialize_into(&mut *self);
        debug_assert!(written.is_ok(), "a failure is kept for the end");
    }
}

impl<S: FnMut(&[u8]) -> Result<(), E>, E> io::Write for Output<S, E> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn invalid(&self, what: &'static str, found: u64) -> DecodeError {
        DecodeError::Invalid { what, at: self.at, found }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let left = &self.bytes[self.at..];
        let Some(taken) = left.get(..len) else {
            return Err(DecodeError::Truncated { at: self.at, needed: len - left.len() });
        };
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn word(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    fn len(&mut self) -> Result<usize, DecodeError> {
        self.word().map(|len| len as usize)
    }

    fn words(&mut self, count: usize) -> Result<Vec<u32>, DecodeError> {
        let bytes = self.take(count.saturating_mul(4))?;
        let word = |chunk: &[u8]| chunk.iter().rev().fold(0, |word, &b| word << 8 | u32::from(b));
        Ok(bytes.chunks_exact(4).map(word).collect())
    }

    fn text(&mut self, len: usize, what: &'static str) -> Result<&'a str, DecodeError> {
        let at = self.at;
        let bytes = self.take(len)?;
        std::str::from_utf8(bytes).map_err(|fault| DecodeError::Invalid {
            what,
            at: at + fault.valid_up_to(),
            found: bytes.get(fault.valid_up_to()).copied().unwrap_or(0).into(),
        })
    }

    fn kind(&mut self) -> Result<FieldIndexKind, DecodeError> {
        let [code, reserved] = self.array()?;
        if reserved != 0 {
            return Err(self.invalid("field index reserved byte", reserved.into()));
        }
        match code {
            0 => Ok(FieldIndexKind::Keyword),
            1 => Ok(FieldIndexKind::Integer),
            2 => Ok(FieldIndexKind::Float),
            3 => Ok(FieldIndexKind::Bool),
            _ => Err(self.invalid("field index kind", code.into())),
        }
    }

    fn index(&mut self) -> Result<FieldIndex, DecodeError> {
        let magic = self.array()?;
        if magic != MAGIC {
            return Err(self.invalid("field index magic", u32::from_le_bytes(magic).into()));
        }
        let version = u16::from_le_bytes(self.array()?);
        if version != VERSION {
            return Err(self.invalid("field index version", version.into()));
        }
        let kind = self.kind()?;
        let rows = self.word()?;
        let (key_len, values_len) = (self.len()?, self.len()?);
        let (lists_len, dense_len, text_len) = (self.len()?, self.len()?, self.len()?);
        let key: KeyPath = self
            .text(key_len, "field index key")?
            .parse()
            .map_err(|_no_path| self.invalid("field index key", key_len as u64))?;
        let values = match kind {
            FieldIndexKind::Keyword => self.texts(values_len, text_len)?,
            FieldIndexKind::Integer | FieldIndexKind::Float | FieldIndexKind::Bool => {
                self.keys(values_len, text_len)?
            }
        };
        let postings = self.postings(values_len, lists_len, dense_len, rows)?;
        let mut sets = RowSets::default();
        for set in sets.all_mut() {
            *set = self.bitmap(rows)?;
        }
        Ok(FieldIndex { kind, key, rows, values, postings, sets })
    }

    fn texts(&mut self, values_len: usize, text_len: usize) -> Result<Values, DecodeError> {
        let starts = self.words(values_len + 1)?;
        let text = self.text(text_len, "field index text")?;
        let bounded = starts.first() == Some(&0)
            && starts.last().is_some_and(|&end| end as usize == text_len)
            && starts.is_sorted();
        let words = starts.windows(2).map(|pair| text.get(pair[0] as usize..pair[1] as usize));
        let mut previous = None;
        for word in words {
            if !bounded || word.is_none() || previous.is_some_and(|previous| previous >= word) {
                return Err(self.invalid("field index text order", text_len as u64));
            }
            previous = Some(word);
        }
        if !bounded {
            return Err(self.invalid("field index text bounds", text_len as u64));
        }
        Ok(Values::Texts { starts, text: text.to_owned() })
    }

    fn keys(&mut self, values_len: usize, text_len: usize) -> Result<Values, DecodeError> {
        let bytes = self.take(values_len.saturating_mul(8))?;
        let key = |chunk: &[u8]| chunk.iter().rev().fold(0, |key, &b| key << 8 | i64::from(b));
        let keys: Vec<i64> = bytes.chunks_exact(8).map(key).collect();
        if text_len != 0 {
            return Err(self.invalid("field index text length", text_len as u64));
        }
        if !keys.is_sorted_by(|a, b| a < b) {
            return Err(self.invalid("field index key order", values_len as u64));
        }
        Ok(Values::Keys(keys))
    }

    fn postings(
        &mut self,
        values_len: usize,
        lists_len: usize,
        dense_len: usize,
        row_count: u32,
    ) -> Result<Postings, DecodeError> {
        let starts = self.words(values_len + 1)?;
        let rows = self.words(lists_len)?;
        let bounded = starts.first() == Some(&0)
            && starts.last().is_some_and(|&end| end as usize == lists_len)
            && starts.is_sorted();
        let ordered = bounded
            && starts.windows(2).all(|pair| {
                let list = &rows[pair[0] as usize..pair[1] as usize];
                list.is_sorted_by(|a, b| a < b) && list.last().is_none_or(|&row| row < row_count)
            });
        if !ordered {
            return Err(self.invalid("field index rows", lists_len as u64));
        }
        let mut dense: Vec<(u32, RoaringBitmap)> = Vec::new();
        for _ in 0..dense_len {
            let value = self.word()?;
            let at = value as usize;
            let unlisted = at < values_len && starts[at] == starts[at + 1];
            if !unlisted || dense.last().is_some_and(|(last, _)| *last >= value) {
                return Err(self.invalid("field index bitmap value", value.into()));
            }
            dense.push((value, self.bitmap(row_count)?));
        }
        Ok(Postings::new(starts, rows, dense))
    }

    fn bitmap(&mut self, rows: u32) -> Result<RoaringBitmap, DecodeError> {
        let len = self.len()?;
        let mut bytes = self.take(len)?;
        let bitmap = RoaringBitmap::deserialize_from(&mut bytes)
            .map_err(|_malformed| self.invalid("field index bitmap", len as u64))?;
        let within = bitmap.max().is_none_or(|row| row < rows);
        if !within || !bytes.is_empty() {
            return Err(self.invalid("field index bitmap", len as u64));
        }
        Ok(bitmap)
    }
}

const _: () = assert!(Class::ALL.len() == 4, "the format stores four sets of strays");
