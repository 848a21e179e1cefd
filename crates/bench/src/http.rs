//! The smallest client: one connection, kept, and opened again when it breaks.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

/// Longer than any answer may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// A way to ask a server, one request at a time.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

/// What a server said.
#[derive(Debug)]
pub struct Answer {
    /// The code of HTTP.
    pub status: u16,
    /// All of the body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// It is none.
    pub fn json(&self) -> Result<Value> {
        let told = || String::from_utf8_lossy(&self.body[..self.body.len().min(200)]).into_owned();
        serde_json::from_slice(&self.body).with_context(|| format!("no JSON: {}", told()))
    }
}

impl Connection {
    /// To a server; it is reached with the first request.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, stream: None }
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// Nobody answers, or not in time; then nothing is known of what became of the request.
    pub fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> Result<Answer> {
        self.send(&request(method, path, "", body))
    }

    /// Sends a [`request`] as it is and reads the whole answer.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn send(&mut self, request: &[u8]) -> Result<Answer> {
        let answer = self.exchange(request);
        if answer.is_err() {
            self.stream = None;
        }
        answer
    }

    fn exchange(&mut self, request: &[u8]) -> Result<Answer> {
        let stream = if let Some(stream) = self.stream.take() {
            stream
        } else {
            let stream = TcpStream::connect(self.address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            BufReader::new(stream)
        };
        let stream = self.stream.insert(stream);
        stream.get_mut().write_all(request)?;
        let (mut status, mut length, mut closes) = (None, None, false);
        loop {
            let mut line = String::new();
            let read = stream.read_line(&mut line)?;
            anyhow::ensure!(read > 0, "the connection was closed");
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = Some(value.trim().parse()?);
            }
            closes |= line == "connection: close";
            if status.is_none() {
                let code = line.split(' ').nth(1).context("no status")?;
                status = Some(code.parse()?);
            }
        }
        let mut body = vec![0; length.context("the answer has no content-length")?];
        stream.read_exact(&mut body)?;
        if closes {
            self.stream = None;
        }
        Ok(Answer { status: status.context("no status")?, body })
    }
}

/// A whole request with a body of JSON; further headers end with a line break each.
pub fn request(method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n{headers}\
         content-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}
