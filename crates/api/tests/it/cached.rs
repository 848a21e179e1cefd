//! An answer from the query cache is the one that the same view gives without it.

use vectorizer_api::collections::DeleteCollection;
use vectorizer_api::memory::SetMemory;
use vectorizer_api::points::count::CountPoints;
use vectorizer_api::points::scroll::ScrollPoints;
use vectorizer_api::search::QueryPoints;
use vectorizer_api::search::query::Query;
use vectorizer_api::{NearestQuery, ScrollQuery, SearchParams, Target};
use vectorizer_cache::{CacheControl, EvictionPolicy};
use vectorizer_model::{Condition, Filter, PointId};
use vectorizer_query::CollectionView;

use crate::world::{World, all, block_on, nearest_of, red, things, upsert, vector};

/// Steps of a history.
const STEPS: u64 = 60;

fn queries() -> Vec<NearestQuery> {
    let mut queries = Vec::new();
    for target in 0..4 {
        for limit in [1, 10] {
            for (exact, filter) in [(false, red()), (false, Filter::default()), (true, red())] {
                let target = Target::Vector(vector(target * 7));
                let params = SearchParams { exact, ..SearchParams::default() };
                queries.push(NearestQuery { params, filter, ..nearest_of(limit, target) });
            }
        }
    }
    queries
}

/// The answers through the cache and past it.
fn check(world: &World) {
    for query in queries() {
        let asked =
            QueryPoints { collection: things(), query: Query::Nearest(Box::new(query.clone())) };
        let cached = block_on(world.context.run(asked)).expect("an answer").output;
        let view = CollectionView::local(world.context.engine(), &things()).expect("a view");
        let anew = block_on(view.nearest(query)).expect("an answer");
        assert_eq!(cached, anew);
    }
    for filter in [Filter::default(), red()] {
        let asked = CountPoints { collection: things(), filter: filter.clone() };
        let cached = block_on(world.context.run(asked)).expect("an answer").output;
        let view = CollectionView::local(world.context.engine(), &things()).expect("a view");
        assert_eq!(cached, block_on(view.count(filter.clone())).expect("an answer"));
        let query = ScrollQuery { filter, from: None, limit: 50, select: all() };
        let asked = ScrollPoints { collection: things(), query: query.clone() };
        let cached = block_on(world.context.run(asked)).expect("an answer").output;
        assert_eq!(cached, block_on(view.scroll(query)).expect("an answer"));
    }
}

#[test]
fn cached_answers_are_those_of_the_view_over_histories() {
    let world = World::filled();
    let engine = world.context.engine();
    for step in 0..STEPS {
        check(&world);
        check(&world);
        match step % 6 {
            0 => {
                world.run(upsert(step * 3..step * 3 + 5)).expect("room");
            }
            1 | 3 => {}
            2 => {
                world.delete(step * 11..step * 11 + 9);
            }
            4 => engine.flush().expect("room"),
            _ => engine.settle().expect("room"),
        }
    }
    let stats = world.context.query_cache().control().stats();
    assert!(stats.hits > STEPS * 10, "{stats:?}");
    assert!(stats.misses > STEPS * 5, "{stats:?}");
    for stats in [
        world.context.metadata_cache().control().stats(),
        engine.row_caches().payload_control().stats(),
        engine.row_caches().predicate_control().stats(),
    ] {
        assert!(stats.hits > STEPS && stats.items > 0, "{stats:?}");
    }
    engine.close().expect("room");
}

#[test]
fn caches_follow_what_is_set_while_they_are_used() {
    let world = World::filled();
    let count = |id| {
        let must = vec![Condition::has_id(vec![PointId::Num(id)])];
        let filter = Filter { must, ..Filter::default() };
        world.run(CountPoints { collection: things(), filter }).expect("an answer");
    };
    let items = || world.context.metadata_cache().control().stats().items;
    (0..20).for_each(count);
    assert_eq!(items(), 20);
    let set = |cache_items, policy| {
        let set = SetMemory { cache_items: Some(cache_items), policy, ..SetMemory::default() };
        world.run(set).expect("room");
    };
    set(5, Some(EvictionPolicy::Size));
    assert_eq!(items(), 5, "what is above goes at once");
    (20..40).for_each(count);
    assert_eq!(items(), 5);
    let evicted = || {
        let of = world.context.metadata_cache().control().stats().evicted;
        of.into_iter().find(|of| of.policy == EvictionPolicy::Size).map_or(0, |of| of.items)
    };
    assert_eq!(evicted(), 35, "by the policy that was set");
    set(0, None);
    count(50);
    assert_eq!(items(), 0);
    set(1_000, None);
    (0..20).for_each(count);
    assert_eq!(items(), 20);
}

#[test]
fn nothing_is_kept_of_a_collection_that_was_deleted() {
    let world = World::filled();
    check(&world);
    let caches = [world.context.query_cache().control(), world.context.metadata_cache().control()];
    assert!(caches.iter().all(|cache| cache.stats().items > 0));
    world.run(DeleteCollection { name: things() }).expect("deleted");
    // Elsewhere, and soon.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while caches.iter().any(|cache| cache.stats().items > 0) {
        assert!(std::time::Instant::now() < until, "{:?}", caches.map(CacheControl::stats));
        std::thread::yield_now();
    }
}
