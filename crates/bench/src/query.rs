//! The searches that are measured, and how good their answers are.

use vectorizer_engine::{Hit, LeafSearch, SearchParams};
use vectorizer_model::filter::{Predicate, Range};
use vectorizer_model::{Condition, Filter, KeyPath, PointId, VectorName};
use vectorizer_testkit::data::Matrix;
use vectorizer_testkit::oracle::{Neighbour, mean_recall, measure};

use crate::source::{FIELD, Source};

/// A search on default settings.
pub(crate) fn plain(query: &[f32], limit: usize) -> LeafSearch {
    LeafSearch {
        vector: VectorName::unnamed(),
        query: query.to_vec(),
        filter: Filter::default(),
        limit,
        params: SearchParams::default(),
        distance_below: None,
    }
}

/// One search for each query of the source, made before the clock runs.
pub(crate) fn plain_searches(source: &Source, limit: usize) -> Vec<LeafSearch> {
    source.queries.iter().map(|query| plain(query, limit)).collect()
}

/// Admits the points whose bucket is below a bound.
pub(crate) fn below(bound: u32) -> Filter {
    let range = Range { lt: Some(bound.into()), ..Range::default() };
    let predicate = Predicate::Range(range);
    let condition = Condition::Field { key: KeyPath::key(FIELD), predicate };
    Filter { must: vec![condition], ..Filter::default() }
}

/// The mean recall of one answer for each query.
pub(crate) fn recall(
    source: &Source,
    base: &Matrix,
    answers: &[Vec<Hit>],
    (truth, k): (&[Vec<Neighbour>], usize),
) -> f64 {
    let row = |hit: &Hit| match hit.id {
        PointId::Num(id) => u32::try_from(id).unwrap_or(u32::MAX),
        PointId::Uuid(_) => u32::MAX,
    };
    let found: Vec<_> = source
        .queries
        .iter()
        .zip(answers)
        .map(|(query, hits)| {
            let rows: Vec<u32> = hits.iter().map(row).collect();
            measure(source.metric, base, query, &rows)
        })
        .collect();
    mean_recall(&found, truth, k)
}
