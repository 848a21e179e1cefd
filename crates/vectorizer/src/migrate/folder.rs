//! `migrate-to-cluster`: converts collections of storage type `memory` to `mmap`.
//!
//! Each conversion is one entry of the collection's log, there whole or not at all, and the files of
//! both types are the same: the points are never copied, and never without their file. What each
//! collection held before is kept beside them until the end, when it is compared with what the
//! folder answers under the rules of cluster mode. So a run that was killed is simply run again.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::json;
use vectorizer_engine::{
    ContentDigest, Engine, EngineError, EngineOptions, Residency, StorageRule, stored_storage_types,
};
use vectorizer_model::settings::StorageType;
use vectorizer_model::{CollectionName, SequenceNumber};
use vectorizer_server::config::{Budget, Inspection, Violations};

use crate::cli::ConfigArgs;
use crate::failure::{Failure, Kind};
use crate::output::{Output, line, note};
use crate::place;

/// What collections held before they were converted; in the data folder until all is compared.
const STATE_FILE: &str = "migrate-to-cluster.json";

/// What a collection held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    applied: u64,
    points: u64,
    crc: u32,
}

impl From<ContentDigest> for Held {
    fn from(digest: ContentDigest) -> Self {
        let ContentDigest { applied: SequenceNumber(applied), points, crc } = digest;
        Self { applied, points, crc }
    }
}

type State = BTreeMap<String, Held>;

/// Converts the collections of the folder that the settings name.
pub(crate) fn run(args: &ConfigArgs, dry_run: bool, output: Output) -> anyhow::Result<()> {
    // What is wrong with other settings does not matter here.
    let inspection = Inspection::new(&args.sources(), Path::new("/"));
    let path = inspection.settings.path;
    if !path.join("catalogue").exists() {
        return Err(EngineError::NoDataFolder { path }.into());
    }
    if dry_run {
        return rehearse(&path, output);
    }
    let Some(budget) = inspection.budget else {
        return Err(Violations(inspection.violations).into());
    };
    check_every_byte(&path)?;
    let state_file = path.join(STATE_FILE);
    let mut state = load(&state_file)?;
    let engine = open(&path, &budget, StorageRule::Converting)?;
    let names = in_memory(&engine)?;
    for name in &names {
        note(&format!("{name}: reading what it holds"));
        state.insert(name.to_string(), engine.content_digest(name)?.into());
    }
    store(&state_file, &state)?;
    for name in &names {
        note(&format!("{name}: converting"));
        engine.convert_to_mmap(name).with_context(|| format!("cannot convert {name}"))?;
    }
    engine.close().context("cannot flush what was converted")?;
    drop(engine);
    // As a node in cluster mode will see it.
    let engine = open(&path, &budget, StorageRule::MmapOnly)?;
    let compared = compare(&engine, &state)?;
    engine.close()?;
    place::remove(&state_file)
        .with_context(|| format!("cannot remove {}", state_file.display()))?;
    let converted: Vec<String> = names.iter().map(ToString::to_string).collect();
    let answer = json!({
        "path": path.display().to_string(),
        "converted": converted,
        "verified": compared,
    });
    output.answer(&answer, |_| told(&path, &converted, &compared))
}

fn told(path: &Path, converted: &[String], compared: &[String]) -> String {
    let mut text = String::new();
    let path = path.display();
    for name in compared {
        let done =
            if converted.contains(name) { "converted" } else { "converted by an earlier run" };
        line(&mut text, format_args!("{name}: {done}, every point is as it was"));
    }
    line(&mut text, format_args!("{path}: every collection is of storage type mmap"));
    text
}

/// Says what would be done. Nothing is opened.
fn rehearse(path: &Path, output: Output) -> anyhow::Result<()> {
    let stored = stored_storage_types(path).with_context(|| {
        format!("cannot read {}; `vectorizer verify` tells more", path.display())
    })?;
    let names: Vec<String> = stored
        .iter()
        .filter(|(_, storage)| **storage == StorageType::Memory)
        .map(|(name, _)| name.to_string())
        .collect();
    let answer = json!({
        "path": path.display().to_string(),
        "would_convert": names,
        "collections": stored.len(),
    });
    output.answer(&answer, |_| {
        let mut text = String::new();
        for name in &names {
            line(&mut text, format_args!("{name}: would be converted from memory to mmap"));
        }
        let (path, count, of) = (path.display(), names.len(), stored.len());
        line(&mut text, format_args!("{path}: {count} of {of} collections; nothing was changed"));
        text
    })
}

/// Damage is found before anything is changed.
fn check_every_byte(path: &Path) -> anyhow::Result<()> {
    note(&format!("{}: checking every byte", path.display()));
    let report = vectorizer_engine::verify(path, &mut |_| {})
        .with_context(|| format!("cannot check {}", path.display()))?;
    if let Some(damage) = report.damages.first() {
        let message = format!(
            "{} is damaged at byte {}: {}; nothing was converted, `vectorizer verify` tells more",
            damage.file, damage.offset, damage.what
        );
        return Err(Failure::new(Kind::Damage, message).into());
    }
    Ok(())
}

fn open(path: &Path, budget: &Budget, storage: StorageRule) -> anyhow::Result<Engine> {
    let options = EngineOptions {
        storage,
        residency: Residency::Mapped,
        search_threads: 1,
        // Nothing merges while contents are compared.
        background: false,
        ..EngineOptions::default()
    };
    let opened = Engine::open(path, budget.governor(), options);
    opened.with_context(|| format!("cannot open the data folder {}", path.display()))
}

fn in_memory(engine: &Engine) -> anyhow::Result<Vec<CollectionName>> {
    let mut names = Vec::new();
    for name in engine.collections() {
        if engine.view(&name)?.settings().storage_type == StorageType::Memory {
            names.push(name);
        }
    }
    Ok(names)
}

/// Compares every collection that was converted with what it held, and names them.
fn compare(engine: &Engine, state: &State) -> anyhow::Result<Vec<String>> {
    let mut compared = Vec::new();
    let present = engine.collections();
    for (text, held) in state {
        // Dropped between two runs.
        let Some(name) = present.iter().find(|name| name.as_str() == text) else { continue };
        note(&format!("{name}: comparing with what it held"));
        let now = Held::from(engine.content_digest(name)?);
        // The conversion is one entry; more were written between two runs.
        if now.applied != held.applied + 1 {
            note(&format!("{name}: it was written to since, and cannot be compared"));
            continue;
        }
        if (now.points, now.crc) != (held.points, held.crc) {
            let message = format!(
                "{name} held {} points with checksum {:08x} and now answers {} with {:08x}; keep \
                 the folder as it is and report this",
                held.points, held.crc, now.points, now.crc
            );
            return Err(Failure::new(Kind::Damage, message).into());
        }
        compared.push(text.clone());
    }
    Ok(compared)
}

fn load(path: &PathBuf) -> anyhow::Result<State> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| {
            format!("{} is not what an earlier run wrote; remove it", path.display())
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn store(path: &Path, state: &State) -> anyhow::Result<()> {
    let bytes = serde_json::to_vec(state)?;
    place::write_whole(path, &bytes, None)
        .with_context(|| format!("cannot write {}", path.display()))
}
