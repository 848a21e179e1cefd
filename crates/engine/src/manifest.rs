//! What a shard consists of at one position of its history. See `docs/format/manifest.md`.
//!
//! Each version is a file of its own, written beside the last one and renamed into place; the
//! highest number is the current one. A manifest names segments, components and tombstones at
//! exactly one applied position; replay starts after it.

use std::sync::Arc;

use vectorizer_model::encode::{Canonical, DecodeError, Reader, Writer};
use vectorizer_model::{CollectionSettings, SegmentId, SequenceNumber, ShardId};
use vectorizer_segment::{ComponentKind, ComponentRef, SegmentRecord};
use vectorizer_vfs::{Access, Directory, Entry, VfsError};

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
        let body = checked_body(bytes, *MAGIC, file)?;
        let manifest =
            Self::read(&mut Reader::new(body)).map_err(|error| undecodable(&error, file))?;
        let named = file.strip_prefix(PREFIX).and_then(|number| number.parse().ok());
        if named != Some(manifest.version) {
            let what = format!("its version is {}, not the one in its name", manifest.version);
            return Err(EngineError::Damaged { file: file.to_owned(), offset: 12, what });
        }
        Ok(manifest)
    }

    fn read(from: &mut Reader<'_>) -> std::result::Result<Self, DecodeError> {
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

    /// Writes this version and makes it the current one, durably. Older versions are removed; one
    /// that cannot be goes with a later version.
    ///
    /// # Errors
    /// [`StoreError::Kept`]: the older version is still the current one. [`StoreError::Unknown`]:
    /// nobody can say which is, and the shard must stop.
    pub(crate) fn store(&self, directory: &dyn Directory) -> std::result::Result<(), StoreError> {
        let name = format!("{PREFIX}{:016}", self.version);
        store_atomically(directory, &name, &self.to_bytes())?;
        let removed: Result<()> = versions(directory, PREFIX).and_then(|versions| {
            let mut older = versions.into_iter().filter(|version| version.0 < self.version);
            older.try_for_each(|(_, name)| Ok(directory.remove(&name)?))
        });
        if let Err(error) = removed {
            tracing::warn!(%error, "an older manifest stays until the next one is stored");
        }
        Ok(())
    }

    /// The current version; none in an empty folder.
    ///
    /// # Errors
    /// [`EngineError::Damaged`] or the disk's refusal.
    pub(crate) fn load(directory: &dyn Directory) -> Result<Option<Self>> {
        Self::load_among(directory, &directory.list()?)
    }

    /// The same, with the folder's members at hand.
    ///
    /// # Errors
    /// As [`Manifest::load`].
    pub(crate) fn load_among(directory: &dyn Directory, members: &[Entry]) -> Result<Option<Self>> {
        let Some((_, name)) = numbered(members, PREFIX).pop() else { return Ok(None) };
        Self::parse(&read_whole(directory, &name)?, &name).map(Some)
    }
}

/// Bytes of the magic number that a small file begins with.
const MAGIC_BYTES: usize = 8;

/// The bytes between magic number and checksum.
///
/// # Errors
/// [`EngineError::Damaged`] at the first byte of what does not hold.
pub(crate) fn checked_body<'a>(
    bytes: &'a [u8],
    magic: [u8; MAGIC_BYTES],
    file: &str,
) -> Result<&'a [u8]> {
    let damaged =
        |offset, what| EngineError::Damaged { file: file.to_owned(), offset: offset as u64, what };
    let end = bytes.len().checked_sub(4).filter(|end| *end >= MAGIC_BYTES);
    let Some(end) = end else {
        let what = format!("it has {} bytes, at least 12 are needed", bytes.len());
        return Err(damaged(bytes.len(), what));
    };
    let (body, crc) = bytes.split_at(end);
    if !body.starts_with(&magic) {
        return Err(damaged(0, "the magic number does not hold".to_owned()));
    }
    if crc32c::crc32c(body).to_le_bytes() != *crc {
        let what = format!("bytes {MAGIC_BYTES} to {end} do not match the checksum behind them");
        return Err(damaged(MAGIC_BYTES, what));
    }
    Ok(&body[MAGIC_BYTES..])
}

/// What is wrong with a body whose checksum holds.
pub(crate) fn undecodable(error: &DecodeError, file: &str) -> EngineError {
    let (DecodeError::Truncated { at, .. } | DecodeError::Invalid { at, .. }) = error;
    let offset = (MAGIC_BYTES + at) as u64;
    EngineError::Damaged { file: file.to_owned(), offset, what: error.to_string() }
}

/// Why a small file was not stored.
#[derive(Debug)]
pub(crate) enum StoreError {
    /// What was stored before still stands; a retry may help.
    Kept(EngineError),
    /// Nobody can say what stands: the folder's sync failed.
    Unknown(EngineError),
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        let (StoreError::Kept(cause) | StoreError::Unknown(cause)) = error;
        cause
    }
}

impl From<VfsError> for StoreError {
    fn from(error: VfsError) -> Self {
        Self::Kept(error.into())
    }
}

/// Writes a small file so that after a crash either all of it is there or none.
pub(crate) fn store_atomically(
    directory: &dyn Directory,
    name: &str,
    bytes: &[u8],
) -> std::result::Result<(), StoreError> {
    let temporary = format!("{name}{UNFINISHED}");
    if directory.list()?.iter().any(|entry| entry.name == temporary) {
        directory.remove(&temporary)?;
    }
    let file = directory.create(&temporary)?;
    file.write_all_at(bytes, 0)?;
    file.sync()?;
    directory.rename(&temporary, name)?;
    directory.sync().map_err(|error| StoreError::Unknown(error.into()))
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
    Ok(numbered(&directory.list()?, prefix))
}

fn numbered(members: &[Entry], prefix: &str) -> Vec<(u64, String)> {
    let number = |entry: &Entry| {
        let number = entry.name.strip_prefix(prefix)?.parse().ok()?;
        Some((number, entry.name.clone()))
    };
    let mut versions: Vec<(u64, String)> = members.iter().filter_map(number).collect();
    versions.sort_unstable();
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "manifest-0000000000000004";
    const FROZEN: &[u8] =
        include_bytes!("../tests/golden/folder_v1/shards/0000000001/manifest-0000000000000004");

    #[test]
    fn the_frozen_manifest_is_read_and_written_alike() {
        let manifest = Manifest::parse(FROZEN, NAME).expect("format v1");
        assert_eq!((manifest.shard, manifest.version), (ShardId(1), 4));
        assert_eq!((manifest.applied, manifest.next_file), (SequenceNumber(3), 9));
        assert_eq!((manifest.segments.len(), manifest.segments[0].rows), (1, 2));
        let mut files: Vec<u64> = manifest.files().collect();
        files.sort_unstable();
        assert!(files.into_iter().eq(1..9));
        assert_eq!(manifest.to_bytes(), FROZEN);
    }

    #[test]
    fn damage_is_named_with_its_place() {
        let refusal = |bytes: &[u8], name| match Manifest::parse(bytes, name) {
            Err(EngineError::Damaged { offset, what, .. }) => (offset, what),
            other => panic!("{other:?}"),
        };
        let (at, what) = refusal(FROZEN, "manifest-0000000000000005");
        assert_eq!((at, &*what), (12, "its version is 4, not the one in its name"));
        assert_eq!(refusal(&FROZEN[..9], NAME).0, 9);
        let mut bytes = FROZEN.to_vec();
        bytes[70] ^= 1;
        let (at, what) = refusal(&bytes, NAME);
        assert_eq!((at, &*what), (8, "bytes 8 to 241 do not match the checksum behind them"));
    }
}
