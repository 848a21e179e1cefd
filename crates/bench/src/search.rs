//! Searching, one query after the other in one thread.

use std::time::Instant;

use anyhow::Result;
use serde::Serialize;
use vectorizer_engine::{Engine, Hit, LeafSearch, ReadView, Scratch, SearchParams};
use vectorizer_model::{CollectionName, Filter, PointId, VectorName};
use vectorizer_testkit::oracle::{mean_recall, measure};

use crate::args::Args;
use crate::data::Data;
use crate::seconds;

/// Rounds of all queries; the median counts.
const ROUNDS: usize = 5;

/// What one candidate list gave.
#[derive(Debug, Serialize)]
pub(crate) struct Point {
    pub(crate) ef: usize,
    pub(crate) recall: f64,
    pub(crate) qps: f64,
    pub(crate) p50_us: f64,
    pub(crate) p95_us: f64,
    pub(crate) p99_us: f64,
}

/// Measures every candidate list.
pub(crate) fn sweep(
    engine: &Engine,
    name: &CollectionName,
    data: &Data,
    args: &Args,
) -> Result<Vec<Point>> {
    let view = engine.view(name)?;
    let mut scratch = Scratch::new();
    args.ef.iter().map(|&ef| point(&view, data, (args, ef), &mut scratch)).collect()
}

fn point(
    view: &ReadView,
    data: &Data,
    (args, ef): (&Args, usize),
    scratch: &mut Scratch,
) -> Result<Point> {
    let params = SearchParams {
        ef: Some(ef),
        oversampling: Some(args.oversampling),
        ..SearchParams::default()
    };
    let mut rounds = Vec::new();
    let mut latencies = Vec::new();
    let mut recall = 0.0;
    // The first round warms caches up and says what the recall is.
    for round in 0..=ROUNDS {
        let started = Instant::now();
        let mut answers = Vec::with_capacity(data.queries.rows());
        for query in &data.queries {
            let asked = Instant::now();
            answers.push(view.search(&search(query, args.k, params), scratch)?);
            if round > 0 {
                latencies.push(seconds(asked.elapsed()) * 1e6);
            }
        }
        if round > 0 {
            rounds.push(data.queries.rows() as f64 / seconds(started.elapsed()));
        } else {
            recall = recall_of(data, &answers, args.k);
        }
    }
    rounds.sort_by(f64::total_cmp);
    latencies.sort_by(f64::total_cmp);
    let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100];
    let (p50_us, p95_us, p99_us) = (at(50), at(95), at(99));
    Ok(Point { ef, recall, qps: rounds[rounds.len() / 2], p50_us, p95_us, p99_us })
}

fn search(query: &[f32], limit: usize, params: SearchParams) -> LeafSearch {
    LeafSearch {
        vector: VectorName::unnamed(),
        query: query.to_vec(),
        filter: Filter::default(),
        limit,
        params,
        distance_max: None,
    }
}

fn recall_of(data: &Data, answers: &[Vec<Hit>], k: usize) -> f64 {
    let row = |hit: &Hit| match hit.id {
        PointId::Num(id) => u32::try_from(id).unwrap_or(u32::MAX),
        PointId::Uuid(_) => u32::MAX,
    };
    let found: Vec<_> = data
        .queries
        .iter()
        .zip(answers)
        .map(|(query, hits)| {
            let rows: Vec<u32> = hits.iter().map(row).collect();
            measure(data.metric, &data.base, query, &rows)
        })
        .collect();
    mean_recall(&found, &data.truth, k)
}

/// Answers one query, for the time from a cold start to the first answer.
pub(crate) fn one(engine: &Engine, name: &CollectionName, data: &Data) -> Result<()> {
    let query = search(data.queries.row(0), 10, SearchParams::default());
    let hits = engine.view(name)?.search(&query, &mut Scratch::new())?;
    anyhow::ensure!(!hits.is_empty(), "a reopened collection answers nothing");
    Ok(())
}
