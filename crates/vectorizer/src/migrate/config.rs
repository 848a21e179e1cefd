//! `migrate-cluster-config`: a configuration file as cluster mode needs it, everything else in it as
//! it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use vectorizer_model::bytes::{ByteCount, GIB};
use vectorizer_server::config::{Inspection, Sources, values};

use super::diff::unified;
use super::servers;
use super::yaml::Lines;
use crate::cli::MigrateConfigArgs;
use crate::output::{line, print};
use crate::place;

const CACHE_KEY: &str = "cluster.max_cache_memory_bytes";

/// What cluster mode needs, whatever else a file says.
const NEEDED: [(&str, &str); 5] = [
    ("cluster.enabled", "true"),
    ("cluster.enforce_mmap_storage", "true"),
    ("cluster.disable_file_watcher", "true"),
    ("collections.defaults.storage_type", "mmap"),
    ("file_watcher.enabled", "false"),
];

/// The order in which what is missing is added.
const ORDER: [&str; 7] = [
    "cluster.enabled",
    CACHE_KEY,
    "cluster.enforce_mmap_storage",
    "cluster.disable_file_watcher",
    "collections.defaults.storage_type",
    "file_watcher.enabled",
    "memory.cache.percent",
];

type Values = BTreeMap<String, Vec<String>>;

/// Writes the file, or shows what it would be.
pub(crate) fn run(args: &MigrateConfigArgs) -> anyhow::Result<()> {
    let (input, target) = (args.input.display(), args.output.display());
    let before = fs::read_to_string(&args.input).with_context(|| format!("cannot read {input}"))?;
    if !args.dry_run && !args.overwrite && args.output.exists() {
        bail!("{target} is there already; give another --output, or --overwrite");
    }
    if args.cache_limit == Some(ByteCount(0)) {
        bail!("--cache-limit is 0, and cluster mode needs caches; give it 1GB, or leave it out");
    }
    let lines = migrated(&before, &args.input, args.cache_limit)
        .with_context(|| format!("cannot change {input}; nothing was written"))?;
    let after = lines.text();
    if !args.dry_run {
        // It may hold keys, as the other does.
        place::write_whole(&args.output, after.as_bytes(), Some(&args.input))
            .with_context(|| format!("cannot write {target}"))?;
    }
    let inspected = Inspection::new(
        &Sources {
            file: Some(args.output.clone()),
            file_text: Some(after.clone()),
            ..Sources::default()
        },
        Path::new("/"),
    );
    let violations = inspected.violations.iter().map(ToString::to_string);
    let remarks = inspected.remarks.iter().map(|remark| remark.text.clone());
    let open: Vec<String> = violations.chain(remarks).collect();
    let diff = unified(&before, lines.origins());
    let mut text = format!("--- {input}\n+++ {target}\n{diff}");
    if diff.is_empty() {
        line(&mut text, format_args!("nothing changes: the file is as cluster mode needs it"));
    }
    for open in &open {
        line(&mut text, format_args!("a start will still say: {open}"));
    }
    let done = if args.dry_run { "nothing was written (--dry-run)" } else { "written" };
    line(&mut text, format_args!("{target}: {done}"));
    print(text.trim_end())
}

/// The lines of a file with what cluster mode needs.
fn migrated(text: &str, path: &Path, cache_limit: Option<ByteCount>) -> anyhow::Result<Lines> {
    let before: Values = values(text, path)?.into_iter().collect();
    let mut lines = Lines::new(text);
    let renamed = servers::rename(&mut lines)?;
    let mut changes: BTreeMap<String, String> = BTreeMap::new();
    let mut want = |key: &str, value: String| {
        let has = before.get(key).is_some_and(|has| *has == [value.clone()]);
        if !has {
            changes.insert(key.to_owned(), value);
        }
    };
    for (key, value) in NEEDED {
        want(key, value.to_owned());
    }
    if let Some(bytes) = cache_bytes(&before, cache_limit) {
        want(CACHE_KEY, bytes.to_string());
    }
    if before.get("memory.cache.percent").is_some_and(|has| *has == ["0"]) {
        want("memory.cache.percent", "25".to_owned());
    }
    for key in ORDER {
        if let Some(value) = changes.get(key) {
            lines.set(&key.split('.').collect::<Vec<_>>(), value)?;
        }
    }
    let after = values(&lines.text(), path)?.into_iter().collect();
    check(&before, &after, &changes, renamed)?;
    Ok(lines)
}

/// The caches' limit to write; none if what the file says may stay.
fn cache_bytes(before: &Values, asked: Option<ByteCount>) -> Option<u64> {
    if let Some(ByteCount(bytes)) = asked {
        return Some(bytes);
    }
    let has = before.get(CACHE_KEY).and_then(|has| has.first());
    let has = has.and_then(|text| text.parse::<ByteCount>().ok());
    if has.is_some_and(|has| has.0 > 0) { None } else { Some(GIB) }
}

/// Whether the outcome says what it should, and everything else what it said.
fn check(
    before: &Values,
    after: &Values,
    changes: &BTreeMap<String, String>,
    renamed: bool,
) -> anyhow::Result<()> {
    for (key, value) in changes {
        if after.get(key).is_none_or(|has| *has != [value.clone()]) {
            bail!("{key} could not be set; write it yourself: {value}");
        }
    }
    let moved = |key: &str| renamed && matches!(key, "cluster.servers" | "cluster.seed_nodes");
    let kept = |values: &Values| -> Values {
        let kept = values.iter().filter(|(key, _)| !changes.contains_key(*key) && !moved(key));
        kept.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    let (old, new) = (kept(before), kept(after));
    if old != new {
        let differs = old.iter().chain(&new).find(|(key, _)| old.get(*key) != new.get(*key));
        let key = differs.map_or("", |(key, _)| key);
        bail!("{key} would change too; write its section in block style, one setting to a line");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, limit: Option<u64>) -> anyhow::Result<String> {
        let lines = migrated(text, Path::new("c.yml"), limit.map(ByteCount))?;
        Ok(lines.text())
    }

    #[test]
    fn comments_and_unknown_sections_stay() {
        let before = "# mine\ncluster:\n  enabled: true  # on\n  servers:\n    - \"a:7946\"\n\n# \
                      theirs\nlogging:\n  level: info\nfile_watcher:\n  enabled: true # off soon\n";
        let after = "# mine\ncluster:\n  enabled: true  # on\n  seed_nodes:\n    - \"a:7946\"\n  \
                     max_cache_memory_bytes: 1073741824\n  enforce_mmap_storage: true\n  \
                     disable_file_watcher: true\n\n# theirs\nlogging:\n  level: \
                     info\nfile_watcher:\n  enabled: false  # off soon\n\ncollections:\n  \
                     defaults:\n    storage_type: mmap\n";
        assert_eq!(of(before, None).unwrap(), after);
        assert_eq!(of(after, None).unwrap(), after, "a second time changes nothing");
    }

    #[test]
    fn the_cache_limit_is_the_one_asked_for_or_the_one_there() {
        let with = |text: &str, limit| {
            let after = of(text, limit).unwrap();
            let values: Values = values(&after, Path::new("c.yml")).unwrap().into_iter().collect();
            values[CACHE_KEY][0].clone()
        };
        assert_eq!(with("", None), "1073741824");
        assert_eq!(with("", Some(5)), "5");
        assert_eq!(with("cluster:\n  max_cache_memory_bytes: 512MB\n", None), "512MB");
        assert_eq!(with("cluster:\n  max_cache_memory_bytes: 512MB\n", Some(7)), "7");
        assert_eq!(with("cluster:\n  max_cache_memory_bytes: 0\n", None), "1073741824");
        let percent = of("memory:\n  cache:\n    percent: 0\n", None).unwrap();
        assert!(percent.contains("    percent: 25\n"), "{percent}");
    }

    #[test]
    fn what_cannot_be_changed_safely_is_refused() {
        for (text, told) in [
            ("cluster: {enabled: false}\n", "line 1 has `cluster` on one line"),
            ("a: [\n", "c.yml:"),
        ] {
            let refusal = format!("{:#}", of(text, None).unwrap_err());
            assert!(refusal.contains(told), "{refusal}");
        }
        // A value over two lines would be left in part.
        assert!(of("cluster:\n  enabled:\n    false\n", None).is_err());
    }
}
