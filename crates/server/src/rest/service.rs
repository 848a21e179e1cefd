//! What is asked of the server itself: version, health, metrics, the document.

use axum::http::StatusCode;
use serde::Serialize;
use vectorizer_api::memory::GetMemory;
use vectorizer_api::{ApiError, ErrorKind};

use super::answer::Answer;
use super::call::{Call, Outcome, encode};

#[derive(Serialize)]
struct Root {
    title: &'static str,
    /// Of the contract; clients compare it with their own.
    version: &'static str,
    /// The contract's field for a build; the version says enough.
    commit: Option<&'static str>,
    /// Ours.
    vectorizer_version: &'static str,
}

pub(super) async fn root(_: Call) -> Outcome {
    let root = Root {
        title: "vectorizer - vector search engine",
        version: crate::CONTRACT_VERSION,
        commit: None,
        vectorizer_version: env!("CARGO_PKG_VERSION"),
    };
    encode(&root).map(Answer::short_json)
}

pub(super) async fn alive(_: Call) -> Outcome {
    Ok(Answer::text(StatusCode::OK, "healthz check passed"))
}

pub(super) async fn ready(call: Call) -> Outcome {
    if call.door.is_stopping() {
        return Ok(Answer::text(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping"));
    }
    Ok(Answer::text(StatusCode::OK, "all shards are ready"))
}

pub(super) async fn metrics(call: Call) -> Outcome {
    // The same operation as the report's, so that both tell the same bytes.
    let report = call.run(GetMemory).await?;
    let shown = call.door.telemetry.show(call.door.context.engine(), report);
    let failed = |error: std::fmt::Error| ApiError::new(ErrorKind::Internal, error.to_string());
    call.reply_metrics(shown.map_err(failed)?)
}

pub(super) async fn document(call: Call) -> Outcome {
    Ok(Answer::json(call.door.document.clone().into_bytes()))
}
