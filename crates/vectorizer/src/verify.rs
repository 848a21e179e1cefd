//! `verify`: checks every byte of a data folder that no server has open.

use std::path::Path;

use anyhow::Context;
use indicatif::ProgressBar;
use serde_json::{Value, json};
use vectorizer_engine::verify::Damage;
use vectorizer_model::bytes::ByteCount;
use vectorizer_server::config::Inspection;

use crate::cli::VerifyArgs;
use crate::failure::{Failure, Kind};
use crate::output::{Output, line};

/// Checks the folder that the settings name.
pub(crate) fn run(args: &VerifyArgs, output: Output) -> anyhow::Result<()> {
    // What is wrong with other settings does not matter here.
    let settings = Inspection::new(&args.config.sources(), Path::new("/")).settings;
    let path = settings.path;
    let bar = ProgressBar::new_spinner();
    let mut visit = |file: &str| {
        bar.set_message(file.to_owned());
        bar.tick();
    };
    let report = vectorizer_engine::verify(&path, &mut visit);
    bar.finish_and_clear();
    let report = report.with_context(|| format!("cannot check {}", path.display()))?;
    let damages: Vec<Value> = report.damages.iter().map(shown).collect();
    let answer = json!({
        "path": path.display().to_string(),
        "collections": report.collections,
        "segments": report.segments,
        "files": report.files,
        "bytes": report.bytes,
        "log_entries": report.log_entries,
        "unfinished_write": report.torn.as_ref().map(shown),
        "damages": damages,
    });
    output.answer(&answer, |_| {
        let mut text = format!(
            "{}: {} files, {}, {} collections, {} segments, {} log entries\n",
            path.display(),
            report.files,
            ByteCount(report.bytes),
            report.collections,
            report.segments,
            report.log_entries
        );
        if let Some(torn) = &report.torn {
            line(&mut text, format_args!("note: {}: the next start drops it", told(torn)));
        }
        for damage in &report.damages {
            line(&mut text, format_args!("damage: {}", told(damage)));
        }
        if report.damages.is_empty() {
            text += "everything is as it was written\n";
        }
        text
    })?;
    match report.damages.len() {
        0 => Ok(()),
        count => {
            let places = if count == 1 { "1 place" } else { &format!("{count} places") };
            let advice = "restore the folder from a copy";
            Err(Failure::new(Kind::Damage, format!("{places} damaged; {advice}")).into())
        }
    }
}

fn shown(damage: &Damage) -> Value {
    json!({ "file": damage.file, "offset": damage.offset, "what": damage.what })
}

fn told(damage: &Damage) -> String {
    format!("{} at byte {}: {}", damage.file, damage.offset, damage.what)
}
