//! The server in this process.

use std::net::SocketAddr;
use std::thread::JoinHandle;

use anyhow::{Result, bail};
use tokio::sync::oneshot;
use vectorizer_engine::Engine;
use vectorizer_server::{ServerConfig, ServerError};

/// A running server over an engine of this process.
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), ServerError>>,
}

impl Door {
    pub(crate) fn open(engine: Engine) -> Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (ready, address) = std::sync::mpsc::channel();
        let config = ServerConfig { rest_port: 0, ..ServerConfig::default() };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let thread = std::thread::spawn(move || {
            // Whoever forgets the door closes it.
            let shutdown = async move { stopped.await.unwrap_or_default() };
            let ready = move |address| ready.send(address).unwrap_or_default();
            runtime.block_on(vectorizer_server::run(config, engine, ready, shutdown))
        });
        match address.recv() {
            Ok(address) => Ok(Self { address, stop, thread }),
            Err(_never_ready) => {
                joined(thread)?;
                bail!("the server ended before it was ready")
            }
        }
    }

    /// Stops the server, which closes the engine.
    pub(crate) fn close(self) -> Result<()> {
        drop(self.stop);
        joined(self.thread)
    }
}

fn joined(thread: JoinHandle<Result<(), ServerError>>) -> Result<()> {
    Ok(thread.join().map_err(|_panic| anyhow::anyhow!("the server panicked"))??)
}
