//! Payloads as they were flushed, and the patches that replaced some of them.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use roaring::RoaringBitmap;
use vectorizer_memory::Reservation;
use vectorizer_model::encode::decode_payload;
use vectorizer_model::{Ordinal, Payload, SequenceNumber};
use vectorizer_vfs::{Access, Directory};

use crate::component::{self, ComponentHead, ComponentRef, ComponentWriter};
use crate::error::{Result, SegmentError};
use crate::flat::write_words;
use crate::footer::SectionKind;
use crate::store::{OpenComponent, PagedSection, Store};

/// Payloads that are read side by side.
const PREFETCHED: usize = 64;
/// Bytes of payloads that are read side by side.
const PREFETCHED_BYTES: u64 = 256 << 10;

/// The payload bytes between two neighbouring offsets of a table.
#[derive(Debug)]
struct PayloadTable {
    offsets: PagedSection,
    payloads: PagedSection,
    reference: ComponentRef,
}

impl PayloadTable {
    fn open(component: &OpenComponent, count: usize) -> Result<Self> {
        let offsets = component.section(SectionKind::Offsets)?;
        let payloads = component.section(SectionKind::Payloads)?;
        if offsets.len() != (count + 1) * 8 {
            return Err(component.damaged(0, "the number of payloads"));
        }
        Ok(Self { offsets, payloads, reference: component.reference.clone() })
    }

    /// Where a payload lies within the section.
    fn bounds(&self, number: usize) -> Result<Range<usize>> {
        let bounds = self.bounds_of(number, 1)?;
        Ok(bounds[0]..bounds[1])
    }

    /// Where so many payloads from a number on begin, and where the last of them ends.
    fn bounds_of(&self, number: usize, count: usize) -> Result<Vec<usize>> {
        let range = number * 8..(number + count + 1) * 8;
        let bounds = self.offsets.with_pinned(std::iter::once(range.clone()), |bytes| {
            let (words, _) = bytes.get(range).unwrap_or_default().as_chunks::<8>();
            let place = |word: &[u8; 8]| usize::try_from(u64::from_le_bytes(*word));
            words.iter().map(|word| place(word).unwrap_or(usize::MAX)).collect::<Vec<_>>()
        })?;
        let is_wrong = |bound: &[usize]| bound[0] > bound[1] || bound[1] > self.payloads.len();
        let wrong = bounds.windows(2).position(is_wrong);
        if bounds.len() == count + 1 && wrong.is_none() && bounds[0] <= self.payloads.len() {
            return Ok(bounds);
        }
        Err(SegmentError::Damaged {
            file: self.reference.file_name(),
            offset: self.offsets.place((number + wrong.unwrap_or(0)) * 8),
            what: "a payload's bounds",
        })
    }

    /// Reads the pages of these payloads side by side, as far as they are few.
    fn prefetch(&self, numbers: impl Iterator<Item = usize> + Clone) {
        let mut wanted = [(0, 0); PREFETCHED];
        let bounds = numbers.clone().map(|number| number * 8..number * 8 + 16);
        let read = self.offsets.with_pinned(bounds.take(PREFETCHED), |bytes| {
            let mut found = 0;
            let mut left = PREFETCHED_BYTES;
            for (number, place) in numbers.zip(&mut wanted) {
                let words = bytes.get(number * 8..number * 8 + 16).unwrap_or_default();
                let [start, end] = words.as_chunks::<8>().0 else { break };
                let (start, end) = (u64::from_le_bytes(*start), u64::from_le_bytes(*end));
                let Some(rest) = end.checked_sub(start).and_then(|len| left.checked_sub(len))
                else {
                    break;
                };
                left = rest;
                *place = (start, end);
                found += 1;
            }
            found
        });
        let len = self.payloads.len() as u64;
        let found = wanted.get(..read.unwrap_or(0)).unwrap_or_default().iter();
        let ranges = found.filter(|(_, end)| *end <= len).filter_map(|&(start, end)| {
            Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
        });
        // Whoever reads one of them finds what is wrong with it.
        self.payloads.with_pinned(ranges, |_| ()).ok();
    }

    fn read_bytes(&self, number: usize) -> Result<Vec<u8>> {
        let range = self.bounds(number)?;
        self.payloads.with_pinned(std::iter::once(range.clone()), |bytes| {
            bytes.get(range).unwrap_or_default().to_vec()
        })
    }

    /// Bytes of a payload.
    fn len_of(&self, number: usize) -> Result<u64> {
        Ok(self.bounds(number)?.len() as u64)
    }

    fn read(&self, number: usize, row: Ordinal) -> Result<Payload> {
        self.decode(&self.read_bytes(number)?, row)
    }

    fn decode(&self, bytes: &[u8], row: Ordinal) -> Result<Payload> {
        if bytes.is_empty() {
            return Ok(Payload::new());
        }
        decode_payload(bytes).map_err(|source| SegmentError::Payload {
            file: self.reference.file_name(),
            row: row.0,
            source,
        })
    }
}

/// The payload of every row as it was flushed.
#[derive(Debug)]
pub(crate) struct PayloadColumn(PayloadTable);

impl PayloadColumn {
    pub(crate) fn open(store: &Store, reference: &ComponentRef) -> Result<Self> {
        let component = OpenComponent::open(store, reference)?;
        Ok(Self(PayloadTable::open(&component, component.footer.rows as usize)?))
    }

    pub(crate) fn read(&self, ordinal: Ordinal) -> Result<Payload> {
        self.0.read(ordinal.index(), ordinal)
    }

    /// Bytes of a row's payload.
    pub(crate) fn len_of(&self, ordinal: Ordinal) -> Result<u64> {
        self.0.len_of(ordinal.index())
    }

    pub(crate) fn read_bytes(&self, ordinal: Ordinal) -> Result<Vec<u8>> {
        self.0.read_bytes(ordinal.index())
    }

    pub(crate) fn decode(&self, bytes: &[u8], ordinal: Ordinal) -> Result<Payload> {
        self.0.decode(bytes, ordinal)
    }

    /// Shows the payloads of rows in turn, as many as lie within `bytes_max`. Returns the row after
    /// the last, and their bytes.
    pub(crate) fn show(
        &self,
        rows: Range<u32>,
        bytes_max: usize,
        mut show: impl FnMut(Ordinal, &Payload),
    ) -> Result<(Ordinal, usize)> {
        let bounds = self.0.bounds_of(rows.start as usize, rows.len())?;
        let start = bounds.first().copied().unwrap_or_default();
        let within = bounds.partition_point(|end| end - start <= bytes_max);
        let bounds = &bounds[..within];
        let whole = start..bounds.last().copied().unwrap_or(start);
        let bytes = whole.len();
        if bounds.len() < 2 {
            return Ok((Ordinal(rows.start), 0));
        }
        self.0.payloads.with_pinned(std::iter::once(whole), |pinned| {
            let mut ordinal = Ordinal(rows.start);
            for bound in bounds.windows(2) {
                let payload = pinned.get(bound[0]..bound[1]).unwrap_or_default();
                show(ordinal, &self.decode(payload, ordinal)?);
                ordinal.0 += 1;
            }
            Ok((ordinal, bytes))
        })?
    }

    /// Reads the pages of these rows' payloads side by side.
    pub(crate) fn prefetch(&self, ordinals: &[Ordinal]) {
        for ordinals in ordinals.chunks(PREFETCHED) {
            self.0.prefetch(ordinals.iter().map(|ordinal| ordinal.index()));
        }
    }

    /// Where a row's payload lies in the file or, if that is wrong, where it should say so.
    pub(crate) fn place(&self, ordinal: Ordinal) -> u64 {
        let said = self.0.offsets.place(ordinal.index() * 8);
        self.0.bounds(ordinal.index()).map_or(said, |range| self.0.payloads.place(range.start))
    }
}

/// Payloads that replaced flushed ones.
#[derive(Debug)]
pub(crate) struct PatchColumn {
    table: PayloadTable,
    versions: PagedSection,
    digests: PagedSection,
    place: HashMap<u32, u32>,
    rows: RoaringBitmap,
    _charge: Reservation,
}

impl PatchColumn {
    pub(crate) fn open(store: &Store, reference: &ComponentRef) -> Result<Self> {
        let component = OpenComponent::open(store, reference)?;
        let listed = component.footer.section(SectionKind::Ordinals).map_or(0, |s| s.len / 4);
        let charge = store.charge(listed * (4 + 4 + 1) * 2 + listed * 4)?;
        let ordinals = read_ordinals(store, &component)?;
        let table = PayloadTable::open(&component, ordinals.len())?;
        let versions = component.section(SectionKind::Versions)?;
        let digests = component.section(SectionKind::Digests)?;
        if versions.len() != ordinals.len() * 8 || digests.len() != ordinals.len() * 8 {
            return Err(component.damaged(0, "the number of versions"));
        }
        let rows = ordinals.iter().map(|o| o.0).collect();
        let place = (0..).zip(&ordinals).map(|(at, ordinal)| (ordinal.0, at)).collect();
        Ok(Self { table, versions, digests, place, rows, _charge: charge })
    }

    /// The patched rows.
    pub(crate) fn rows(&self) -> &RoaringBitmap {
        &self.rows
    }

    fn place(&self, ordinal: Ordinal) -> Option<usize> {
        self.place.get(&ordinal.0).map(|at| *at as usize)
    }

    pub(crate) fn read(&self, ordinal: Ordinal) -> Result<Option<Payload>> {
        self.place(ordinal).map(|at| self.table.read(at, ordinal)).transpose()
    }

    /// Bytes of a row's payload.
    pub(crate) fn len_of(&self, ordinal: Ordinal) -> Result<Option<u64>> {
        self.place(ordinal).map(|at| self.table.len_of(at)).transpose()
    }

    pub(crate) fn version(&self, ordinal: Ordinal) -> Result<Option<SequenceNumber>> {
        let Some(at) = self.place(ordinal) else { return Ok(None) };
        Ok(Some(SequenceNumber(u64::from_le_bytes(self.versions.word(at)?))))
    }

    pub(crate) fn digest(&self, ordinal: Ordinal) -> Result<Option<u64>> {
        let Some(at) = self.place(ordinal) else { return Ok(None) };
        Ok(Some(u64::from_le_bytes(self.digests.word(at)?)))
    }
}

/// Reads a section of ordinals and checks that they ascend within the segment.
pub(crate) fn read_ordinals(store: &Store, component: &OpenComponent) -> Result<Vec<Ordinal>> {
    let bytes = component.read(store, SectionKind::Ordinals)?.unwrap_or_default();
    let ordinals: Vec<Ordinal> =
        bytes.as_chunks::<4>().0.iter().map(|word| Ordinal(u32::from_le_bytes(*word))).collect();
    let within = ordinals.last().is_none_or(|last| last.0 < component.footer.rows);
    if !within || !ordinals.is_sorted_by(|a, b| a < b) {
        return Err(component.damaged(0, "the order of ordinals"));
    }
    Ok(ordinals)
}

/// One payload that replaces a flushed one.
#[derive(Debug, Clone)]
pub struct PatchRow {
    /// Which row.
    pub ordinal: Ordinal,
    /// Sequence number of the change.
    pub version: SequenceNumber,
    /// What the row holds from then on.
    pub payload: Arc<Payload>,
}

/// Writes a patch component from rows in ascending order, with the digest of each.
pub(crate) fn write_patches(
    directory: &dyn Directory,
    head: ComponentHead,
    file: u64,
    rows: &[(PatchRow, u64)],
) -> Result<ComponentRef> {
    let mut out = ComponentWriter::create(directory, head, file)?;
    let ordinals: Vec<u32> = rows.iter().map(|(row, _)| row.ordinal.0).collect();
    let versions: Vec<u64> = rows.iter().map(|(row, _)| row.version.0).collect();
    let digests: Vec<u64> = rows.iter().map(|(_, digest)| *digest).collect();
    let mut offsets = vec![0];
    out.begin(SectionKind::Payloads)?;
    let (mut bytes, mut end) = (Vec::new(), 0);
    for (row, _) in rows {
        bytes.clear();
        vectorizer_model::encode::encode_payload(&row.payload, &mut bytes);
        out.write(&bytes)?;
        end += bytes.len() as u64;
        offsets.push(end);
    }
    write_words(&mut out, SectionKind::Ordinals, &ordinals, u32::to_le_bytes)?;
    write_words(&mut out, SectionKind::Versions, &versions, u64::to_le_bytes)?;
    write_words(&mut out, SectionKind::Digests, &digests, u64::to_le_bytes)?;
    write_words(&mut out, SectionKind::Offsets, &offsets, u64::to_le_bytes)?;
    out.finish()
}

/// Writes the rows of a segment that are gone, ascending.
///
/// # Errors
/// A refusing disk.
pub fn write_tombstones(
    directory: &dyn Directory,
    head: ComponentHead,
    file: u64,
    dead: &[Ordinal],
) -> Result<ComponentRef> {
    let mut out = ComponentWriter::create(directory, head, file)?;
    let ordinals: Vec<u32> = dead.iter().map(|ordinal| ordinal.0).collect();
    write_words(&mut out, SectionKind::Ordinals, &ordinals, u32::to_le_bytes)?;
    out.finish()
}

/// How many rows of a segment are gone, by the component's footer alone.
///
/// # Errors
/// [`SegmentError::Damaged`] or the disk's refusal.
pub fn count_tombstones(directory: &dyn Directory, reference: &ComponentRef) -> Result<u64> {
    let (_, footer) = component::open(directory, reference, Access::Read)?;
    Ok(footer.section(SectionKind::Ordinals).map_or(0, |section| section.len / 4))
}

/// Reads the rows of a segment that are gone, ascending.
///
/// # Errors
/// [`SegmentError::Damaged`] or the disk's refusal.
pub fn read_tombstones(store: &Store, reference: &ComponentRef) -> Result<Vec<Ordinal>> {
    let component = OpenComponent::open(store, reference)?;
    read_ordinals(store, &component)
}
