//! A component file: sections that begin on pages, then the footer.
//!
//! A component never changes after its footer was written and synced; it is live only through the
//! manifest.

use std::ops::Range;
use std::sync::Arc;

use vectorizer_model::SegmentId;
use vectorizer_model::layout::PAGE_BYTES;
use vectorizer_vfs::{Access, Directory, File, SequentialWriter};

use crate::error::{Result, SegmentError};
use crate::footer::{ComponentKind, Footer, Section, SectionKind};

/// A component as the manifest names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentRef {
    /// What it holds.
    pub kind: ComponentKind,
    /// The vector name or field path it is about; empty where the kind needs none.
    pub tag: String,
    /// Its file's number, unique within the shard.
    pub file: u64,
    /// Its file's length.
    pub bytes: u64,
}

impl ComponentRef {
    /// The name of its file.
    pub fn file_name(&self) -> String {
        file_name(self.file)
    }
}

/// The name of a component's file.
pub fn file_name(number: u64) -> String {
    format!("{number:010}.vzc")
}

/// The number in a component's file name; none if the name is no component's.
pub fn file_number(name: &str) -> Option<u64> {
    name.strip_suffix(".vzc")?.parse().ok()
}

/// What a component is written for.
#[derive(Debug, Clone)]
pub struct ComponentHead {
    /// What it holds.
    pub kind: ComponentKind,
    /// The vector name or field path; empty where the kind needs none.
    pub tag: String,
    /// Its segment.
    pub segment: SegmentId,
    /// Rows of the segment.
    pub rows: u32,
}

/// Writes one component, section after section.
#[derive(Debug)]
pub(crate) struct ComponentWriter {
    head: ComponentHead,
    file: u64,
    out: SequentialWriter,
    sections: Vec<Section>,
}

impl ComponentWriter {
    pub(crate) fn create(
        directory: &dyn Directory,
        head: ComponentHead,
        file: u64,
    ) -> Result<Self> {
        let out = SequentialWriter::new(directory.create(&file_name(file))?);
        Ok(Self { head, file, out, sections: Vec::new() })
    }

    /// Starts a section on the next page.
    pub(crate) fn begin(&mut self, kind: SectionKind) -> Result<()> {
        self.out.pad_to(PAGE_BYTES as u64)?;
        let offset = self.out.position();
        self.sections.push(Section { kind, offset, len: 0, crc: 0 });
        Ok(())
    }

    /// Appends to the section begun last.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        debug_assert!(!self.sections.is_empty(), "bytes belong to a section");
        if let Some(section) = self.sections.last_mut() {
            section.len += bytes.len() as u64;
            section.crc = crc32c::crc32c_append(section.crc, bytes);
        }
        Ok(self.out.write(bytes)?)
    }

    /// Writes a section whole.
    pub(crate) fn section(&mut self, kind: SectionKind, bytes: &[u8]) -> Result<()> {
        self.begin(kind)?;
        self.write(bytes)
    }

    /// As [`ComponentWriter::finish`], for a segment whose rows are known only now.
    pub(crate) fn finish_with_rows(mut self, rows: u32) -> Result<ComponentRef> {
        self.head.rows = rows;
        self.finish()
    }

    /// Writes the footer and syncs the file; its name is durable after the folder's sync.
    pub(crate) fn finish(mut self) -> Result<ComponentRef> {
        self.out.pad_to(PAGE_BYTES as u64)?;
        let footer = Footer {
            kind: self.head.kind,
            segment: self.head.segment,
            rows: self.head.rows,
            sections: self.sections,
        };
        self.out.write(&footer.to_page())?;
        let bytes = self.out.finish()?;
        Ok(ComponentRef { kind: self.head.kind, tag: self.head.tag, file: self.file, bytes })
    }
}

/// Opens a component's file and reads its footer.
pub(crate) fn open(
    directory: &dyn Directory,
    component: &ComponentRef,
    access: Access,
) -> Result<(Arc<dyn File>, Footer)> {
    let name = component.file_name();
    let file = directory.open(&name, access)?;
    let len = file.len()?;
    let damaged = |what| SegmentError::Damaged { file: name.clone(), offset: len, what };
    if len != component.bytes || len < PAGE_BYTES as u64 || !len.is_multiple_of(PAGE_BYTES as u64) {
        return Err(damaged("the file's length"));
    }
    let buffered = directory.open(&name, Access::Read)?;
    let mut page = vec![0; PAGE_BYTES];
    buffered.read_exact_at(&mut page, len - PAGE_BYTES as u64)?;
    // With the footer, what is left of writing the file.
    buffered.drop_cache(0, len);
    let footer = Footer::parse(&page, &name, len)?;
    if footer.kind != component.kind {
        return Err(damaged("the kind, which the manifest gives otherwise"));
    }
    Ok((file, footer))
}

/// Reads a section whole and checks its bytes; for sections that live in memory.
pub(crate) fn read_section(
    directory: &dyn Directory,
    component: &ComponentRef,
    section: &Section,
) -> Result<Vec<u8>> {
    let file = directory.open(&component.file_name(), Access::Read)?;
    let len = usize::try_from(section.len).unwrap_or(usize::MAX);
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, section.offset)?;
    file.drop_cache(section.offset, section.len);
    if crc32c::crc32c(&bytes) != section.crc {
        return Err(SegmentError::Damaged {
            file: component.file_name(),
            offset: section.offset,
            what: "a section's checksum",
        });
    }
    Ok(bytes)
}

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Bytes that [`verify`] holds.
pub const VERIFY_BYTES: u64 = CHUNK_BYTES as u64;

/// Reads every byte of a component, compares all checksums and tells of each section, and each gap
/// between two, that is not as it was written.
///
/// # Errors
/// The footer is damaged, so that nothing is known of the sections; or the disk refuses.
pub fn verify(
    directory: &dyn Directory,
    component: &ComponentRef,
    damaged: &mut dyn FnMut(SegmentError),
) -> Result<()> {
    let (file, footer) = open(directory, component, Access::Read)?;
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut covered = 0;
    for section in &footer.sections {
        check_padding(&*file, component, covered..section.offset, &mut buffer)
            .or_else(|error| tell(error, damaged))?;
        let mut crc = 0;
        let end = section.offset + section.len;
        for_each_chunk(&*file, section.offset..end, &mut buffer, |_, bytes| {
            crc = crc32c::crc32c_append(crc, bytes);
            Ok(())
        })?;
        if crc != section.crc {
            damaged(SegmentError::Damaged {
                file: component.file_name(),
                offset: section.offset,
                what: "a section's checksum",
            });
        }
        covered = end;
    }
    check_padding(&*file, component, covered..component.bytes - PAGE_BYTES as u64, &mut buffer)
        .or_else(|error| tell(error, damaged))
}

/// Tells of damage; what else went wrong stays an error.
fn tell(error: SegmentError, damaged: &mut dyn FnMut(SegmentError)) -> Result<()> {
    if !matches!(error, SegmentError::Damaged { .. }) {
        return Err(error);
    }
    damaged(error);
    Ok(())
}

/// Bytes between sections are zero; anything else is damage, though harmless to readers.
fn check_padding(
    file: &dyn File,
    component: &ComponentRef,
    range: Range<u64>,
    buffer: &mut [u8],
) -> Result<()> {
    for_each_chunk(file, range, buffer, |offset, bytes| {
        match bytes.iter().position(|byte| *byte != 0) {
            None => Ok(()),
            Some(at) => Err(SegmentError::Damaged {
                file: component.file_name(),
                offset: offset + at as u64,
                what: "padding that is not zero",
            }),
        }
    })
}

fn for_each_chunk(
    file: &dyn File,
    range: Range<u64>,
    buffer: &mut [u8],
    mut visit: impl FnMut(u64, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut offset = range.start;
    while offset < range.end {
        let left = usize::try_from(range.end - offset).unwrap_or(usize::MAX);
        let chunk = &mut buffer[..left.min(CHUNK_BYTES)];
        file.read_exact_at(chunk, offset)?;
        file.drop_cache(offset, chunk.len() as u64);
        visit(offset, chunk)?;
        offset += chunk.len() as u64;
    }
    Ok(())
}
