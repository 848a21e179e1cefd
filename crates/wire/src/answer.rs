//! Responses: the envelope, and what stands in it.

use serde::Serialize;
use vectorizer_api::{ApiError, Page, Record, ScoredRecord};
use vectorizer_model::{CollectionName, SequenceNumber};

use crate::id::Id;
use crate::value::PayloadOut;
use crate::vector::VectorsOut;

/// A successful answer around its result.
#[derive(Debug, Serialize)]
pub struct Envelope<T> {
    /// What was asked for.
    pub result: T,
    /// Always `ok`.
    pub status: &'static str,
    /// Seconds that it took.
    pub time: f64,
}

/// A failed answer.
#[derive(Debug, Serialize)]
pub struct ErrorEnvelope<'a> {
    status: ErrorStatus<'a>,
    time: f64,
}

#[derive(Debug, Serialize)]
struct ErrorStatus<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    holders: Vec<HolderOut<'a>>,
}

#[derive(Debug, Serialize)]
struct HolderOut<'a> {
    class: &'a str,
    tenant: &'a str,
    bytes: u64,
}

impl<'a> ErrorEnvelope<'a> {
    /// A failure told as `text`; with those who hold most memory if it was short.
    pub fn new(text: &'a str, error: Option<&'a ApiError>, time: f64) -> Self {
        let holders = error.map(|error| error.holders.as_slice()).unwrap_or_default();
        let holders = holders.iter().map(|holder| HolderOut {
            class: holder.class.name(),
            tenant: &holder.tenant,
            bytes: holder.bytes,
        });
        let code = error.and_then(|error| error.code);
        let status = ErrorStatus { error: text, code, holders: holders.collect() };
        Self { status, time }
    }
}

/// What a write did.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct UpdateOut {
    operation_id: u64,
    status: &'static str,
}

impl UpdateOut {
    /// The write at a position; the client waited for readers to see it, or did not ask.
    pub fn new(seq: SequenceNumber, wait: bool) -> Self {
        let status = if wait { "completed" } else { "acknowledged" };
        Self { operation_id: seq.0, status }
    }
}

/// A point.
#[derive(Debug, Serialize)]
pub struct RecordOut<'a> {
    id: Id,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<PayloadOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector: Option<VectorsOut<'a>>,
}

impl<'a> RecordOut<'a> {
    /// The shown form of a record.
    pub fn new(record: &'a Record) -> Self {
        Self { id: Id(record.id), payload: payload_of(record), vector: vector_of(record) }
    }

    /// The shown forms of records.
    pub fn all(records: &'a [Record]) -> Vec<Self> {
        records.iter().map(Self::new).collect()
    }
}

fn payload_of(record: &Record) -> Option<PayloadOut<'_>> {
    record.payload.as_deref().map(PayloadOut)
}

fn vector_of(record: &Record) -> Option<VectorsOut<'_>> {
    (!record.vectors.is_empty()).then_some(VectorsOut(&record.vectors))
}

/// A page of points.
#[derive(Debug, Serialize)]
pub struct PageOut<'a> {
    points: Vec<RecordOut<'a>>,
    next_page_offset: Option<Id>,
}

impl<'a> PageOut<'a> {
    /// The shown form of a page.
    pub fn new(page: &'a Page) -> Self {
        Self { points: RecordOut::all(&page.records), next_page_offset: page.next.map(Id) }
    }
}

/// A point with its score.
#[derive(Debug, Serialize)]
pub struct ScoredOut<'a> {
    id: Id,
    version: u64,
    score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<PayloadOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector: Option<VectorsOut<'a>>,
}

impl<'a> ScoredOut<'a> {
    /// The shown forms of scored points.
    pub fn all(points: &'a [ScoredRecord]) -> Vec<Self> {
        let shown = points.iter().map(|point| Self {
            id: Id(point.record.id),
            version: point.record.version.0,
            // JSON has no infinity, which products of the largest numbers come to.
            score: point.score.clamp(f32::MIN, f32::MAX),
            payload: payload_of(&point.record),
            vector: vector_of(&point.record),
        });
        shown.collect()
    }
}

/// The answer of a query.
#[derive(Debug, Serialize)]
pub struct QueryOut<'a> {
    points: Vec<ScoredOut<'a>>,
}

impl<'a> QueryOut<'a> {
    /// The shown form of an answer.
    pub fn new(points: &'a [ScoredRecord]) -> Self {
        Self { points: ScoredOut::all(points) }
    }
}

/// A number of points.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct CountOut {
    /// How many.
    pub count: u64,
}

/// Whether a collection is there.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ExistsOut {
    /// Whether it is.
    pub exists: bool,
}

/// The collections.
#[derive(Debug, Serialize)]
pub struct CollectionsOut<'a> {
    collections: Vec<NameOut<'a>>,
}

#[derive(Debug, Serialize)]
struct NameOut<'a> {
    name: &'a str,
}

impl<'a> CollectionsOut<'a> {
    /// The shown form of names.
    pub fn new(names: &'a [CollectionName]) -> Self {
        Self { collections: names.iter().map(|name| NameOut { name: name.as_str() }).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vectorizer_model::PointId;

    #[test]
    fn a_score_is_always_a_number() {
        let record = Record {
            id: PointId::Num(1),
            version: SequenceNumber(1),
            payload: None,
            vectors: Vec::new(),
        };
        let point = ScoredRecord { record, score: f32::INFINITY };
        let shown = serde_json::to_value(ScoredOut::all(&[point])).expect("JSON");
        assert!(shown[0]["score"].is_number(), "{shown}");
    }
}
