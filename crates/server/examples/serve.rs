//! A server without a command line: `serve FOLDER [PORT]`, until it is told to stop.

use std::error::Error;
use std::io::Write;

use tokio::signal::unix::{SignalKind, signal};
use vectorizer_engine::{Engine, EngineOptions};
use vectorizer_memory::{Governor, Limits};
use vectorizer_server::ServerConfig;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().unwrap_or_else(|| "data".to_owned());
    let rest_port = args.next().map_or(Ok(0), |port| port.parse())?;
    let governor = Governor::new(Limits::of_root(2 << 30));
    let engine = Engine::open(folder, governor, EngineOptions::default())?;
    let config = ServerConfig { rest_port, ..ServerConfig::default() };
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async move {
        terminate.recv().await;
    };
    let ready = |address| {
        if writeln!(std::io::stdout(), "listening on http://{address}").is_err() {
            tracing::warn!("nobody reads where the server listens");
        }
    };
    vectorizer_server::run(config, engine, ready, stop).await?;
    Ok(())
}
