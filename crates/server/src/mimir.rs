//! Asking Grafana Mimir: one bounded request for each endpoint.

use std::error::Error;
use std::time::Duration;

use axum::http::header::{ACCEPT, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use vectorizer_api::BoxFuture;
use vectorizer_api::found::mimir::{MimirEndpoint, MimirFailure, MimirPart, MimirSource};
use vectorizer_memory::Drawn;
use vectorizer_model::bytes::{ByteCount, MIB};
use vectorizer_wire::discovery::read_part;
use vectorizer_wire::json::Shape;

use crate::config::shown_address;

/// Bytes of an answer, at most: a ring of some hundred members with their tokens.
const BODY_BYTES_MAX: u64 = 4 * MIB;
/// Bytes of a refusal that are told.
const TOLD_BYTES: usize = 120;
/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Asks Mimir.
#[derive(Debug)]
pub(crate) struct MimirClient {
    /// Or why there is none.
    client: Result<Client, String>,
    base: Result<Url, String>,
    /// The address without what may be secret.
    shown: String,
    timeout: Duration,
}

type Asked<T> = Result<T, MimirFailure>;

fn failed(answered: bool, told: impl Into<String>) -> MimirFailure {
    MimirFailure { answered, told: told.into() }
}

impl MimirClient {
    /// Asks at an address, for so long at most.
    pub(crate) fn new(url: &str, timeout: Duration) -> Self {
        let base = Url::parse(url.trim_end_matches('/'));
        let base = base.map_err(|error| format!("telemetry.mimir.url is no address: {error}"));
        let shown = base.as_ref().map_or_else(|_| String::new(), shown_address);
        let secure = base.as_ref().is_ok_and(|base| base.scheme() == "https");
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .timeout(timeout)
            .redirect(Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(1)
            // Certificates of the machine take memory, and are of use to HTTPS alone.
            .tls_built_in_root_certs(secure)
            .build();
        let client = client.map_err(|error| format!("cannot ask: {}", causes(error)));
        Self { client, base, shown, timeout }
    }

    async fn send(&self, endpoint: MimirEndpoint) -> Asked<Response> {
        let unusable = |told: &String| failed(false, told.clone());
        let (client, base) =
            (self.client.as_ref().map_err(unusable)?, self.base.as_ref().map_err(unusable)?);
        let mut url = base.clone();
        url.set_path(&format!("{}{}", base.path().trim_end_matches('/'), endpoint.path()));
        let request = client.get(url).header(ACCEPT, "application/json");
        request.send().await.map_err(|error| {
            let told = if error.is_connect() {
                format!("cannot connect to {}: {}", self.shown, causes(error))
            } else if error.is_timeout() {
                self.too_slow()
            } else {
                format!("no answer of HTTP from {}: {}", self.shown, causes(error))
            };
            failed(false, told)
        })
    }

    fn too_slow(&self) -> String {
        let millis = self.timeout.as_millis();
        format!("{} did not answer within {millis} ms; see whether it is overloaded", self.shown)
    }

    /// The body of a good answer; its bytes and what they become are drawn first.
    async fn receive(&self, response: Response, memory: &mut Drawn) -> Asked<Vec<u8>> {
        let mut response = self.accept(response).await?;
        let too_long = || {
            let most = ByteCount(BODY_BYTES_MAX);
            failed(true, format!("its answer has more than {most}, the most that is read"))
        };
        if response.content_length().is_some_and(|bytes| bytes > BODY_BYTES_MAX) {
            return Err(too_long());
        }
        let mut body = Vec::new();
        while let Some(part) = self.next_part(&mut response).await? {
            let bytes = body.len() + part.len();
            if bytes as u64 > BODY_BYTES_MAX {
                return Err(too_long());
            }
            if bytes > body.capacity() {
                let grown = bytes.next_power_of_two();
                // Old and new bytes are there at once while they are moved.
                draw(memory, (body.capacity() + grown) as u64)?;
                body.reserve_exact(grown - body.len());
            }
            body.extend_from_slice(&part);
        }
        let shape = Shape::of(&body);
        shape.check().map_err(|error| failed(true, error.to_string()))?;
        let decoded = shape.decoded_bytes_max() + shape.reading_bytes_max();
        draw(memory, body.capacity() as u64 + decoded)?;
        Ok(body)
    }

    async fn next_part(&self, response: &mut Response) -> Asked<Option<axum::body::Bytes>> {
        response.chunk().await.map_err(|error| {
            let told = if error.is_timeout() {
                self.too_slow()
            } else {
                format!("its answer broke off: {}", causes(error))
            };
            failed(true, told)
        })
    }

    /// An answer that says that it is one.
    async fn accept(&self, mut response: Response) -> Asked<Response> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status.is_redirection() {
            let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            let to = shortened(to.unwrap_or("nowhere").as_bytes());
            return Err(failed(
                true,
                format!(
                    "it answered {status}, to `{to}`; give telemetry.mimir.url the address \
                         that answers by itself"
                ),
            ));
        }
        let mend = match status {
            StatusCode::NOT_FOUND => {
                "; the process at this address does not serve it, as each does only its own in \
                 microservices mode: give telemetry.mimir.url the address of a gateway to all"
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                "; give telemetry.mimir.url a user and a password, as in http://user:password@mimir"
            }
            _ => "",
        };
        // What it says besides is of use, and not needed.
        let said = self.next_part(&mut response).await.ok().flatten().unwrap_or_default();
        let said = shortened(&said);
        Err(failed(true, format!("it answered {status}: `{said}`{mend}")))
    }
}

impl MimirSource for MimirClient {
    fn address(&self) -> &str {
        &self.shown
    }

    fn ask(&self, endpoint: MimirEndpoint, mut memory: Drawn) -> BoxFuture<'_, Asked<MimirPart>> {
        Box::pin(async move {
            let response = self.send(endpoint).await?;
            let body = self.receive(response, &mut memory).await?;
            read_part(endpoint, &body).map_err(|told| failed(true, told))
        })
    }
}

/// Draws so many bytes in all.
fn draw(memory: &mut Drawn, bytes: u64) -> Asked<()> {
    let more = bytes.saturating_sub(memory.bytes());
    memory.try_grow(more).map_err(|refused| failed(true, format!("its answer: {refused}")))
}

/// The beginning of what was said, in one line.
fn shortened(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(&said[..said.len().min(TOLD_BYTES)]);
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What went wrong and why, without the address, which may hold a password.
fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        told = format!("{told}: {deeper}");
        cause = deeper.source();
    }
    told
}
