//! The points nearest to a vector or to another point.

use vectorizer_engine::{EngineError, Hit};
use vectorizer_model::limits;
use vectorizer_model::settings::VectorSettings;
use vectorizer_model::{Condition, Filter, PointId, VectorName};

use crate::answer::paired;
use crate::error::{QueryError, Result};
use crate::join::Join;
use crate::merge::merge_hits;
use crate::read::check_window;
use crate::view::CollectionView;
use crate::{LeafSearch, PayloadSelector, Record, SearchParams, Select, VectorSelector};

/// What points are compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// A vector; shape `[dim]`.
    Vector(Vec<f32>),
    /// The vector of a stored point, which is left out of the answer.
    Point(PointId),
}

/// The points nearest to a target.
#[derive(Debug, Clone, PartialEq)]
pub struct NearestQuery {
    /// What they are compared with.
    pub target: Target,
    /// Which of the points' vectors.
    pub vector: VectorName,
    /// Which points may be answered.
    pub filter: Filter,
    /// At most this many.
    pub limit: usize,
    /// How many of the nearest are skipped.
    pub offset: usize,
    /// Only points with a better score are answered; which side that is depends on the metric.
    pub score_threshold: Option<f32>,
    /// How hard to look.
    pub params: SearchParams,
    /// What is wanted of the points.
    pub select: Select,
}

/// A point with its score.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredRecord {
    /// The point.
    pub record: Record,
    /// Its score; which side is better depends on the metric.
    pub score: f32,
}

impl CollectionView {
    /// The points nearest to the target, nearest first, ties by id.
    ///
    /// # Errors
    /// The query does not fit the collection or the limits; memory is short; a page cannot be
    /// read.
    pub async fn nearest(&self, query: NearestQuery) -> Result<Vec<ScoredRecord>> {
        self.check(&query)?;
        let NearestQuery { target, vector, filter, limit, offset, .. } = query;
        let settings = self.vector(&vector)?;
        let metric = settings.metric;
        let (components, filter) = match target {
            Target::Vector(components) => (components, filter),
            Target::Point(id) => (self.stored_vector(id, &vector).await?, without(filter, id)),
        };
        let leaf = LeafSearch {
            vector,
            query: components,
            filter,
            limit: limit + offset,
            params: query.params,
            distance_below: query.score_threshold.map(|score| metric.distance_from_score(score)),
        };
        let _held = self.reserve(hits_bytes(leaf.limit))?;
        let found = match self.only_shard() {
            Some(shard) => shard.nearest(leaf, offset, query.select).await?,
            None => self.nearest_of_all(leaf, (offset, limit), query.select).await?,
        };
        let scored = found.into_iter().map(|(hit, record)| {
            let score = metric.score_from_distance(hit.distance);
            ScoredRecord { record, score }
        });
        Ok(scored.collect())
    }

    /// The nearest of several shards, whose records are read once it is known which they are.
    async fn nearest_of_all(
        &self,
        leaf: LeafSearch,
        (offset, limit): (usize, usize),
        select: Select,
    ) -> Result<Vec<(Hit, Record)>> {
        let leaves = self.shards().map(|shard| shard.search(leaf.clone()));
        let leaves: Result<Vec<Vec<Hit>>> = Join::new(leaves).await.into_iter().collect();
        let hits = merge_hits(leaves?, offset, limit);
        let ids = hits.iter().map(|hit| hit.id).collect();
        Ok(paired(hits, self.retrieve(ids, select).await?))
    }

    /// Whether a query fits the collection and the limits, before anything is searched.
    ///
    /// # Errors
    /// Names the first thing that does not fit.
    pub fn check(&self, query: &NearestQuery) -> Result<()> {
        let settings = self.vector(&query.vector)?;
        check_window(query.limit, query.offset)?;
        query.filter.validate()?;
        if let Some(ef) = query.params.ef {
            check_range("hnsw_ef", ef, 1, limits::EF_MAX)?;
        }
        let Target::Vector(components) = &query.target else { return Ok(()) };
        let (expected, found) = (settings.dim as usize, components.len());
        if expected != found {
            return Err(EngineError::DimensionMismatch { expected, found }.into());
        }
        let bad = components.iter().position(|component| !component.is_finite());
        match bad {
            Some(component) => {
                Err(QueryError::NotFinite { component, value: components[component] })
            }
            None => Ok(()),
        }
    }

    fn vector(&self, name: &VectorName) -> Result<&VectorSettings> {
        let found = self.settings().vectors.get(name);
        found.ok_or_else(|| EngineError::VectorNotFound { name: name.to_string() }.into())
    }

    async fn stored_vector(&self, id: PointId, name: &VectorName) -> Result<Vec<f32>> {
        let vectors = VectorSelector::Names(vec![name.clone()]);
        let select = Select { payload: PayloadSelector::Nothing, vectors };
        let record = self.retrieve(vec![id], select).await?.pop();
        let mut record = record.ok_or(QueryError::PointNotFound { id })?;
        let vector = record.vectors.pop();
        let missing = || QueryError::VectorMissing { id, name: name.to_string() };
        Ok(vector.ok_or_else(missing)?.1)
    }
}

/// Bytes of so many hits, and of them in order.
pub(crate) fn hits_bytes(limit: usize) -> u64 {
    (limit as u64).saturating_mul(2 * size_of::<Hit>() as u64)
}

fn check_range(name: &'static str, value: usize, min: usize, max: usize) -> Result<()> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(QueryError::OutOfRange { name, value, min, max })
}

/// The filter, and not this point.
pub(crate) fn without(mut filter: Filter, id: PointId) -> Filter {
    filter.must_not.push(Condition::HasId(vec![id]));
    filter
}

#[cfg(test)]
mod tests;
