//! Checking a data folder that no engine has open: every byte that has a checksum, what the bytes
//! stand for, and whether catalogue, manifests and log fit together. Nothing is changed.

use std::path::Path;
use std::sync::Arc;

use vectorizer_log::{Inspection, Location, LogError, Replayed, inspect};
use vectorizer_memory::{Governor, Limits};
use vectorizer_model::encode::decode_operation;
use vectorizer_model::{SequenceNumber, ShardId};
use vectorizer_pages::{Config as PoolConfig, Pool, Residency};
use vectorizer_segment::{
    ComponentKind, Frames, Segment, SegmentError, SegmentRecord, Store, read_tombstones,
};
use vectorizer_vfs::{Directory, DirectoryLock, EntryKind, OsDirectory, VfsError};

use crate::catalogue::{Catalogue, FILE as CATALOGUE, shard_folder};
use crate::error::{EngineError, Result};
use crate::manifest::{Manifest, PREFIX, versions};
use crate::reach::{LOG_FOLDER, Reach};
use crate::recovery::{FRAMES_BYTES_MIN, SHARDS_FOLDER, shard_place};

/// What a data folder holds, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Collections in the catalogue.
    pub collections: u64,
    /// Segments that manifests name.
    pub segments: u64,
    /// Files that were read from end to end.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
    /// Entries in the log.
    pub log_entries: u64,
    /// Every damage, in the order they were found. What lies behind a damaged footer, manifest or
    /// catalogue cannot be looked at.
    pub damages: Vec<Damage>,
    /// The tail of the log that the next start drops, which a crash within a write leaves behind.
    pub torn: Option<Damage>,
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file within the data folder.
    pub file: String,
    /// Bytes from the file's start.
    pub offset: u64,
    /// What does not hold.
    pub what: String,
}

/// Reads everything in a data folder, compares all checksums and decodes what they cover. `visit`
/// hears of every file before it is read, with its name within the folder.
///
/// # Errors
/// The folder is absent or no data folder; another process has it open; the disk refuses. Damage is
/// not an error: it is in the report.
pub fn verify(path: impl AsRef<Path>, visit: &mut dyn FnMut(&str)) -> Result<Report> {
    let path = path.as_ref();
    let has = |name: &str| path.join(name).exists();
    if !has(CATALOGUE) && !has(SHARDS_FOLDER) && !has(LOG_FOLDER) {
        return Err(EngineError::NoDataFolder { path: path.to_path_buf() });
    }
    let _lock = DirectoryLock::acquire(path)?;
    let root = OsDirectory::open(path)?;
    let governor = Governor::new(Limits::of_root(u64::MAX));
    let pool =
        Pool::new(&governor, PoolConfig { capacity: FRAMES_BYTES_MIN, ..PoolConfig::default() })?;
    let frames = Arc::new(Frames::new(pool));
    let mut check =
        Check { report: Report::default(), visit, governor, frames, applied: Vec::new() };
    let catalogue = check.catalogue(&*root, has(CATALOGUE))?;
    if has(SHARDS_FOLDER) || catalogue.as_ref().is_some_and(|c| !c.collections.is_empty()) {
        check.shards(&*root.subdirectory(SHARDS_FOLDER)?, catalogue.as_ref())?;
    }
    if let Some(catalogue) = &catalogue {
        check.log(&*root.subdirectory(LOG_FOLDER)?, catalogue)?;
    }
    Ok(check.report)
}

struct Check<'v> {
    report: Report,
    visit: &'v mut dyn FnMut(&str),
    governor: Arc<Governor>,
    frames: Arc<Frames>,
    /// The position of each shard's manifest.
    applied: Vec<(ShardId, SequenceNumber)>,
}

impl Check<'_> {
    fn begin(&mut self, file: &str, bytes: u64) {
        (self.visit)(file);
        self.report.files += 1;
        self.report.bytes += bytes;
    }

    fn damage(&mut self, file: &str, offset: u64, what: impl Into<String>) {
        self.report.damages.push(Damage { file: file.to_owned(), offset, what: what.into() });
    }

    fn catalogue(&mut self, root: &dyn Directory, there: bool) -> Result<Option<Catalogue>> {
        self.begin(CATALOGUE, size(root, CATALOGUE).unwrap_or(0));
        match Catalogue::load(root) {
            Ok(Some(catalogue)) => {
                self.report.collections = catalogue.collections.len() as u64;
                return Ok(Some(catalogue));
            }
            Ok(None) if !there => self.damage(CATALOGUE, 0, "the file is missing"),
            Ok(None) => {}
            Err(EngineError::Damaged { offset, what, .. }) => self.damage(CATALOGUE, offset, what),
            Err(error) => return Err(error),
        }
        Ok(None)
    }

    /// Checks the catalogue's shards, or all that there are if nobody knows which are live.
    fn shards(&mut self, folder: &dyn Directory, catalogue: Option<&Catalogue>) -> Result<()> {
        let present: Vec<String> = folder
            .list()?
            .into_iter()
            .filter(|entry| entry.kind == EntryKind::Directory)
            .map(|entry| entry.name)
            .collect();
        let live = match catalogue {
            Some(catalogue) => {
                catalogue.collections.values().map(|listed| shard_folder(listed.shard)).collect()
            }
            None => present.clone(),
        };
        for name in live {
            let place = format!("{SHARDS_FOLDER}/{name}");
            if present.contains(&name) {
                self.shard(&folder.subdirectory(&name)?, &place)?;
            } else {
                self.damage(&place, 0, "the folder is missing");
            }
        }
        Ok(())
    }

    fn shard(&mut self, folder: &Arc<dyn Directory>, place: &str) -> Result<()> {
        let Some((_, name)) = versions(&**folder, PREFIX)?.pop() else {
            self.damage(place, 0, "it has no manifest");
            return Ok(());
        };
        let file = format!("{place}/{name}");
        self.begin(&file, size(&**folder, &name)?);
        let manifest = match Manifest::load(&**folder) {
            Ok(Some(manifest)) => manifest,
            Ok(None) => return Ok(()),
            Err(EngineError::Damaged { offset, what, .. }) => {
                self.damage(&file, offset, what);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if !place.ends_with(&shard_folder(manifest.shard)) {
            self.damage(&file, 8, "it is another shard's");
        }
        self.applied.push((manifest.shard, manifest.applied));
        for record in &manifest.segments {
            self.report.segments += 1;
            let before = self.report.damages.len();
            self.checksums(folder, place, record)?;
            // What bytes stand for says nothing if they are not those that were written.
            if self.report.damages.len() == before {
                self.contents(folder, (place, &name), &manifest, record)?;
            }
        }
        Ok(())
    }

    fn checksums(
        &mut self,
        folder: &Arc<dyn Directory>,
        place: &str,
        record: &SegmentRecord,
    ) -> Result<()> {
        for component in &record.components {
            let name = component.file_name();
            self.begin(&format!("{place}/{name}"), component.bytes);
            let mut found = Vec::new();
            let mut tell = |error| found.push(error);
            let checked = vectorizer_segment::verify(&**folder, component, &mut tell);
            for error in found.into_iter().chain(checked.err()) {
                self.segment_damage(place, &name, error)?;
            }
        }
        Ok(())
    }

    fn contents(
        &mut self,
        folder: &Arc<dyn Directory>,
        (place, manifest_name): (&str, &str),
        manifest: &Manifest,
        record: &SegmentRecord,
    ) -> Result<()> {
        let store = Store {
            directory: Arc::clone(folder),
            frames: Arc::clone(&self.frames),
            residency: Residency::Mapped,
            governor: Arc::clone(&self.governor),
            tenant: self.governor.tenant("verify"),
        };
        let mut found = Vec::new();
        let checked = Segment::open(&store, record, &manifest.settings)
            .and_then(|segment| segment.check(manifest.applied, &mut |error| found.push(error)));
        let tombstones = record.component(ComponentKind::Tombstones, "");
        let listed = tombstones.map(|dead| read_tombstones(&store, dead)).transpose();
        for error in found.into_iter().chain(checked.err()).chain(listed.err()) {
            self.segment_damage(place, manifest_name, error)?;
        }
        Ok(())
    }

    /// Notes damage of a segment; `name` is to blame if the error names no file.
    fn segment_damage(&mut self, place: &str, name: &str, error: SegmentError) -> Result<()> {
        let within = |file: &str| format!("{place}/{file}");
        if let SegmentError::Damaged { file, offset, what } = error {
            self.damage(&within(&file), offset, format!("{what} does not hold"));
        } else if let SegmentError::Malformed { file, offset, what } = error {
            self.damage(&within(&file), offset, what);
        } else if matches!(&error, SegmentError::Disk(error) if error.is_not_found()) {
            self.damage(&within(name), 0, "the file is missing");
        } else if matches!(error, SegmentError::Budget(_) | SegmentError::Memory(_)) {
            return Err(error.into());
        } else {
            let what = EngineError::from(error).with_causes();
            self.damage(&within(name), 0, what);
        }
        Ok(())
    }

    fn log(&mut self, folder: &dyn Directory, catalogue: &Catalogue) -> Result<()> {
        let mut files = 0;
        for entry in folder.list()? {
            if entry.kind == EntryKind::File {
                files += 1;
                let bytes = size(folder, &entry.name)?;
                self.begin(&format!("{LOG_FOLDER}/{}", entry.name), bytes);
            }
        }
        if files == 0 {
            if catalogue.applied > SequenceNumber::ZERO {
                self.damage(LOG_FOLDER, 0, "it has no files");
            }
            return Ok(());
        }
        let mut undecodable = Vec::new();
        let mut visit = |at: Location, entry: Replayed<'_>| {
            if let Err(error) = decode_operation(entry.payload) {
                undecodable.push((at, entry.shard, entry.seq, error));
            }
        };
        let inspection = inspect(folder, catalogue.node, &mut visit)?;
        self.report.log_entries = inspection.entries;
        self.report.torn = inspection.torn.map(|torn| Damage {
            file: log_file(torn.at.file),
            offset: torn.at.offset,
            what: format!("{} bytes of an unfinished write", torn.bytes),
        });
        if inspection.damages.is_empty() {
            self.reach(&inspection, catalogue);
        }
        for error in inspection.damages {
            self.log_damage(error)?;
        }
        for (at, shard, seq, error) in undecodable {
            let what = format!("entry {} of shard {shard} cannot be decoded: {error}", seq.0);
            self.damage(&log_file(at.file), at.offset, what);
        }
        Ok(())
    }

    /// Whether the log reaches what catalogue and manifests say that it held.
    fn reach(&mut self, inspection: &Inspection, catalogue: &Catalogue) {
        let reach = Reach::new(inspection.oldest <= 1, &inspection.shards);
        let shards = self.applied.iter().map(|(id, applied)| (shard_place(*id), *id, *applied));
        let histories: Vec<_> =
            shards.chain([(CATALOGUE.to_owned(), ShardId::CATALOGUE, catalogue.applied)]).collect();
        for (file, id, applied) in histories {
            if let Err(error) = reach.check(&file, id, applied) {
                self.damage(LOG_FOLDER, 0, error.to_string());
            }
        }
    }

    fn log_damage(&mut self, error: LogError) -> Result<()> {
        match error {
            LogError::Damaged { at, fault } => {
                self.damage(&log_file(at.file), at.offset, fault.to_string());
            }
            LogError::Missing { number } => {
                self.damage(&log_file(number), 0, "the file is missing");
            }
            LogError::ForeignNode { number, .. } | LogError::UnknownVersion { number, .. } => {
                self.damage(&log_file(number), 0, error.to_string());
            }
            LogError::Disk(_)
            | LogError::Poisoned { .. }
            | LogError::EntryTooLarge { .. }
            | LogError::Stopped { .. } => return Err(error.into()),
        }
        Ok(())
    }
}

fn log_file(number: u64) -> String {
    format!("{LOG_FOLDER}/{number:010}.log")
}

fn size(folder: &dyn Directory, name: &str) -> std::result::Result<u64, VfsError> {
    folder.open(name, vectorizer_vfs::Access::Read)?.len()
}
