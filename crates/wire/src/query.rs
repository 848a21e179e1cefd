//! Searches: the universal query, and the older search.

use serde::Deserialize;
use vectorizer_api::search::query::Query;
use vectorizer_api::search::{QueryBatch, QueryPoints};
use vectorizer_api::{NearestQuery, ScrollQuery, SearchParams, Select, Target};
use vectorizer_model::{CollectionName, Filter, VectorName, limits};

use crate::check::Checks;
use crate::error::{Result, WireError};
use crate::filter::{FilterIn, filter_or_all};
use crate::object::objects;
use crate::select::{WithPayload, WithVector, select};
use crate::unsupported::Unsupported;
use crate::vector::{PointVectors, QueryInput, VectorInput};

objects!(QueryIn, QueryBatchIn, SearchIn, ParamsIn, QuantizationIn);

/// Results of a query, unless the request says otherwise.
const QUERY_LIMIT: usize = 10;

/// A query.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct QueryIn {
    query: Option<QueryInput>,
    using: Option<String>,
    filter: Option<FilterIn>,
    params: Option<ParamsIn>,
    score_threshold: Option<f32>,
    limit: Option<usize>,
    offset: Option<usize>,
    #[serde(alias = "with_vectors")]
    with_vector: Option<WithVector>,
    with_payload: Option<WithPayload>,
    #[serde(default, rename = "prefetch")]
    _prefetch: NoPrefetch,
    #[serde(default, rename = "lookup_from")]
    _lookup_from: Unsupported,
    #[serde(default, rename = "shard_key")]
    _shard_key: Unsupported,
}

/// Several queries.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct QueryBatchIn {
    searches: Vec<QueryIn>,
}

/// The older search.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct SearchIn {
    vector: PointVectors,
    filter: Option<FilterIn>,
    params: Option<ParamsIn>,
    score_threshold: Option<f32>,
    limit: usize,
    offset: Option<usize>,
    #[serde(alias = "with_vectors")]
    with_vector: Option<WithVector>,
    with_payload: Option<WithPayload>,
    #[serde(default, rename = "shard_key")]
    _shard_key: Unsupported,
}

/// How hard to look.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
struct ParamsIn {
    hnsw_ef: Option<usize>,
    exact: Option<bool>,
    quantization: Option<QuantizationIn>,
    indexed_only: Option<bool>,
    #[serde(default, rename = "acorn")]
    _acorn: Unsupported,
    #[serde(default, rename = "idf")]
    _idf: Unsupported,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
struct QuantizationIn {
    ignore: Option<bool>,
    rescore: Option<bool>,
    oversampling: Option<f32>,
}

/// Absent, null or an empty list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct NoPrefetch;

impl<'de> Deserialize<'de> for NoPrefetch {
    fn deserialize<D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> std::result::Result<Self, D::Error> {
        struct NoPrefetchVisitor;
        impl<'de> serde::de::Visitor<'de> for NoPrefetchVisitor {
            type Value = NoPrefetch;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("nothing: prefetches are not supported yet")
            }

            fn visit_unit<E: serde::de::Error>(self) -> std::result::Result<NoPrefetch, E> {
                Ok(NoPrefetch)
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> std::result::Result<NoPrefetch, A::Error> {
                match seq.next_element::<Unsupported>()? {
                    None => Ok(NoPrefetch),
                    Some(_) => Err(serde::de::Error::custom("prefetches are not supported yet")),
                }
            }
        }
        deserializer.deserialize_any(NoPrefetchVisitor)
    }
}

impl ParamsIn {
    fn into_params(self, checks: &mut Checks) -> SearchParams {
        let quantization = self.quantization;
        let oversampling = quantization.as_ref().and_then(|codes| codes.oversampling);
        checks.range("params.hnsw_ef", self.hnsw_ef, (1, limits::EF_MAX));
        checks.range("params.quantization.oversampling", oversampling, (1.0, 1e6));
        // Codes only lead to candidates: to ignore them is to compare with everything.
        let ignore = quantization.as_ref().is_some_and(|codes| codes.ignore == Some(true));
        SearchParams {
            ef: self.hnsw_ef,
            exact: self.exact.unwrap_or(false) || ignore,
            indexed_only: self.indexed_only.unwrap_or(false),
            rescore: quantization.and_then(|codes| codes.rescore),
            oversampling,
        }
    }
}

impl QueryIn {
    /// What is sought.
    ///
    /// # Errors
    /// [`WireError`] names what does not fit.
    pub fn into_query(self) -> Result<Query> {
        let mut checks = Checks::default();
        checks.min("limit", self.limit, 1);
        let params = self.params.map(|params| params.into_params(&mut checks)).unwrap_or_default();
        checks.finish()?;
        let parts = Parts {
            filter: filter_or_all(self.filter)?,
            limit: self.limit.unwrap_or(QUERY_LIMIT),
            offset: self.offset.unwrap_or(0),
            score_threshold: self.score_threshold,
            params,
            select: select(self.with_payload, self.with_vector, false)?,
        };
        let Some(input) = self.query else { return Ok(parts.by_id()) };
        let target = match input.0 {
            VectorInput::Dense(components) => Target::Vector(components),
            VectorInput::Id(id) => Target::Point(id.0),
        };
        Ok(parts.nearest(target, self.using.unwrap_or_default()))
    }

    /// The operation.
    ///
    /// # Errors
    /// [`WireError`] names what does not fit.
    pub fn into_operation(self, collection: CollectionName) -> Result<QueryPoints> {
        Ok(QueryPoints { collection, query: self.into_query()? })
    }
}

impl QueryBatchIn {
    /// The operation.
    ///
    /// # Errors
    /// [`WireError`] names what does not fit, and the first query that does not.
    pub fn into_operation(
        self,
        collection: CollectionName,
        searches_max: usize,
    ) -> Result<QueryBatch> {
        let mut checks = Checks::default();
        checks.range("searches", Some(self.searches.len()), (0, searches_max));
        checks.finish()?;
        let queries: Result<Vec<Query>> =
            self.searches.into_iter().map(QueryIn::into_query).collect();
        Ok(QueryBatch { collection, queries: queries? })
    }
}

impl SearchIn {
    /// The operation.
    ///
    /// # Errors
    /// [`WireError`] names what does not fit.
    pub fn into_operation(self, collection: CollectionName) -> Result<QueryPoints> {
        let mut checks = Checks::default();
        checks.min("limit", Some(self.limit), 1);
        let params = self.params.map(|params| params.into_params(&mut checks)).unwrap_or_default();
        checks.finish()?;
        let parts = Parts {
            filter: filter_or_all(self.filter)?,
            limit: self.limit,
            offset: self.offset.unwrap_or(0),
            score_threshold: self.score_threshold,
            params,
            select: select(self.with_payload, self.with_vector, false)?,
        };
        let missing = || WireError::invalid("`vector` is empty; give one list of numbers");
        let components = self.vector.0.ok_or_else(missing)?;
        let query = parts.nearest(Target::Vector(components), String::new());
        Ok(QueryPoints { collection, query })
    }
}

/// What all kinds of queries have.
struct Parts {
    filter: Filter,
    limit: usize,
    offset: usize,
    score_threshold: Option<f32>,
    params: SearchParams,
    select: Select,
}

impl Parts {
    fn nearest(self, target: Target, using: String) -> Query {
        let Self { filter, limit, offset, score_threshold, params, select } = self;
        Query::Nearest(Box::new(NearestQuery {
            target,
            vector: VectorName(using.into()),
            filter,
            limit,
            offset,
            score_threshold,
            params,
            select,
        }))
    }

    fn by_id(self) -> Query {
        let Self { filter, limit, offset, select, .. } = self;
        let page = ScrollQuery { filter, from: None, limit, select };
        Query::ById { page: Box::new(page), offset }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::decode;

    fn read(text: &str) -> Result<Query> {
        decode::<QueryIn>(text.as_bytes()).and_then(QueryIn::into_query)
    }

    #[test]
    fn defaults_are_those_of_the_contract() {
        let nulls = r#"{"query": [1], "limit": null, "offset": null, "filter": null, "using": null,
            "params": null, "prefetch": null, "with_payload": null, "with_vector": null,
            "score_threshold": null, "lookup_from": null, "shard_key": null}"#;
        assert_eq!(read(nulls), read(r#"{"query": [1], "prefetch": []}"#));
        let Ok(Query::Nearest(query)) = read(nulls) else { panic!("a nearest query") };
        assert_eq!((query.limit, query.offset), (10, 0));
        assert_eq!(query.select, Select::default());
        assert!(matches!(read("{}"), Ok(Query::ById { offset: 0, .. })));
    }

    #[test]
    fn bounds_and_features_are_named() {
        for (text, told) in [
            (r#"{"query": [1], "limit": 0}"#, "limit: value 0 invalid, must be 1 or larger"),
            (r#"{"query": [1], "limit": -1}"#, "limit: invalid value"),
            (r#"{"query": [1], "limit": "ten"}"#, "limit: invalid type"),
            (r#"{"query": [1], "params": {"hnsw_ef": 0}}"#, "params.hnsw_ef: value 0"),
            (r#"{"query": [1], "params": {"acorn": {"enable": true}}}"#, "params.acorn"),
            (r#"{"query": [1], "prefetch": {"query": [1]}}"#, "prefetches are not supported"),
            (r#"{"query": [1], "prefetch": [{"query": [1]}]}"#, "not supported"),
            (r#"{"query": {"fusion": "rrf"}}"#, "query.fusion: this is not supported yet"),
            (r#"{"query": "abc"}"#, "not a valid point ID"),
            (r#"{"query": {"nearest": {"text": "a", "model": "b"}}}"#, "to embed"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
