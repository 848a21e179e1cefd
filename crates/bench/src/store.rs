//! The folder under measurement: where it is, how it is opened and filled, what it takes.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use vectorizer_engine::{Durability, Engine, EngineOptions};
use vectorizer_memory::{Governor, Limits};
use vectorizer_model::settings::{FieldIndexKind, HnswSettings, VectorSettings};
use vectorizer_model::{CollectionName, CollectionSettings, KeyPath, VectorName};
use vectorizer_vfs::{Access, EntryKind, OsDirectory, ProcessMemory};

use crate::args::Args;
use crate::source::{FIELD, Payloads, Source};
use crate::write::{Filled, fill};

/// The collection under measurement.
pub(crate) const COLLECTION: &str = "bench";
/// A data folder: the user's, or one that goes when this does.
pub(crate) enum Folder {
    Given(PathBuf),
    Scratch(TempDir),
}

impl Folder {
    pub(crate) fn new(args: &Args) -> Result<Self> {
        match &args.folder {
            Some(path) => Ok(Self::Given(path.clone())),
            None => Ok(Self::Scratch(tempfile::tempdir().context("a scratch folder")?)),
        }
    }

    /// A scratch folder on the disk of the user's.
    pub(crate) fn scratch(args: &Args) -> Result<Self> {
        let made = match &args.folder {
            Some(path) => std::fs::create_dir_all(path).and_then(|()| tempfile::tempdir_in(path)),
            None => tempfile::tempdir(),
        };
        Ok(Self::Scratch(made.context("a scratch folder")?))
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Given(path) => path,
            Self::Scratch(folder) => folder.path(),
        }
    }
}

/// A filled collection, open. The folder goes after the engine.
pub(crate) struct Store {
    pub(crate) engine: Engine,
    pub(crate) name: CollectionName,
    /// How the filling went, unless the folder was full already.
    pub(crate) filled: Option<Filled>,
    pub(crate) folder: Folder,
}

impl Store {
    /// Opens the folder and fills it unless it holds these very rows already.
    pub(crate) fn prepare(args: &Args, source: &Source, payloads: Payloads) -> Result<Self> {
        Self::prepare_in(Folder::new(args)?, args, args.durability.into(), (source, payloads))
    }

    pub(crate) fn prepare_in(
        folder: Folder,
        args: &Args,
        durability: Durability,
        (source, payloads): (&Source, Payloads),
    ) -> Result<Self> {
        let engine = open(args, folder.path(), durability)?;
        let name = CollectionName::new(COLLECTION)?;
        let settings = settings(args, source, payloads);
        if !engine.collections().contains(&name) {
            engine.create_collection(name.clone(), settings)?.wait()??;
            let filled = Some(fill(&engine, &name, args, (source, payloads))?);
            return Ok(Self { engine, name, filled, folder });
        }
        let info = engine.info(&name)?;
        if *info.settings != settings || info.points != source.rows as u64 {
            bail!(
                "{} holds {} points of other data or settings; give an empty --folder",
                folder.path().display(),
                info.points
            );
        }
        Ok(Self { engine, name, filled: None, folder })
    }

    /// Closes the engine and hands out the folder.
    pub(crate) fn close(self) -> Result<Folder> {
        self.engine.close()?;
        Ok(self.folder)
    }
}

pub(crate) fn open(args: &Args, folder: &Path, durability: Durability) -> Result<Engine> {
    let governor = Governor::new(Limits::of_root(args.memory.0));
    let defaults = EngineOptions::default();
    let options = EngineOptions {
        durability,
        merged_rows_max: args.segment_rows.unwrap_or(defaults.merged_rows_max),
        residency: args.residency.into(),
        build_threads: args.threads,
        ..defaults
    };
    Ok(Engine::open(folder, governor, options)?)
}

fn settings(args: &Args, source: &Source, payloads: Payloads) -> CollectionSettings {
    let dim = u32::try_from(source.dim).unwrap_or(u32::MAX);
    let vector = VectorSettings::new(dim, source.metric);
    let indexed = payloads == Payloads::Bucket;
    let field = (KeyPath::key(FIELD), FieldIndexKind::Integer);
    CollectionSettings {
        hnsw: HnswSettings {
            m: args.m,
            ef_construct: args.ef_construct(),
            ..HnswSettings::default()
        },
        field_indexes: indexed.then_some(field).into_iter().collect(),
        // A folder says which rows it holds, so that no other data's figures come from it.
        tuning: [("bench".to_owned(), source.name.clone())].into(),
        ..CollectionSettings::new([(VectorName::unnamed(), vector)])
    }
}

/// Bytes on disk of all files below a folder, the log's among them.
pub(crate) fn disk_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes +=
            if metadata.is_dir() { disk_bytes(&entry.path())? } else { metadata.blocks() * 512 };
    }
    Ok(bytes)
}

/// Asks the kernel to forget what it has cached of a folder that no engine has open.
pub(crate) fn forget_cache(folder: &Path) -> Result<()> {
    let directory = OsDirectory::open(folder)?;
    for entry in directory.list()? {
        match entry.kind {
            EntryKind::Directory => forget_cache(&folder.join(&entry.name))?,
            EntryKind::File => {
                let file = directory.open(&entry.name, Access::Read)?;
                file.drop_cache(0, file.len()?);
            }
        }
    }
    Ok(())
}

/// What this process holds.
pub(crate) fn memory() -> Result<ProcessMemory> {
    Ok(vectorizer_vfs::process_memory(Path::new("/"))?)
}

/// The most memory that was resident so far, in bytes.
pub(crate) fn resident_peak() -> Result<u64> {
    Ok(memory()?.resident_peak.unwrap_or(0))
}

/// Lets the peak begin again at what is resident now. Where the kernel does not offer it, the peak
/// stays that of the whole process.
pub(crate) fn restart_peak() {
    std::fs::write("/proc/self/clear_refs", "5").ok();
}
