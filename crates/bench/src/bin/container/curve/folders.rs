//! A filled folder for each storage type, kept and found again.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use vectorizer_engine::{Engine, EngineError, EngineOptions, StorageRule};
use vectorizer_memory::{Governor, Limits};
use vectorizer_model::bytes::{GIB, MIB};
use vectorizer_model::operation::PointBatch;
use vectorizer_model::settings::{StorageType, VectorSettings};
use vectorizer_model::vector::VectorColumn;
use vectorizer_model::{
    CollectionName, CollectionSettings, Operation, PointId, RequestId, VectorName,
};
use vectorizer_vfs::{Access, EntryKind, OsDirectory};

use super::corpus::Corpus;
use crate::checkpoint::disk_bytes;
use crate::tell;

const BATCH: u64 = 1000;
/// Rows between two lines that say how far it is.
const TOLD_EVERY: u64 = 100_000;
/// What says which data a folder holds; written last.
const LABEL: &str = "curve.json";
const MEMORY: &str = "memory";
const MMAP: &str = "mmap";

/// What there is to search.
#[derive(Debug)]
pub(crate) struct Folders {
    pub(crate) root: PathBuf,
    /// The ids nearest to each judged query.
    pub(crate) truth: Vec<Vec<u64>>,
    /// Of one of the two, as they were when nobody had opened them.
    pub(crate) disk_bytes: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Label {
    data: String,
    copies: u64,
    truth: Vec<Vec<u64>>,
    disk_bytes: u64,
}

/// The name of a collection; each holds all of the data.
pub(crate) fn collection(copy: u64) -> String {
    format!("copy-{copy}")
}

impl Folders {
    /// Fills both folders below `root`, unless they hold these very data.
    pub(crate) fn prepare(root: &Path, data: &Corpus, copies: u64, k: usize) -> Result<Self> {
        let label = root.join(LABEL);
        if let Ok(text) = fs::read(&label) {
            let Label { data: name, copies: stored, truth, disk_bytes } =
                serde_json::from_slice(&text).with_context(|| label.display().to_string())?;
            let enough = truth.iter().all(|ids| ids.len() >= k);
            if name != data.name || stored != copies || !enough {
                bail!(
                    "{} holds {stored} of {name}, with the nearest {}; give an empty --folder",
                    root.display(),
                    truth.first().map_or(0, Vec::len)
                );
            }
            return Ok(Self { root: root.to_path_buf(), truth, disk_bytes });
        }
        for storage in [MEMORY, MMAP] {
            let folder = root.join(storage);
            if folder.exists() {
                fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
            }
        }
        fill(&root.join(MEMORY), data, copies)?;
        copy(&root.join(MEMORY), &root.join(MMAP))?;
        convert(&root.join(MMAP))?;
        tell("looking for the true neighbours");
        let truth = data.truth(k);
        let disk_bytes = disk_bytes(&root.join(MMAP))?;
        let written = Label { data: data.name.clone(), copies, truth, disk_bytes };
        fs::write(&label, serde_json::to_vec(&written)?)?;
        Ok(Self { root: root.to_path_buf(), truth: written.truth, disk_bytes })
    }

    /// The folder of a storage type.
    pub(crate) fn of(&self, storage: StorageType) -> PathBuf {
        self.root.join(if storage == StorageType::Memory { MEMORY } else { MMAP })
    }
}

/// An engine that does not pin what is stored as `memory`.
fn open(folder: &Path) -> Result<Engine> {
    let governor = Governor::new(Limits::of_root(16 * GIB));
    let options = EngineOptions {
        storage: StorageRule::Converting,
        memtable_bytes: 64 * MIB,
        backlog_bytes_max: u64::MAX,
        ..EngineOptions::default()
    };
    Ok(Engine::open(folder, governor, options)?)
}

fn fill(folder: &Path, data: &Corpus, copies: u64) -> Result<()> {
    let engine = open(folder)?;
    let dim = u32::try_from(data.dim)?;
    for number in 0..copies {
        let name = CollectionName::new(&collection(number))?;
        let vector = VectorSettings::new(dim, data.metric);
        let settings = CollectionSettings {
            storage_type: StorageType::Memory,
            ..CollectionSettings::new([(VectorName::unnamed(), vector)])
        };
        engine.create_collection(name.clone(), settings)?.wait()??;
        for from in (0..data.rows).step_by(usize::try_from(BATCH)?) {
            write(&engine, &name, data, from..(from + BATCH).min(data.rows))?;
            if from % TOLD_EVERY == 0 {
                tell(&format!("{name}: {from} of {} rows written", data.rows));
            }
        }
    }
    settle(&engine)?;
    Ok(engine.close()?)
}

fn write(
    engine: &Engine,
    name: &CollectionName,
    data: &Corpus,
    rows: std::ops::Range<u64>,
) -> Result<()> {
    let mut values = Vec::new();
    rows.clone().for_each(|row| data.append(row, &mut values));
    let batch = PointBatch {
        ids: rows.map(PointId::Num).collect(),
        vectors: vec![VectorColumn {
            name: VectorName::unnamed(),
            dim: u32::try_from(data.dim)?,
            values,
            present: Vec::new(),
        }],
        payloads: Vec::new(),
    };
    let operation = Operation::Upsert(batch);
    loop {
        match engine.submit(name, operation.clone(), RequestId::default()) {
            Err(EngineError::Paced { .. }) => thread::sleep(Duration::from_millis(10)),
            submitted => {
                submitted?.wait()??;
                return Ok(());
            }
        }
    }
}

/// Waits until graphs cover every row and merging has come to rest. The engine's own threads may
/// hold a piece of work that settling passes over.
fn settle(engine: &Engine) -> Result<()> {
    loop {
        let segments = || -> Result<(u64, usize)> {
            let infos: Result<Vec<_>, _> =
                engine.collections().iter().map(|name| engine.info(name)).collect();
            let infos = infos?;
            let waiting = infos.iter().map(|info| info.backlog_rows + info.memtable_bytes).sum();
            Ok((waiting, infos.iter().map(|info| info.segments).sum()))
        };
        let (_, before) = segments()?;
        engine.settle()?;
        let (waiting, after) = segments()?;
        tell(&format!("building graphs: {after} segments"));
        if waiting == 0 && before == after {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn convert(folder: &Path) -> Result<()> {
    let engine = open(folder)?;
    for name in engine.collections() {
        engine.convert_to_mmap(&name)?;
    }
    Ok(engine.close()?)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let path = entry?.path();
        let beside = to.join(path.file_name().context("an entry has a name")?);
        if path.is_dir() {
            copy(&path, &beside)?;
        } else {
            fs::copy(&path, &beside).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

/// Has the page cache forget a folder, so that whoever reads it is charged for its pages.
pub(crate) fn forget(folder: &Path) -> Result<()> {
    let directory = OsDirectory::open(folder)?;
    for entry in directory.list()? {
        match entry.kind {
            EntryKind::Directory => forget(&folder.join(&entry.name))?,
            EntryKind::File => {
                let file = directory.open(&entry.name, Access::Read)?;
                file.sync()?;
                file.drop_cache(0, file.len()?);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_folders_hold_the_data_and_are_found_again() {
        let root = tempfile::tempdir().unwrap();
        let data = Corpus::generate(2500, 8).unwrap();
        let made = Folders::prepare(root.path(), &data, 2, 5).unwrap();
        assert!(made.disk_bytes > 2 * 2500 * 8 * 4, "{made:?}");
        for (storage, stored) in [(StorageType::Memory, "memory"), (StorageType::Mmap, "mmap")] {
            let engine = open(&made.of(storage)).unwrap();
            let names = engine.collections();
            assert_eq!(names.len(), 2, "{stored}");
            for name in names {
                let info = engine.info(&name).unwrap();
                assert_eq!((info.points, info.backlog_rows), (2500, 0), "{stored}");
                assert_eq!(info.settings.storage_type, storage);
            }
            engine.close().unwrap();
        }
        let again = Folders::prepare(root.path(), &data, 2, 5).unwrap();
        assert_eq!((again.truth, again.disk_bytes), (made.truth, made.disk_bytes));
        forget(root.path()).unwrap();
        let other = Corpus::generate(2500, 9).unwrap();
        for (data, copies, k) in [(&other, 2, 5), (&data, 3, 5), (&data, 2, 6)] {
            let refused = Folders::prepare(root.path(), data, copies, k).unwrap_err().to_string();
            assert!(refused.contains("give an empty --folder"), "{refused}");
        }
    }
}
