//! `export`: a collection's points as JSON lines, in the order of their ids.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::cli::ExportArgs;
use crate::client::{Client, collection_path};
use crate::output::{Output, note, tolerate};
use crate::progress;
use crate::search::parse_filter;

/// Bytes of one page, about.
const PAGE_BYTES: u64 = 4 << 20;
/// Points of one page, at most.
const PAGE_POINTS_MAX: u64 = 1000;

/// Exports a collection.
pub(crate) fn run(args: &ExportArgs, output: Output) -> anyhow::Result<()> {
    let client = Client::new(&args.client)?;
    let filter = parse_filter(args.filter.as_deref())?;
    let info = client.get(&collection_path(&args.collection, ""))?;
    let points = match &args.file {
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            let mut points = 0;
            let written = write_all(&client, args, &info, &filter, &mut |line| {
                points += 1;
                out.write_all(line)
            });
            tolerate_broken_pipe(written)?;
            tolerate(out.flush())?;
            points
        }
        Some(file) => write_file(&client, args, &info, &filter, file)?,
    };
    let message = format!("exported {points} points of {}", args.collection);
    match &args.file {
        None => note(&message),
        Some(file) => {
            let file = file.display().to_string();
            let answer = json!({ "collection": args.collection, "points": points, "file": file });
            output.answer(&answer, |_| format!("{message} to {file}"))?;
        }
    }
    Ok(())
}

/// Writes beside the file and puts it in place when it is whole. A device or a pipe is written as
/// it is; where a link stands, the file that it names is replaced.
fn write_file(
    client: &Client,
    args: &ExportArgs,
    info: &Value,
    filter: &Value,
    file: &Path,
) -> anyhow::Result<u64> {
    let cannot = || format!("cannot write {}", file.display());
    let place = match fs::metadata(file) {
        Ok(found) if found.is_dir() => bail!("{} is a folder; give a file", file.display()),
        Ok(found) if !found.is_file() => {
            let out = File::options().write(true).open(file).with_context(cannot)?;
            return write_lines(client, args, info, filter, out).map(|(points, _)| points);
        }
        Ok(_) => fs::canonicalize(file).with_context(cannot)?,
        Err(_not_there) => file.to_path_buf(),
    };
    let mut name = place.clone().into_os_string();
    name.push(".partial");
    let partial = PathBuf::from(name);
    let out = File::create(&partial).with_context(cannot)?;
    let written = write_lines(client, args, info, filter, out).and_then(|(points, out)| {
        out.sync_all().and_then(|()| fs::rename(&partial, &place)).with_context(cannot)?;
        Ok(points)
    });
    if written.is_err() {
        // What is left of it is of no use; that it stays is no further failure.
        fs::remove_file(&partial).ok();
    }
    written
}

/// Writes all lines, and says how many.
fn write_lines(
    client: &Client,
    args: &ExportArgs,
    info: &Value,
    filter: &Value,
    out: File,
) -> anyhow::Result<(u64, File)> {
    let mut out = BufWriter::new(out);
    let bar = progress::rows(info["points_count"].as_u64());
    let mut points = 0;
    write_all(client, args, info, filter, &mut |line| {
        points += 1;
        bar.inc(1);
        out.write_all(line)
    })?;
    bar.finish_and_clear();
    let out = out.into_inner().map_err(io::IntoInnerError::into_error);
    Ok((points, out.context("cannot write the last lines")?))
}

fn write_all(
    client: &Client,
    args: &ExportArgs,
    info: &Value,
    filter: &Value,
    write: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> anyhow::Result<()> {
    let path = collection_path(&args.collection, "/points/scroll");
    let limit = page_points(info);
    let mut offset = Value::Null;
    loop {
        let body = json!({
            "limit": limit,
            "offset": offset,
            "filter": filter,
            "with_payload": true,
            "with_vector": true,
        });
        let mut page = client.post(&path, &body.to_string())?;
        let points = page["points"].as_array().context("the server's page has no points")?;
        for point in points {
            let mut line = serde_json::to_vec(&line_of(point))?;
            line.push(b'\n');
            write(&line)?;
        }
        offset = page["next_page_offset"].take();
        if offset.is_null() {
            return Ok(());
        }
    }
}

/// A point as `import` reads it.
fn line_of(point: &Value) -> Value {
    let mut line = json!({ "id": point["id"], "vector": point["vector"] });
    let payload = &point["payload"];
    if payload.as_object().is_some_and(|payload| !payload.is_empty()) {
        line["payload"] = payload.clone();
    }
    line
}

/// Points of a page: fewer if their vectors are long.
fn page_points(info: &Value) -> u64 {
    let vectors = &info["config"]["params"]["vectors"];
    let sizes = match vectors["size"].as_u64() {
        Some(size) => size,
        None => vectors
            .as_object()
            .map_or(0, |named| named.values().filter_map(|v| v["size"].as_u64()).sum()),
    };
    (PAGE_BYTES / (sizes * 12).max(1)).clamp(1, PAGE_POINTS_MAX)
}

/// A reader that goes away early has read enough.
fn tolerate_broken_pipe(written: anyhow::Result<()>) -> anyhow::Result<()> {
    match written {
        Err(error) => match error.downcast::<io::Error>() {
            Ok(error) => tolerate(Err(error)),
            Err(other) => Err(other),
        },
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_vectors_make_short_pages() {
        let info = |vectors: Value| json!({ "config": { "params": { "vectors": vectors } } });
        assert_eq!(page_points(&info(json!({ "size": 4 }))), PAGE_POINTS_MAX);
        assert_eq!(page_points(&info(json!({ "size": 65_536 }))), 5);
        assert_eq!(page_points(&info(json!({ "a": { "size": 65_536 }, "b": { "size": 1 } }))), 5);
        assert_eq!(page_points(&Value::Null), PAGE_POINTS_MAX);
    }
}
