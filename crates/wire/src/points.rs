//! Requests on points.

use serde::Deserialize;
use vectorizer_api::points::{
    CountPoints, DeletePoints, GetPoints, NewPoint, ScrollPoints, UpsertPoints,
};
use vectorizer_api::{ScrollQuery, VectorSelector};
use vectorizer_model::operation::PointSelector;
use vectorizer_model::{CollectionName, Payload, VectorName};

use crate::check::Checks;
use crate::error::{Result, WireError};
use crate::filter::{FilterIn, filter_or_all};
use crate::id::{Id, point_ids};
use crate::object::objects;
use crate::select::{WithPayload, WithVector, select};
use crate::unsupported::Unsupported;
use crate::value::PayloadIn;
use crate::vector::{BatchVectors, PointVectors};

objects!(UpsertIn, PointIn, BatchIn, SelectorIn, RetrieveIn, ScrollIn, CountIn);

/// Points of a page, unless the request says otherwise.
const SCROLL_LIMIT: usize = 10;

/// Points to write: a list, or columns.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct UpsertIn {
    points: Option<Vec<PointIn>>,
    batch: Option<BatchIn>,
    #[serde(default, rename = "shard_key")]
    _shard_key: Unsupported,
    #[serde(default, rename = "update_filter")]
    _update_filter: Unsupported,
    update_mode: Option<UpdateMode>,
}

/// Which points a write may touch; only the first is supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum UpdateMode {
    Upsert,
    InsertOnly,
    UpdateOnly,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
struct PointIn {
    id: Id,
    vector: PointVectors,
    payload: Option<PayloadIn>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
struct BatchIn {
    ids: Vec<Id>,
    vectors: BatchVectors,
    payloads: Option<Vec<Option<PayloadIn>>>,
}

impl UpsertIn {
    /// The operation.
    ///
    /// # Errors
    /// [`WireError`] names what does not fit.
    pub fn into_upsert(self, collection: CollectionName) -> Result<UpsertPoints> {
        if self.update_mode.is_some_and(|mode| mode != UpdateMode::Upsert) {
            return Err(WireError::unsupported("`update_mode` other than `upsert`"));
        }
        let points = match (self.points, self.batch) {
            (Some(points), None) => points.into_iter().map(PointIn::into_point).collect(),
            (None, Some(batch)) => batch.into_points()?,
            _ => {
                let told = "exactly one of `points` and `batch` is expected";
                return Err(WireError::Format(told.to_owned()));
            }
        };
        Ok(UpsertPoints { collection, points })
    }
}

impl PointIn {
    fn into_point(self) -> NewPoint {
        new_point(self.id, self.vector, self.payload)
    }
}

fn new_point(id: Id, vector: PointVectors, payload: Option<PayloadIn>) -> NewPoint {
    let vector = vector.0.map(|components| (VectorName::unnamed(), components));
    let payload = payload.map_or_else(Payload::new, |payload| payload.0);
    NewPoint { id: id.0, vectors: vector.into_iter().collect(), payload }
}

impl BatchIn {
    fn into_points(self) -> Result<Vec<NewPoint>> {
        let rows = self.ids.len();
        let mut vectors = self.vectors.0;
        if vectors.is_empty() {
            vectors.resize(rows, PointVectors::default());
        }
        same_length("vectors", vectors.len(), rows)?;
        let payloads = self.payloads.unwrap_or_else(|| vec![None; rows]);
        same_length("payloads", payloads.len(), rows)?;
        let columns = self.ids.into_iter().zip(vectors).zip(payloads);
        Ok(columns.map(|((id, vector), payload)| new_point(id, vector, payload)).collect())
    }
}

fn same_length(column: &str, found: usize, ids: usize) -> Result<()> {
    if found == ids {
        return Ok(());
    }
    Err(WireError::Validation(format!(
        "batch: number of ids and {column} must be equal ({ids} != {found})"
    )))
}

/// Which points an operation concerns: listed ones, or those of a filter.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct SelectorIn {
    points: Option<Vec<Id>>,
    filter: Option<FilterIn>,
    #[serde(default, rename = "shard_key")]
    _shard_key: Unsupported,
}

impl SelectorIn {
    /// The selector.
    ///
    /// # Errors
    /// [`WireError`] names what does not fit.
    pub fn into_selector(self) -> Result<PointSelector> {
        point_selector(self.points, self.filter)
    }

    /// The operation that deletes them.
    ///
    /// # Errors
    /// [`WireError`] names what does not fit.
    pub fn into_delete(self, collection: CollectionName) -> Result<DeletePoints> {
        Ok(DeletePoints { collection, points: self.into_selector()? })
    }
}

/// Listed points, or those of a filter.
pub(crate) fn point_selector(
    points: Option<Vec<Id>>,
    filter: Option<FilterIn>,
) -> Result<PointSelector> {
    match (points, filter) {
        (Some(ids), None) => Ok(PointSelector::Ids(point_ids(ids))),
        (None, Some(filter)) => Ok(PointSelector::Filter(filter.into_filter()?)),
        (None, None) => Err(WireError::Format("either `points` or `filter` is expected".into())),
        (Some(_), Some(_)) => {
            Err(WireError::invalid("`points` and `filter` exclude each other; give one of them"))
        }
    }
}

/// Points to read by id.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct RetrieveIn {
    ids: Vec<Id>,
    with_payload: Option<WithPayload>,
    #[serde(alias = "with_vectors")]
    with_vector: Option<WithVector>,
    #[serde(default, rename = "shard_key")]
    _shard_key: Unsupported,
}

impl RetrieveIn {
    /// The operation.
    ///
    /// # Errors
    /// [`WireError`] names what does not fit.
    pub fn into_get(self, collection: CollectionName) -> Result<GetPoints> {
        let select = select(self.with_payload, self.with_vector, true)?;
        Ok(GetPoints { collection, ids: point_ids(self.ids), select })
    }
}

/// A page of points to read.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct ScrollIn {
    offset: Option<Id>,
    limit: Option<usize>,
    filter: Option<FilterIn>,
    with_payload: Option<WithPayload>,
    #[serde(alias = "with_vectors")]
    with_vector: Option<WithVector>,
    #[serde(default, rename = "order_by")]
    _order_by: Unsupported,
    #[serde(default, rename = "shard_key")]
    _shard_key: Unsupported,
}

impl ScrollIn {
    /// The operation.
    ///
    /// # Errors
    /// [`WireError`] names what does not fit.
    pub fn into_scroll(self, collection: CollectionName) -> Result<ScrollPoints> {
        let mut checks = Checks::default();
        checks.min("limit", self.limit, 1);
        checks.finish()?;
        let query = ScrollQuery {
            filter: filter_or_all(self.filter)?,
            from: self.offset.map(|id| id.0),
            limit: self.limit.unwrap_or(SCROLL_LIMIT),
            select: select(self.with_payload, self.with_vector, true)?,
        };
        Ok(ScrollPoints { collection, query })
    }
}

/// Points to count; the count is exact either way.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct CountIn {
    filter: Option<FilterIn>,
    #[serde(rename = "exact")]
    _exact: Option<bool>,
    #[serde(default, rename = "shard_key")]
    _shard_key: Unsupported,
}

impl CountIn {
    /// The operation.
    ///
    /// # Errors
    /// [`WireError`] names what does not fit.
    pub fn into_count(self, collection: CollectionName) -> Result<CountPoints> {
        Ok(CountPoints { collection, filter: filter_or_all(self.filter)? })
    }
}

/// What is shown of a point that is asked for by its path.
pub fn everything() -> vectorizer_api::Select {
    vectorizer_api::Select {
        payload: vectorizer_api::PayloadSelector::Everything,
        vectors: VectorSelector::Everything,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::decode;
    use vectorizer_model::PointId;

    fn upsert(text: &str) -> Result<UpsertPoints> {
        let name = CollectionName::new("c").expect("a name");
        decode::<UpsertIn>(text.as_bytes())?.into_upsert(name)
    }

    #[test]
    fn lists_and_columns_are_the_same() {
        let list = r#"{"points": [{"id": 1, "vector": [1, 2], "payload": {"a": 1}},
            {"id": 2, "vector": [3, 4]}], "shard_key": null}"#;
        let columns = r#"{"batch": {"ids": [1, 2], "vectors": [[1, 2], [3, 4]],
            "payloads": [{"a": 1}, null]}}"#;
        let (list, columns) = (upsert(list).expect("list"), upsert(columns).expect("columns"));
        assert_eq!(list, columns);
        assert_eq!(list.points[1].id, PointId::Num(2));
    }

    #[test]
    fn refusals_name_the_place() {
        for (text, told) in [
            ("{}", "exactly one of `points` and `batch`"),
            (r#"{"points": [], "batch": {"ids": [], "vectors": []}}"#, "exactly one"),
            (r#"{"points": [{"vector": [1]}]}"#, "points[0]: missing field `id`"),
            (r#"{"points": [{"id": 1, "vector": [1]}, {"id": "abc", "vector": [1]}]}"#, {
                "points[1].id: value abc is not a valid point ID"
            }),
            (r#"{"points": [{"id": 1, "vector": ["a"]}]}"#, "points[0].vector[0]"),
            (r#"{"points": [{"id": 1, "vector": [1], "payload": [1]}]}"#, "a payload"),
            (r#"{"batch": {"ids": [1, 2], "vectors": [[1]]}}"#, "must be equal (2 != 1)"),
            (r#"{"points": [], "update_mode": "insert_only"}"#, "not supported yet"),
            (r#"{"points": [], "shard_key": "x"}"#, "shard_key: this is not supported yet"),
        ] {
            let error = upsert(text).unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn a_page_has_at_least_one_point() {
        let name = CollectionName::new("c").expect("a name");
        let scroll = decode::<ScrollIn>(br#"{"limit": 0}"#).expect("shape");
        assert_eq!(
            scroll.into_scroll(name).unwrap_err().to_string(),
            "Validation error in JSON body: [limit: value 0 invalid, must be 1 or larger]"
        );
    }
}
