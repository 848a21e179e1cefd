//! Requests to a server, and what its refusals mean.

use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::Agent;
use ureq::http::{Method, Request, Response};

use crate::cli::ClientArgs;
use crate::failure::{Failure, Kind};

const EXAMPLE: &str = "http://127.0.0.1:15001";
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_mins(10);
/// Bytes of one answer.
const ANSWER_BYTES_MAX: u64 = 1 << 30;
/// How long a busy server is asked again.
const PATIENCE: Duration = Duration::from_mins(5);

/// A server, seen from outside.
#[derive(Debug)]
pub(crate) struct Client {
    agent: Agent,
    url: String,
    api_key: Option<String>,
}

type Answer<T> = Result<T, Failure>;

impl Client {
    /// A client of the server that the arguments name.
    ///
    /// # Errors
    /// The address is of another protocol.
    pub(crate) fn new(args: &ClientArgs) -> Answer<Self> {
        if !args.url.starts_with("http://") {
            let message = format!("--url is {}; give it an address such as {EXAMPLE}", args.url);
            return Err(Failure::new(Kind::Usage, message));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(ANSWER))
            .build();
        let url = args.url.trim_end_matches('/').to_owned();
        Ok(Self { agent: config.new_agent(), url, api_key: args.api_key.clone() })
    }

    /// The server's address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The `result` of a GET.
    pub(crate) fn get(&self, path: &str) -> Answer<Value> {
        let (status, answer) = self.send(&Method::GET, path, "")?;
        accepted(status, answer).map(result_of)
    }

    /// The `result` of a GET; none if the server knows no such thing.
    pub(crate) fn find(&self, path: &str) -> Answer<Option<Value>> {
        match self.send(&Method::GET, path, "")? {
            (404, _) => Ok(None),
            (status, answer) => accepted(status, answer).map(result_of).map(Some),
        }
    }

    /// A GET's whole answer.
    pub(crate) fn get_whole(&self, path: &str) -> Answer<Value> {
        let (status, answer) = self.send(&Method::GET, path, "")?;
        accepted(status, answer)
    }

    /// The `result` of a POST.
    pub(crate) fn post(&self, path: &str, body: &str) -> Answer<Value> {
        self.persist(&Method::POST, path, body)
    }

    /// The `result` of a PUT.
    pub(crate) fn put(&self, path: &str, body: &str) -> Answer<Value> {
        self.persist(&Method::PUT, path, body)
    }

    /// Asks again while the server is busy.
    fn persist(&self, method: &Method, path: &str, body: &str) -> Answer<Value> {
        let since = Instant::now();
        let mut pause = Duration::from_millis(50);
        loop {
            let (status, answer) = self.send(method, path, body)?;
            if !matches!(status, 429 | 503) || since.elapsed() > PATIENCE {
                return accepted(status, answer).map(result_of);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    fn send(&self, method: &Method, path: &str, body: &str) -> Answer<(u16, Value)> {
        let unreachable = |error: &dyn std::fmt::Display| {
            let url = &self.url;
            let hint = "start one with `vectorizer serve`, or give --url";
            Failure::new(Kind::Unreachable, format!("no server answers at {url}: {error}; {hint}"))
        };
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        if let Some(key) = &self.api_key {
            request = request.header("api-key", key);
        }
        let usage = |error| Failure::new(Kind::Usage, format!("cannot ask {}: {error}", self.url));
        let answer = if body.is_empty() {
            self.agent.run(request.body(()).map_err(usage)?)
        } else {
            let request = request.header("content-type", "application/json");
            self.agent.run(request.body(body).map_err(usage)?)
        };
        let answer = answer.map_err(|error| {
            if matches!(error, ureq::Error::BadUri(_) | ureq::Error::Http(_)) {
                let hint = format!("give --url an address such as {EXAMPLE}");
                return Failure::new(
                    Kind::Usage,
                    format!("cannot ask {}: {error}; {hint}", self.url),
                );
            }
            // The system's own words are clear.
            if let ureq::Error::Io(error) = &error {
                return unreachable(error);
            }
            unreachable(&error)
        })?;
        let status = answer.status().as_u16();
        let text = read(answer).map_err(|error| unreachable(&error))?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }
}

fn read(answer: Response<ureq::Body>) -> Result<String, ureq::Error> {
    answer.into_body().into_with_config().limit(ANSWER_BYTES_MAX).read_to_string()
}

fn accepted(status: u16, answer: Value) -> Answer<Value> {
    if (200..300).contains(&status) {
        return Ok(answer);
    }
    let said = match (&answer["status"]["error"], &answer) {
        (Value::String(error), _) | (_, Value::String(error)) if !error.is_empty() => error.clone(),
        _ => answer.to_string(),
    };
    let hint = match status {
        401 | 403 => "; give --api-key or VECTORIZER_API_KEY",
        _ => "",
    };
    let said = said.trim();
    Err(Failure::new(Kind::Refused, format!("the server refused ({status}): {said}{hint}")))
}

fn result_of(mut answer: Value) -> Value {
    answer.get_mut("result").map(Value::take).unwrap_or(answer)
}

/// The path of a collection, or of something below it.
pub(crate) fn collection_path(name: &str, below: &str) -> String {
    let mut path = "/collections/".to_owned();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                path.push(byte as char);
            }
            // Writing to a text never fails.
            other => write!(path, "%{other:02X}").unwrap_or_default(),
        }
    }
    path + below
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_escaped() {
        assert_eq!(collection_path("a b\u{e9}", "/points"), "/collections/a%20b%C3%A9/points");
    }

    #[test]
    fn refusals_keep_the_servers_words() {
        let body = json!({ "status": { "error": "Not found: x" }, "time": 0.0 });
        let refusal = accepted(404, body).unwrap_err();
        assert_eq!(refusal.kind, Kind::Refused);
        assert!(refusal.message.contains("(404): Not found: x"), "{refusal}");
        let refusal = accepted(401, Value::String("no key".to_owned())).unwrap_err();
        assert!(refusal.message.contains("no key; give --api-key"), "{refusal}");
        assert_eq!(result_of(json!({ "result": [1] })), json!([1]));
    }
}
