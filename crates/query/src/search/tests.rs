//! Queries over shards that remember what they were asked.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::*;
use crate::access::{BoxFuture, ShardAccess};
use crate::{LeafScroll, NearestQuery};
use vectorizer_memory::{Governor, Limits};
use vectorizer_model::{CollectionSettings, Metric, SequenceNumber};

type Asked = Arc<Mutex<Vec<&'static str>>>;

/// A shard whose points lie at the distance of their number.
#[derive(Debug)]
struct Shard {
    ids: Vec<u64>,
    settings: Arc<CollectionSettings>,
    asked: Asked,
}

impl Shard {
    fn boxed(ids: &[u64], asked: &Asked) -> Box<dyn ShardAccess> {
        let vector = VectorSettings::new(1, Metric::L2);
        let settings = CollectionSettings::new([(VectorName::unnamed(), vector)]);
        let (settings, asked) = (Arc::new(settings), Arc::clone(asked));
        Box::new(Self { ids: ids.to_vec(), settings, asked })
    }

    fn hits(&self, limit: usize) -> Vec<Hit> {
        let hit = |&id: &u64| Hit { id: PointId::Num(id), distance: id as f32 };
        self.ids.iter().take(limit).map(hit).collect()
    }

    fn answer<T: Send + 'static>(&self, method: &'static str, answer: T) -> BoxFuture<'static, T> {
        self.asked.lock().expect("no panic").push(method);
        Box::pin(std::future::ready(answer))
    }
}

fn record(id: PointId) -> Record {
    Record { id, version: SequenceNumber(1), payload: None, vectors: Vec::new() }
}

impl ShardAccess for Shard {
    fn seq(&self) -> SequenceNumber {
        SequenceNumber(1)
    }

    fn settings(&self) -> &Arc<CollectionSettings> {
        &self.settings
    }

    fn search(&self, leaf: LeafSearch) -> BoxFuture<'static, Result<Vec<Hit>>> {
        self.answer("search", Ok(self.hits(leaf.limit)))
    }

    fn nearest(
        &self,
        leaf: LeafSearch,
        skipped: usize,
        _: Select,
    ) -> BoxFuture<'static, Result<Vec<(Hit, Record)>>> {
        let hits = self.hits(leaf.limit).into_iter().skip(skipped);
        self.answer("nearest", Ok(hits.map(|hit| (hit, record(hit.id))).collect()))
    }

    fn scroll(&self, _: LeafScroll) -> BoxFuture<'static, Result<(Vec<PointId>, Option<PointId>)>> {
        self.answer("scroll", Ok((Vec::new(), None)))
    }

    fn count(&self, _: Filter) -> BoxFuture<'static, Result<u64>> {
        self.answer("count", Ok(0))
    }

    fn records(&self, ids: Vec<PointId>, _: Select) -> BoxFuture<'static, Result<Vec<Record>>> {
        let here = |id: &PointId| self.ids.iter().any(|&own| PointId::Num(own) == *id);
        self.answer("records", Ok(ids.into_iter().filter(here).map(record).collect()))
    }
}

/// The ids that a query answers, and what the shards were asked.
fn ask(shards: &[&[u64]]) -> (Vec<PointId>, Vec<&'static str>) {
    let asked = Asked::default();
    let shards = shards.iter().map(|ids| Shard::boxed(ids, &asked)).collect();
    let view = CollectionView::of(shards, Governor::new(Limits::of_root(1 << 20)));
    let query = NearestQuery {
        target: Target::Vector(vec![0.0]),
        vector: VectorName::unnamed(),
        filter: Filter::default(),
        limit: 3,
        offset: 1,
        score_threshold: None,
        params: SearchParams::default(),
        select: Select::default(),
    };
    let answered = pin!(view.nearest(query)).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Ok(found)) = answered else { panic!("{answered:?}") };
    let asked = asked.lock().expect("no panic").clone();
    (found.iter().map(|found| found.record.id).collect(), asked)
}

#[test]
fn one_shard_answers_in_one_step_and_several_alike() {
    let expected: Vec<_> = [2, 3, 5].map(PointId::Num).to_vec();
    assert_eq!(ask(&[&[1, 2, 3, 5, 8]]), (expected.clone(), vec!["nearest"]));
    let (found, asked) = ask(&[&[1, 3, 8], &[2, 5]]);
    assert_eq!(found, expected);
    assert_eq!(asked, ["search", "search", "records", "records"]);
}
