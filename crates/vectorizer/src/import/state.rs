//! How far an import has come, kept beside the file so that it can go on after an interruption.
//!
//! It may lag behind what the server has acknowledged: rows that are sent twice change nothing.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::rows::is_stdin;
use crate::cli::ImportArgs;
use crate::output::note;

/// How often the state is written.
const INTERVAL: Duration = Duration::from_millis(100);

/// What is imported, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Source {
    url: String,
    collection: String,
    bytes: u64,
    modified_ns: u64,
    first_id: u64,
}

impl Source {
    /// What the arguments name; none for the standard input.
    pub(super) fn of(args: &ImportArgs, url: &str) -> anyhow::Result<Option<Self>> {
        if is_stdin(&args.file) {
            return Ok(None);
        }
        let metadata = fs::metadata(&args.file)
            .with_context(|| format!("cannot open {}", args.file.display()))?;
        let modified = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let modified_ns = modified.and_then(|since| u64::try_from(since.as_nanos()).ok());
        Ok(Some(Self {
            url: url.to_owned(),
            collection: args.collection.clone(),
            bytes: metadata.len(),
            modified_ns: modified_ns.unwrap_or(0),
            first_id: args.first_id,
        }))
    }
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// Rows that the server has acknowledged, from the first on.
    pub(super) rows: u64,
    /// Whether the import made the collection.
    pub(super) created: bool,
    /// Points that the collection held before.
    pub(super) points_before: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    source: Source,
    state: State,
}

/// The file that holds the state.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
    source: Option<Source>,
    written: Instant,
}

impl StateFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, source: None, written: Instant::now() }
    }

    /// The state of an earlier import of the same file to the same place.
    ///
    /// # Errors
    /// It belongs to another import, so that going on would leave rows out.
    pub(super) fn load(&self, source: Option<&Source>) -> anyhow::Result<Option<State>> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", self.path.display()));
            }
        };
        let kept: Option<Kept> = serde_json::from_slice(&text).ok();
        match kept {
            Some(kept) if Some(&kept.source) == source => Ok(Some(kept.state)),
            _ => anyhow::bail!(
                "{} is of another import, or the file has changed since; --restart begins anew, \
                 --state names another place",
                self.path.display()
            ),
        }
    }

    /// States are of this source from now on.
    pub(super) fn begin(&mut self, source: Source, state: &State) {
        self.source = Some(source);
        self.store(state);
    }

    /// Writes the state unless that was done just now.
    pub(super) fn store_sometimes(&mut self, state: &State) {
        if self.written.elapsed() >= INTERVAL {
            self.store(state);
        }
    }

    /// Writes the state; where that fails, the import goes on and cannot be resumed.
    pub(super) fn store(&mut self, state: &State) {
        let Some(source) = self.source.clone() else { return };
        self.written = Instant::now();
        let mut new = self.path.clone().into_os_string();
        new.push(".new");
        let stored = serde_json::to_vec(&Kept { source, state: *state })
            .map_err(io::Error::from)
            .and_then(|text| fs::write(&new, text))
            .and_then(|()| fs::rename(&new, &self.path));
        if let Err(error) = stored {
            let path = self.path.display();
            note(&format!("cannot keep the state in {path}: {error}; this cannot be resumed"));
            self.source = None;
        }
    }

    /// The import is done.
    pub(super) fn remove(&self) {
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            note(&format!("cannot remove {}: {error}", self.path.display()));
        }
    }
}
