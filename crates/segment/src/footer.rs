//! The last page of every component: what the file is, where its sections lie, and their
//! checksums. See `docs/format/component.md` for the byte table.

use vectorizer_model::SegmentId;
use vectorizer_model::layout::PAGE_BYTES;

use crate::error::SegmentError;

const MAGIC: [u8; 8] = *b"VZCOMP01";
const HEADER_BYTES: usize = 32;
const SECTION_BYTES: usize = 24;
/// Sections that fit a footer.
pub const SECTIONS_MAX: usize = (PAGE_BYTES - HEADER_BYTES - 4) / SECTION_BYTES;

/// What a component holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ComponentKind {
    /// Ids, versions, digests and the id filter of every row.
    Rows = 1,
    /// One vector name's stored components.
    Vectors = 2,
    /// One vector name's codes.
    Codes = 3,
    /// One vector name's graph.
    Graph = 4,
    /// Payloads as they were flushed.
    Payload = 5,
    /// Payloads that replace flushed ones.
    Patch = 6,
    /// Rows that are gone.
    Tombstones = 7,
    /// One payload field's index.
    FieldIndex = 8,
}

impl ComponentKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Rows,
        Self::Vectors,
        Self::Codes,
        Self::Graph,
        Self::Payload,
        Self::Patch,
        Self::Tombstones,
        Self::FieldIndex,
    ];

    /// The kind with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Vectors => "vectors",
            Self::Codes => "codes",
            Self::Graph => "graph",
            Self::Payload => "payload",
            Self::Patch => "patch",
            Self::Tombstones => "tombstones",
            Self::FieldIndex => "field_index",
        }
    }
}

/// What a section of a component holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SectionKind {
    /// Integer ids, ascending, 8 bytes each.
    NumIds = 1,
    /// UUID ids, ascending, 16 bytes each; their rows follow those of the integers.
    UuidIds = 2,
    /// Sequence number of each row's last change.
    Versions = 3,
    /// Digest of each row.
    Digests = 4,
    /// Split-block Bloom filter of the ids.
    IdFilter = 5,
    /// Vectors, row-major and dense.
    Values = 6,
    /// One bit for each row that has the vector; absent when all have.
    Presence = 7,
    /// Parameters of the quantizer.
    Quantizer = 8,
    /// Codes, no row straddling a page.
    Codes = 9,
    /// An encoded graph.
    Graph = 10,
    /// Byte offset of each payload, and one past the last.
    Offsets = 11,
    /// Encoded payloads.
    Payloads = 12,
    /// Ordinals, ascending, 4 bytes each.
    Ordinals = 13,
    /// An encoded field index.
    Index = 14,
    /// The row of each id in their order, 4 bytes each; absent where rows are in the order of ids.
    RowsById = 15,
    /// The place of each row's id in the order of ids, 4 bytes each; absent likewise.
    IdPlaces = 16,
}

impl SectionKind {
    const ALL: [Self; 16] = [
        Self::NumIds,
        Self::UuidIds,
        Self::Versions,
        Self::Digests,
        Self::IdFilter,
        Self::Values,
        Self::Presence,
        Self::Quantizer,
        Self::Codes,
        Self::Graph,
        Self::Offsets,
        Self::Payloads,
        Self::Ordinals,
        Self::Index,
        Self::RowsById,
        Self::IdPlaces,
    ];
}

/// One section: a run of bytes that begins on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// What it holds.
    pub kind: SectionKind,
    /// Byte offset within the file.
    pub offset: u64,
    /// Bytes, padding excluded.
    pub len: u64,
    /// CRC-32C of those bytes.
    pub crc: u32,
}

/// A component's last page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footer {
    /// What the component holds.
    pub kind: ComponentKind,
    /// The segment it belongs to.
    pub segment: SegmentId,
    /// Rows of that segment.
    pub rows: u32,
    /// Its sections, in file order.
    pub sections: Vec<Section>,
}

impl Footer {
    /// The section of a kind.
    pub fn section(&self, kind: SectionKind) -> Option<&Section> {
        self.sections.iter().find(|section| section.kind == kind)
    }

    /// The page as it is written.
    pub(crate) fn to_page(&self) -> Vec<u8> {
        let mut page = Vec::with_capacity(PAGE_BYTES);
        page.extend_from_slice(&MAGIC);
        page.push(self.kind as u8);
        page.extend_from_slice(&[0; 3]);
        page.extend_from_slice(&self.rows.to_le_bytes());
        page.extend_from_slice(&self.segment.0.to_le_bytes());
        let count = u32::try_from(self.sections.len()).unwrap_or(u32::MAX);
        page.extend_from_slice(&count.to_le_bytes());
        page.extend_from_slice(&[0; 4]);
        for section in &self.sections {
            page.push(section.kind as u8);
            page.extend_from_slice(&[0; 3]);
            page.extend_from_slice(&section.crc.to_le_bytes());
            page.extend_from_slice(&section.offset.to_le_bytes());
            page.extend_from_slice(&section.len.to_le_bytes());
        }
        page.resize(PAGE_BYTES - 4, 0);
        let crc = crc32c::crc32c(&page);
        page.extend_from_slice(&crc.to_le_bytes());
        page
    }

    /// Reads a last page; `file` names it in errors and `file_bytes` bounds its sections.
    pub(crate) fn parse(page: &[u8], file: &str, file_bytes: u64) -> Result<Self, SegmentError> {
        let damaged = |what: &'static str| SegmentError::Damaged {
            file: file.to_owned(),
            offset: file_bytes.saturating_sub(PAGE_BYTES as u64),
            what,
        };
        if page.len() != PAGE_BYTES || page[..8] != MAGIC {
            return Err(damaged("the footer's magic number"));
        }
        let (body, crc) = page.split_at(PAGE_BYTES - 4);
        if crc32c::crc32c(body).to_le_bytes() != *crc {
            return Err(damaged("the footer's checksum"));
        }
        let kind = ComponentKind::from_number(page[8]).ok_or_else(|| damaged("the kind"))?;
        let rows = u32_at(page, 12);
        let segment = SegmentId(u64_at(page, 16));
        let count = u32_at(page, 24) as usize;
        if count > SECTIONS_MAX {
            return Err(damaged("the number of sections"));
        }
        let end = file_bytes - PAGE_BYTES as u64;
        let sections = (0..count)
            .map(|number| {
                let at = HEADER_BYTES + number * SECTION_BYTES;
                let kind = SectionKind::ALL
                    .into_iter()
                    .find(|kind| *kind as u8 == page[at])
                    .ok_or_else(|| damaged("a section's kind"))?;
                let (crc, offset, len) =
                    (u32_at(page, at + 4), u64_at(page, at + 8), u64_at(page, at + 16));
                if offset.checked_add(len).is_none_or(|section_end| section_end > end) {
                    return Err(damaged("a section's bounds"));
                }
                Ok(Section { kind, offset, len, crc })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { kind, segment, rows, sections })
    }
}

fn u32_at(page: &[u8], at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&page[at..at + 4]);
    u32::from_le_bytes(bytes)
}

fn u64_at(page: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&page[at..at + 8]);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Footer {
        Footer {
            kind: ComponentKind::Rows,
            segment: SegmentId(7),
            rows: 12,
            sections: vec![
                Section { kind: SectionKind::NumIds, offset: 0, len: 96, crc: 1 },
                Section { kind: SectionKind::Versions, offset: 4096, len: 96, crc: 2 },
            ],
        }
    }

    #[test]
    fn round_trip() {
        let footer = sample();
        assert_eq!(Footer::parse(&footer.to_page(), "f", 12_288).ok(), Some(footer));
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let page = sample().to_page();
        for byte in 0..PAGE_BYTES {
            let mut damaged = page.clone();
            damaged[byte] ^= 1 << (byte % 8);
            assert!(Footer::parse(&damaged, "f", 12_288).is_err(), "byte {byte}");
        }
    }

    #[test]
    fn sections_must_lie_before_the_footer() {
        assert!(Footer::parse(&sample().to_page(), "f", 8192).is_err());
    }
}
