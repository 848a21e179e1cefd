//! `import`: vectors from a file into a collection, resumable, and counted at the end.

mod lines;
pub(crate) mod matrix;
mod rows;
mod state;

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use anyhow::Context;
use indicatif::ProgressBar;
use serde_json::{Value, json};

use self::rows::{Batch, Rows};
use self::state::{Source, State, StateFile};
use crate::cli::{ImportArgs, StorageTypeName};
use crate::client::{Client, collection_path};
use crate::failure::{Failure, Kind};
use crate::output::{Output, note};
use crate::progress;

/// Batches that wait to be sent: encoding and sending overlap.
const BATCHES_AHEAD: usize = 2;

/// Imports a file.
pub(crate) fn run(args: &ImportArgs, output: Output) -> anyhow::Result<()> {
    let client = Client::new(&args.client)?;
    let mut rows = rows::open(args)?;
    let source = Source::of(args, client.url())?;
    let mut file = state_path(args).map(StateFile::new);
    let kept = match &file {
        Some(file) if !args.restart => file.load(source.as_ref())?,
        _ => None,
    };
    let mut state = prepare(&client, args, &mut *rows, kept)?;
    if let (Some(file), Some(source)) = (&mut file, source) {
        file.begin(source, &state);
    }
    let resumed = state.rows;
    let started = Instant::now();
    let sent = send_all(&client, args, &mut *rows, &mut state, file.as_mut());
    if let Err(error) = sent {
        let held = match (&mut file, state.rows) {
            // Nothing is to be resumed, and the file may be mended first.
            (Some(file), 0) => {
                file.remove();
                "nothing was imported".to_owned()
            }
            (Some(file), rows) => {
                file.store(&state);
                format!("{rows} rows are in; the same command resumes")
            }
            (None, rows) => format!("{rows} rows are in"),
        };
        let kind = error.downcast_ref::<Failure>().map_or(Kind::Usage, |failure| failure.kind);
        return Err(Failure::new(kind, format!("{error:#}; {held}")).into());
    }
    let seconds = started.elapsed().as_secs_f64();
    let points = check_count(&client, args, &state, rows.distinct())?;
    if let Some(file) = &file {
        file.remove();
    }
    let imported = state.rows - resumed;
    let per_second = imported as f64 / seconds.max(1e-9);
    let answer = json!({
        "collection": args.collection,
        "rows": state.rows,
        "imported": imported,
        "resumed_at": resumed,
        "points": points,
        "seconds": seconds,
    });
    output.answer(&answer, |_| {
        let name = &args.collection;
        let resumed = match resumed {
            0 => String::new(),
            rows => format!(" after the {rows} from before"),
        };
        format!(
            "imported {imported} rows into {name} in {seconds:.1} s ({per_second:.0} rows/s)\
             {resumed}; it holds {points} points"
        )
    })
}

/// The state file; none for a standard input without one.
fn state_path(args: &ImportArgs) -> Option<PathBuf> {
    if rows::is_stdin(&args.file) {
        return None;
    }
    let beside = || {
        let mut name = args.file.clone().into_os_string();
        name.push(".import-state");
        PathBuf::from(name)
    };
    Some(args.state.clone().unwrap_or_else(beside))
}

/// Makes sure that the collection is there and takes these vectors, and says where to begin.
fn prepare(
    client: &Client,
    args: &ImportArgs,
    rows: &mut dyn Rows,
    kept: Option<State>,
) -> anyhow::Result<State> {
    let path = collection_path(&args.collection, "");
    let metric = args.metric.unwrap_or_default();
    let Some(info) = client.find(&path)? else {
        if kept.is_some_and(|kept| kept.rows > 0) {
            note("the collection of the earlier import is gone: starting at the first row");
        }
        let vectors = rows.vectors(metric)?;
        let mut body = json!({ "vectors": vectors });
        if let Some(storage_type) = args.storage_type {
            body["storage_type"] = json!(storage_type.as_str());
        }
        client.put(&path, &body.to_string())?;
        return Ok(State { rows: 0, created: true, points_before: 0 });
    };
    let has = &info["config"]["params"]["vectors"]["distance"];
    if let (Some(has), Some(metric)) = (has.as_str(), args.metric)
        && has != rows::distance(metric)
    {
        let (name, wanted) = (&args.collection, rows::distance(metric));
        anyhow::bail!(
            "collection {name} compares by {has}, and --metric asks for {wanted}; leave it out, or \
             import into another collection"
        );
    }
    let has = &info["vectorizer"]["storage_type"];
    if let (Some(has), Some(wanted)) =
        (has.as_str(), args.storage_type.map(StorageTypeName::as_str))
        && has != wanted
    {
        let name = &args.collection;
        anyhow::bail!(
            "collection {name} has storage type {has}, and --storage-type asks for {wanted}; leave \
             it out, or import into another collection"
        );
    }
    let has = &info["config"]["params"]["vectors"]["size"];
    if let (Some(has), Some(dim)) = (has.as_u64(), rows.dim())
        && has != dim
    {
        let name = &args.collection;
        anyhow::bail!("the file has vectors of {dim} components, and collection {name} of {has}");
    }
    match kept {
        Some(kept) => Ok(kept),
        None => Ok(State { rows: 0, created: false, points_before: count(client, args)? }),
    }
}

fn send_all(
    client: &Client,
    args: &ImportArgs,
    rows: &mut dyn Rows,
    state: &mut State,
    mut file: Option<&mut StateFile>,
) -> anyhow::Result<()> {
    let path = collection_path(&args.collection, "/points?wait=true");
    let bar = match (rows.total_rows(), rows.total_bytes()) {
        (None, Some(bytes)) => progress::bytes(bytes),
        (rows, _) => progress::rows(rows),
    };
    let by_bytes = rows.total_rows().is_none() && rows.total_bytes().is_some();
    let skipped = state.rows;
    let done = thread::scope(|scope| {
        let (sender, batches) = sync_channel(BATCHES_AHEAD);
        scope.spawn(move || read_all(rows, skipped, args.batch, &sender));
        let mut advance = |batch: &Batch, bar: &ProgressBar| {
            state.rows += batch.rows;
            bar.set_position(if by_bytes { batch.bytes_read } else { state.rows });
            if let Some(file) = file.as_deref_mut() {
                file.store_sometimes(state);
            }
        };
        bar.set_position(if by_bytes { 0 } else { skipped });
        bar.reset_eta();
        receive_all(client, &path, &batches, |batch| advance(batch, &bar))
    });
    bar.finish_and_clear();
    done
}

fn receive_all(
    client: &Client,
    path: &str,
    batches: &Receiver<anyhow::Result<Batch>>,
    mut acknowledged: impl FnMut(&Batch),
) -> anyhow::Result<()> {
    for batch in batches {
        let batch = batch?;
        client.put(path, &batch.body)?;
        acknowledged(&batch);
    }
    Ok(())
}

/// Reads batches until the end, a failure, or until nobody wants them.
fn read_all(
    rows: &mut dyn Rows,
    skip: u64,
    batch: u64,
    sender: &SyncSender<anyhow::Result<Batch>>,
) {
    if let Err(error) = rows.skip(skip) {
        sender.send(Err(error)).ok();
        return;
    }
    while let Some(batch) = rows.next_batch(batch).transpose() {
        let failed = batch.is_err();
        if sender.send(batch).is_err() || failed {
            return;
        }
    }
}

fn count(client: &Client, args: &ImportArgs) -> anyhow::Result<u64> {
    let path = collection_path(&args.collection, "/points/count");
    let answer: Value = client.post(&path, r#"{"exact":true}"#)?;
    answer["count"].as_u64().context("the server's count is no number")
}

/// Compares what the collection holds with what it must hold at least and at most.
fn check_count(
    client: &Client,
    args: &ImportArgs,
    state: &State,
    distinct: u64,
) -> anyhow::Result<u64> {
    let points = count(client, args)?;
    let before = state.points_before;
    let least = distinct.max(before);
    let most = if state.created { distinct } else { before + distinct };
    if (least..=most).contains(&points) {
        return Ok(points);
    }
    let expected = if least == most { least.to_string() } else { format!("{least} to {most}") };
    let why = "if nobody else writes to it, run the import again with --restart";
    let name = &args.collection;
    let message = format!("collection {name} holds {points} points, expected {expected}; {why}");
    Err(Failure::new(Kind::Damage, message).into())
}
