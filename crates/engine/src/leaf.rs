//! What may be asked of one shard: the leaves that every query is split into.

use std::sync::Arc;

use vectorizer_model::{Filter, KeyPath, Payload, PointId, SequenceNumber, VectorName};

/// The nearest points to a vector.
#[derive(Debug, Clone, PartialEq)]
pub struct LeafSearch {
    /// Which of the points' vectors.
    pub vector: VectorName,
    /// What they are compared with; shape `[dim]`.
    pub query: Vec<f32>,
    /// Which points may be answered.
    pub filter: Filter,
    /// At most this many hits.
    pub limit: usize,
    /// How hard to look.
    pub params: SearchParams,
    /// Only hits nearer than this; internal distance, see [`vectorizer_model::Metric`].
    pub distance_below: Option<f32>,
}

/// How hard a search looks; the defaults reach recall@10 of 0.95 or better.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SearchParams {
    /// Candidates that a graph search keeps; by default from `limit`.
    pub ef: Option<usize>,
    /// Compare with every point instead of walking a graph.
    pub exact: bool,
    /// Leave out rows that no graph covers yet.
    pub indexed_only: bool,
    /// Whether candidates are rescored with the stored vectors; true by default.
    pub rescore: Option<bool>,
    /// Candidates for rescoring, as a multiple of `limit`.
    pub oversampling: Option<f32>,
}

/// A point that a search found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Its id.
    pub id: PointId,
    /// Internal distance: smaller is nearer.
    pub distance: f32,
}

/// Which parts of a payload are wanted.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum PayloadSelector {
    /// None of it.
    #[default]
    Nothing,
    /// All of it.
    Everything,
    /// Only these paths.
    Include(Vec<KeyPath>),
    /// All but these paths.
    Exclude(Vec<KeyPath>),
}

/// Which vectors are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum VectorSelector {
    /// None.
    #[default]
    Nothing,
    /// All.
    Everything,
    /// Those with these names.
    Names(Vec<VectorName>),
}

/// Which parts of points are wanted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Select {
    /// Of the payload.
    pub payload: PayloadSelector,
    /// Of the vectors.
    pub vectors: VectorSelector,
}

/// A stored point, as far as it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its id.
    pub id: PointId,
    /// Sequence number of its last change.
    pub version: SequenceNumber,
    /// Its payload, if wanted.
    pub payload: Option<Arc<Payload>>,
    /// Its vectors, as far as wanted and present.
    pub vectors: Vec<(VectorName, Vec<f32>)>,
}

/// A page of points in id order.
#[derive(Debug, Clone, PartialEq)]
pub struct LeafScroll {
    /// Which points.
    pub filter: Filter,
    /// The first id that may be answered.
    pub from: Option<PointId>,
    /// At most this many.
    pub limit: usize,
}
