//! What a shard consists of at one position of its history. See `docs/format/manifest.md`.
//!
//! Each version is a file of its own, written beside the last one and renamed into place; the
//! highest number is the current one. A manifest names segments, components and tombstones at
//! exactly one applied position; replay starts after it.

use std::sync::Arc;

use vectorizer_model::encode::{Canonical, Reader, Writer};
use vectorizer_model::{CollectionSettings, SegmentId, SequenceNumber, ShardId};
use vectorizer_segment::{ComponentKind, ComponentRef, SegmentRecord};
use vectorizer_vfs::{Access, Directory};

use crate::error::{EngineError, Result};

const MAGIC: &[u8; 8] = b"VZMANI01";
pub(crate) const PREFIX: &str = "manifest-";
/// Ends the name of a small file that is being written.
const UNFINISHED: &str = ".new";

/// One version of a shard.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Manifest {
    /// Whose it is.
    pub(crate) shard: ShardId,
    /// Counts up from 1.
    pub(crate) version: u64,
    /// All operations up to here are in the segments, none after.
    pub(crate) applied: SequenceNumber,
    /// The settings at that position.
    pub(crate) settings: CollectionSettings,
    /// The segments, oldest first.
    pub(crate) segments: Vec<SegmentRecord>,
    /// The number of the next segment.
    pub(crate) next_segment: u64,
    /// The number of the next component file.
    pub(crate) next_file: u64,
}

impl Manifest {
    /// A shard without points.
    pub(crate) fn empty(shard: ShardId, settings: CollectionSettings) -> Self {
        Self {
            shard,
            version: 0,
            applied: SequenceNumber::ZERO,
            settings,
            segments: Vec::new(),
            next_segment: 1,
            next_file: 1,
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let mut to = Writer::new(&mut bytes);
        to.u32(self.shard.0);
        to.u64(self.version);
        to.u64(self.applied.0);
        to.u64(self.next_segment);
        to.u64(self.next_file);
        self.settings.write(&mut to);
        to.count(self.segments.len());
        for segment in &self.segments {
            to.u64(segment.id.0);
            to.u32(segment.rows);
            to.count(segment.components.len());
            for component in &segment.components {
                to.u8(component.kind as u8);
                to.text(&component.tag);
                to.u64(component.file);
                to.u64(component.bytes);
            }
        }
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn parse(bytes: &[u8], file: &str) -> Result<Self> {
        let damaged = |what: String| EngineError::Damaged { file: file.to_owned(), what };
        let body = checked_body(bytes, MAGIC).map_err(|what| damaged(what.to_owned()))?;
        Self::read(&mut Reader::new(body)).map_err(|error| damaged(error.to_string()))
    }

    fn read(
        from: &mut Reader<'_>,
    ) -> std::result::Result<Self, vectorizer_model::encode::DecodeError> {
        let shard = ShardId(from.u32()?);
        let version = from.u64()?;
        let applied = SequenceNumber(from.u64()?);
        let next_segment = from.u64()?;
        let next_file = from.u64()?;
        let settings = CollectionSettings::read(from)?;
        let mut segments = Vec::new();
        for _ in 0..from.count(13)? {
            let id = SegmentId(from.u64()?);
            let rows = from.u32()?;
            let mut components = Vec::new();
            for _ in 0..from.count(18)? {
                let kind = from.tag("component kind", ComponentKind::from_number)?;
                let tag = from.text()?.to_owned();
                components.push(ComponentRef { kind, tag, file: from.u64()?, bytes: from.u64()? });
            }
            segments.push(SegmentRecord { id, rows, components });
        }
        from.finish()?;
        Ok(Self { shard, version, applied, settings, segments, next_segment, next_file })
    }

    /// Every component file that it names.
    pub(crate) fn files(&self) -> impl Iterator<Item = u64> + '_ {
        self.segments.iter().flat_map(|segment| segment.components.iter().map(|c| c.file))
    }

    /// Writes this version and makes it the current one, durably. Older versions are removed.
    ///
    /// # Errors
    /// The disk's refusal; the older version is still the current one, unless the folder's sync
    /// failed: then nobody can say, and the shard must stop.
    pub(crate) fn store(&self, directory: &dyn Directory) -> Result<()> {
        let name = format!("{PREFIX}{:016}", self.version);
        store_atomically(directory, &name, &self.to_bytes())?;
        for (older, _) in versions(directory, PREFIX)?.into_iter().filter(|v| v.0 < self.version) {
            directory.remove(&format!("{PREFIX}{older:016}"))?;
        }
        Ok(())
    }

    /// The current version; none in an empty folder.
    ///
    /// # Errors
    /// [`EngineError::Damaged`] or the disk's refusal.
    pub(crate) fn load(directory: &dyn Directory) -> Result<Option<Self>> {
        let Some((_, name)) = versions(directory, PREFIX)?.pop() else { return Ok(None) };
        Self::parse(&read_whole(directory, &name)?, &name).map(Some)
    }
}

/// The bytes between magic number and checksum.
pub(crate) fn checked_body<'a>(
    bytes: &'a [u8],
    magic: &[u8],
) -> std::result::Result<&'a [u8], &'static str> {
    let (body, crc) =
        bytes.len().checked_sub(4).map(|at| bytes.split_at(at)).ok_or("the length")?;
    if !body.starts_with(magic) {
        return Err("the magic number");
    }
    if crc32c::crc32c(body).to_le_bytes() != *crc {
        return Err("the checksum");
    }
    Ok(&body[magic.len()..])
}

/// Writes a small file so that after a crash either all of it is there or none.
pub(crate) fn store_atomically(directory: &dyn Directory, name: &str, bytes: &[u8]) -> Result<()> {
    let temporary = format!("{name}{UNFINISHED}");
    if directory.list()?.iter().any(|entry| entry.name == temporary) {
        directory.remove(&temporary)?;
    }
    let file = directory.create(&temporary)?;
    file.write_all_at(bytes, 0)?;
    file.sync()?;
    directory.rename(&temporary, name)?;
    directory.sync()?;
    Ok(())
}

/// Whether a file is the remains of an interrupted [`store_atomically`].
pub(crate) fn is_unfinished(name: &str) -> bool {
    name.ends_with(UNFINISHED)
}

/// Reads a small file.
pub(crate) fn read_whole(directory: &dyn Directory, name: &str) -> Result<Vec<u8>> {
    let file: Arc<_> = directory.open(name, Access::Read)?;
    let mut bytes = vec![0; usize::try_from(file.len()?).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// The numbered files with a prefix, ascending.
pub(crate) fn versions(directory: &dyn Directory, prefix: &str) -> Result<Vec<(u64, String)>> {
    let mut versions: Vec<(u64, String)> = directory
        .list()?
        .into_iter()
        .filter_map(|entry| {
            let number = entry.name.strip_prefix(prefix)?.parse().ok()?;
            Some((number, entry.name))
        })
        .collect();
    versions.sort_unstable();
    Ok(versions)
}
