//! An answer from the query cache is the one that the same view gives without it.

use vectorizer_api::search::QueryPoints;
use vectorizer_api::search::query::Query;
use vectorizer_api::{NearestQuery, SearchParams, Target};
use vectorizer_query::CollectionView;

use crate::world::{World, block_on, nearest_of, things, upsert, vector};

/// Steps of a history.
const STEPS: u64 = 60;

fn queries() -> Vec<NearestQuery> {
    let mut queries = Vec::new();
    for target in 0..4 {
        for limit in [1, 10] {
            for exact in [false, true] {
                let target = Target::Vector(vector(target * 7));
                let params = SearchParams { exact, ..SearchParams::default() };
                queries.push(NearestQuery { params, ..nearest_of(limit, target) });
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
    let stats = world.context.query_cache().stats();
    assert!(stats.hits > STEPS * 10, "{stats:?}");
    assert!(stats.misses > STEPS * 5, "{stats:?}");
    engine.close().expect("room");
}
