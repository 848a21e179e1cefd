//! The server in this process, and the smallest client of it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;

use anyhow::{Context, Result, bail};
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

/// A connection that is kept from request to request.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    body: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), body: Vec::new() })
    }

    /// Sends a request as it is and reads the whole answer.
    pub(crate) fn send(&mut self, request: &[u8]) -> Result<&[u8]> {
        self.stream.get_mut().write_all(request)?;
        let (mut status, mut length) = (String::new(), None);
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = Some(value.trim().parse()?);
            }
            if status.is_empty() {
                status = line;
            }
        }
        self.body.resize(length.context("the answer has no content-length")?, 0);
        self.stream.read_exact(&mut self.body)?;
        if !status.contains(" 200") {
            bail!("the server answered {status}: {}", String::from_utf8_lossy(&self.body));
        }
        Ok(&self.body)
    }
}

/// A whole request with a body of JSON.
pub(crate) fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n");
    format!("{head}content-length: {length}\r\n\r\n{body}").into_bytes()
}
