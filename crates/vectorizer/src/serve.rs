//! The server: configuration, governor, recovery, doors, and the way back.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;
use vectorizer_engine::{Durability, Engine, EngineError};
use vectorizer_model::bytes::ByteCount;
use vectorizer_server::MemoryWatch;
use vectorizer_server::config::Configuration;

use crate::cli::ServeArgs;
use crate::output::{Output, line, note, print};

/// SIGXFSZ, which would end the process at a limit for the size of files (`ulimit -f`). Once it is
/// listened for, the write fails instead, as on a full disk.
const FILE_TOO_LARGE: i32 = 25;

/// Serves until a signal ends it.
pub(crate) fn run(args: &ServeArgs, output: Output) -> anyhow::Result<()> {
    let started = Instant::now();
    let configuration = Configuration::load(&args.sources(), Path::new("/"))?;
    log_to_stderr();
    vectorizer_vfs::raise_open_file_limit();
    warn_of_skipping(&configuration);
    configuration.log();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("doors")
        .on_thread_start(vectorizer_vfs::take_short_turns)
        .build()
        .context("cannot start threads")?;
    let _size_limit = runtime.block_on(async { signal(SignalKind::from_raw(FILE_TOO_LARGE)) });
    // The watch goes last, after all that it measures.
    let (_watch, engine) = open(&configuration)?;
    let server = configuration.settings.server.clone();
    runtime.block_on(async {
        let stop = stop_signals().context("cannot listen for signals")?;
        let ready = |address| announce(&configuration, address, started, output);
        vectorizer_server::run(server, engine, ready, stop).await.map_err(anyhow::Error::from)
    })?;
    if !output.is_json() {
        print("stopped; everything is flushed")?;
    }
    Ok(())
}

/// Log lines go to the standard error, as `VECTORIZER_LOG` says: `debug`, `warn`, ...
fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("VECTORIZER_LOG").unwrap_or_else(|_| "info".into());
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Somebody else's subscriber is as good.
    subscriber.with_ansi(false).try_init().ok();
}

/// Tells what is not enforced, whatever the log leaves out.
fn warn_of_skipping(configuration: &Configuration) {
    if !configuration.settings.cluster.is_unchecked() {
        return;
    }
    note(
        "WARNING: --skip-cluster-validation: the rules of cluster mode are NOT enforced. This is \
         UNSAFE: memory may run out. Mend what is told here and start without it.",
    );
    for remark in configuration.remarks.iter().filter(|remark| remark.is_warning) {
        note(&format!("WARNING: {}", remark.text));
    }
}

fn open(configuration: &Configuration) -> anyhow::Result<(MemoryWatch, Engine)> {
    let (settings, budget) = (&configuration.settings, &configuration.budget);
    let options = budget.engine_options(settings);
    let path = settings.path.display();
    let governor = budget.governor();
    let watch = MemoryWatch::start(Arc::clone(&governor), Path::new("/"));
    let watch = watch.context("cannot start threads")?;
    let engine = Engine::open(&settings.path, governor, options).map_err(|error| {
        use EngineError::{Budget, Damaged, Disk, Log, LogBehind, Memory, Segment, Undecodable};

        let hint = if matches!(&error, Disk(error) if error.source.kind() == ErrorKind::WouldBlock)
        {
            "; stop it, or give this one another --path"
        } else if matches!(
            error,
            Damaged { .. } | LogBehind { .. } | Segment(_) | Log(_) | Undecodable { .. }
        ) {
            "; `vectorizer verify` tells more"
        } else if matches!(error, Memory(_) | Budget(_)) {
            "; raise memory.limit"
        } else {
            ""
        };
        anyhow::anyhow!("cannot open the data folder {path}: {error}{hint}")
    })?;
    let limits = budget.memory_limits(settings);
    engine.memory_guard().set_limits(limits).context("cannot bound what operations hold")?;
    engine.set_cache_lines(budget.cache_lines(settings));
    watch.tell(&engine);
    Ok((watch, engine))
}

/// Says that the doors are open, and what was decided.
fn announce(configuration: &Configuration, address: SocketAddr, started: Instant, output: Output) {
    let (settings, budget) = (&configuration.settings, &configuration.budget);
    let url = url_of(address);
    let path = std::path::absolute(&settings.path).unwrap_or_else(|_| settings.path.clone());
    let version = env!("CARGO_PKG_VERSION");
    let durability = match settings.durability {
        Durability::Fsync => "fsync (acknowledged writes survive the loss of power)",
        Durability::Os => "os (acknowledged writes survive the death of the process only)",
    };
    let ready_ms = started.elapsed().as_millis();
    let ready_ms = u64::try_from(ready_ms).unwrap_or(u64::MAX);
    let answer = serde_json::json!({
        "version": version,
        "url": url,
        "path": path.display().to_string(),
        "memory_bytes": budget.limit,
        "memory_rule": budget.rule.to_string(),
        "residency": budget.residency_text(),
        "durability": durability,
        "pid": std::process::id(),
        "ready_ms": ready_ms,
    });
    let everywhere = if address.ip().is_unspecified() { ", on every address" } else { "" };
    let printed = output.answer(&answer, |_| {
        let mut text = format!("Vectorizer {version}, ready in {ready_ms} ms\n");
        for (name, value) in [
            ("URL", format!("{url}{everywhere}")),
            ("data", path.display().to_string()),
            ("memory", format!("{} ({})", ByteCount(budget.limit), budget.rule)),
            ("residency", budget.residency_text().to_owned()),
            ("durability", durability.to_owned()),
        ] {
            line(&mut text, format_args!("  {name:<11}{value}"));
        }
        if let Some(limit) = budget.above_cgroup {
            let limit = ByteCount(limit);
            line(
                &mut text,
                format_args!("  warning    the cgroup allows only {limit}; lower memory.limit"),
            );
        }
        text + "Ctrl-C stops it."
    });
    if let Err(error) = printed {
        note(&format!("cannot print where the server is: {error}"));
    }
}

fn url_of(address: SocketAddr) -> String {
    let shown = match address.ip() {
        ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(shown, address.port()))
}

/// Done at the first signal to stop; the second one ends the process at once.
fn stop_signals() -> std::io::Result<impl Future<Output = ()> + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (stop, stopped) = oneshot::channel();
    tokio::spawn(async move {
        next(&mut terminate, &mut interrupt).await;
        note("stopping: finishing what is under way; a second signal ends it at once");
        if stop.send(()).is_ok() {
            next(&mut terminate, &mut interrupt).await;
            end_now();
        }
    });
    Ok(async move {
        // A sender that is gone means that the signals' task is, so that nobody could stop us.
        stopped.await.ok();
    })
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

#[expect(clippy::exit, reason = "whoever sends a second signal does not want to wait for a flush")]
fn end_now() {
    note("ended without flushing; the next start replays the log");
    std::process::exit(1);
}
