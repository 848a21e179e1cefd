//! Checking a data folder that no engine has open: every byte that has a checksum, and whether
//! catalogue, manifests and log fit together. Nothing is changed.

mod read_only;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use vectorizer_log::{Log, LogConfig, LogError, Replayed};
use vectorizer_model::SequenceNumber;
use vectorizer_model::encode::decode_operation;
use vectorizer_segment::SegmentError;
use vectorizer_vfs::{Directory, DirectoryLock, EntryKind, OsDirectory, VfsError};

use self::read_only::ReadOnly;
use crate::catalogue::{Catalogue, shard_folder};
use crate::error::{EngineError, Result};
use crate::manifest::{Manifest, PREFIX, versions};
use crate::reach::LOG_FOLDER;
use crate::recovery::SHARDS_FOLDER;

const CATALOGUE: &str = "catalogue";

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
    /// The first damage of each file, in the order they were found.
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

/// Reads everything in a data folder and compares all checksums. `visit` hears of every file
/// before it is read, with its name within the folder.
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
    let mut check = Check { report: Report::default(), visit };
    let catalogue = check.catalogue(&*root, has(CATALOGUE))?;
    if has(SHARDS_FOLDER) || catalogue.as_ref().is_some_and(|c| !c.collections.is_empty()) {
        check.shards(&*root.subdirectory(SHARDS_FOLDER)?, catalogue.as_ref())?;
    }
    if let Some(catalogue) = &catalogue {
        check.log(root.subdirectory(LOG_FOLDER)?, catalogue)?;
    }
    Ok(check.report)
}

struct Check<'v> {
    report: Report,
    visit: &'v mut dyn FnMut(&str),
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
            Some(catalogue) => catalogue.collections.values().copied().map(shard_folder).collect(),
            None => present.clone(),
        };
        for name in live {
            let place = format!("{SHARDS_FOLDER}/{name}");
            if present.contains(&name) {
                self.shard(&*folder.subdirectory(&name)?, &place)?;
            } else {
                self.damage(&place, 0, "the folder is missing");
            }
        }
        Ok(())
    }

    fn shard(&mut self, folder: &dyn Directory, place: &str) -> Result<()> {
        let Some((_, name)) = versions(folder, PREFIX)?.pop() else {
            self.damage(place, 0, "it has no manifest");
            return Ok(());
        };
        let file = format!("{place}/{name}");
        self.begin(&file, size(folder, &name)?);
        let manifest = match Manifest::load(folder) {
            Ok(Some(manifest)) => manifest,
            Ok(None) => return Ok(()),
            Err(EngineError::Damaged { offset, what, .. }) => {
                self.damage(&file, offset, what);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if !place.ends_with(&shard_folder(manifest.shard)) {
            self.damage(&file, 0, "it is another shard's");
        }
        for segment in &manifest.segments {
            self.report.segments += 1;
            for component in &segment.components {
                let file = format!("{place}/{}", component.file_name());
                self.begin(&file, component.bytes);
                match vectorizer_segment::verify(folder, component) {
                    Ok(()) => {}
                    Err(SegmentError::Damaged { offset, what, .. }) => {
                        self.damage(&file, offset, wrong(what));
                    }
                    Err(SegmentError::Disk(error)) if error.is_not_found() => {
                        self.damage(&file, 0, "the file is missing");
                    }
                    Err(SegmentError::Disk(error)) => self.damage(&file, 0, error.to_string()),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    fn log(&mut self, folder: Arc<dyn Directory>, catalogue: &Catalogue) -> Result<()> {
        let mut files = 0;
        for entry in folder.list()? {
            if entry.kind == EntryKind::File {
                files += 1;
                let bytes = size(&*folder, &entry.name)?;
                self.begin(&format!("{LOG_FOLDER}/{}", entry.name), bytes);
            }
        }
        if files == 0 {
            if catalogue.applied > SequenceNumber::ZERO {
                self.damage(LOG_FOLDER, 0, "it has no files");
            }
            return Ok(());
        }
        let mut undecodable = None;
        let mut visit = |entry: Replayed<'_>| {
            if let Err(error) = decode_operation(entry.payload) {
                undecodable.get_or_insert((entry.shard, entry.seq, error));
            }
            ControlFlow::Continue(())
        };
        let folder = Arc::new(ReadOnly(folder));
        let config = LogConfig::new(catalogue.node);
        match Log::<()>::open(folder, config, &mut visit) {
            Ok((_, recovery)) => {
                self.report.log_entries = recovery.entries;
                self.report.torn = recovery.torn.map(|torn| Damage {
                    file: log_file(torn.at.file),
                    offset: torn.at.offset,
                    what: format!("{} bytes of an unfinished write", torn.bytes),
                });
            }
            Err(error) => self.log_damage(error)?,
        }
        if let Some((shard, seq, error)) = undecodable {
            let what = format!("entry {} of shard {shard} cannot be decoded: {error}", seq.0);
            self.damage(LOG_FOLDER, 0, what);
        }
        Ok(())
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

fn wrong(what: &str) -> String {
    format!("{what} does not hold")
}

fn size(folder: &dyn Directory, name: &str) -> std::result::Result<u64, VfsError> {
    folder.open(name, vectorizer_vfs::Access::Read)?.len()
}
