//! Answers on their way out.

use std::time::Instant;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use vectorizer_api::Caller;
use vectorizer_memory::Reservation;
use vectorizer_wire::answer::ErrorEnvelope;

use crate::admission::{Admission, charged};
use crate::status::RestError;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// The text format of measurements that scrapers expect.
pub(super) const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is sent back.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    charge: Charge,
}

/// Who pays for an answer's body until it is sent.
#[derive(Debug)]
enum Charge {
    /// Nobody: a refusal must not be refused.
    None,
    /// It is charged before it is sent.
    Due,
    /// It is charged already.
    Held(Reservation),
}

impl Answer {
    fn new(status: StatusCode, kind: HeaderValue, body: Vec<u8>, charge: Charge) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
        Self { status, headers, body, charge }
    }

    /// A few bytes of JSON that whoever comes may ask for; memory cannot refuse them.
    pub(super) fn short_json(body: Vec<u8>) -> Self {
        Self::new(StatusCode::OK, JSON, body, Charge::None)
    }

    /// JSON that was asked for.
    pub(super) fn json(body: Vec<u8>) -> Self {
        Self::new(StatusCode::OK, JSON, body, Charge::Due)
    }

    /// JSON whose memory is charged.
    pub(super) fn held_json(body: Vec<u8>, held: Reservation) -> Self {
        Self::new(StatusCode::OK, JSON, body, Charge::Held(held))
    }

    /// Plain text.
    pub(super) fn text(status: StatusCode, text: &str) -> Self {
        Self::new(status, TEXT, text.as_bytes().to_vec(), Charge::None)
    }

    /// Measurements.
    pub(super) fn metrics(text: String) -> Self {
        Self::new(StatusCode::OK, HeaderValue::from_static(METRICS), text.into_bytes(), Charge::Due)
    }

    /// The same, its memory charged already.
    pub(super) fn held(self, held: Reservation) -> Self {
        Self { charge: Charge::Held(held), ..self }
    }

    /// Nobody comes in without the key.
    pub(super) fn unauthorized() -> Self {
        let told = "Must provide an API key or an Authorization bearer token";
        Self::text(StatusCode::UNAUTHORIZED, told)
    }

    /// A refused or failed request, as its caller may hear of it. Nothing else makes an answer of a
    /// failure.
    pub(super) fn failed(error: RestError, caller: &Caller, started: Instant) -> Self {
        let error =
            if let RestError::Api(error) = error { caller.told(error).into() } else { error };
        let refusal = error.refusal();
        if refusal.status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = %refusal.text, "request failed");
        }
        let api = if let RestError::Api(error) = &error { Some(error) } else { None };
        let time = started.elapsed().as_secs_f64();
        let envelope = ErrorEnvelope::new(&refusal.text, api, time);
        let body = serde_json::to_vec(&envelope).unwrap_or_default();
        let mut answer = Self::new(refusal.status, JSON, body, Charge::None);
        if let Some(seconds) = refusal.retry_after {
            answer.headers.insert(RETRY_AFTER, seconds.into());
        }
        answer
    }

    /// The response, its memory charged to its caller until it is sent.
    pub(super) fn into_response(
        self,
        admission: &Admission,
        caller: &Caller,
        started: Instant,
    ) -> Response {
        let Self { status, headers, body, charge } = self;
        let body = match charge {
            Charge::None => Body::from(body),
            Charge::Held(held) => charged(body, held),
            Charge::Due => match admission.for_tenant(caller.tenant()).charge(body) {
                Ok(body) => body,
                Err(error) => {
                    let failed = Self::failed(error.into(), caller, started);
                    return failed.into_response(admission, caller, started);
                }
            },
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}
