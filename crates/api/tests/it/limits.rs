//! Limits that are changed, and limits that are asked for.

mod changed;

use vectorizer_api::memory::SetMemory;
use vectorizer_api::points::ScrollPoints;
use vectorizer_api::search::query::Query;
use vectorizer_api::search::{QueryBatch, QueryPoints};
use vectorizer_api::{ErrorKind, NearestQuery, ScrollQuery, SearchParams, Target};
use vectorizer_memory::Measurement;
use vectorizer_model::Filter;

use crate::world::{World, nearest_of, things, vector};

const GIB: u64 = 1 << 30;

#[test]
fn a_limit_above_what_there_is_is_refused_with_both_numbers() {
    let world = World::filled();
    let set = |bytes| world.run(SetMemory { memory_bytes: Some(bytes), ..SetMemory::default() });
    let measured = |total| {
        let measured = Measurement { total, used: GIB, cgroup: None };
        world.context.memory_guard().observe(Ok(measured));
    };
    let unmeasured = set(4 * GIB).expect_err("nothing was measured yet");
    assert_eq!((unmeasured.kind, unmeasured.code), (ErrorKind::Unavailable, Some("system_error")));
    let (given, now) = ((4 * GIB).to_string(), GIB.to_string());
    assert!(
        unmeasured.message.contains(&given) && unmeasured.message.contains(&now),
        "{unmeasured}"
    );
    assert!(unmeasured.retry_after.is_some());
    measured(4 * GIB);
    set(4 * GIB).expect("there is as much");
    measured(3 * GIB);
    let refused = set(5 * GIB).expect_err("there is not as much");
    assert_eq!(refused.kind, ErrorKind::InvalidArgument);
    let (given, total) = ((5 * GIB).to_string(), (3 * GIB).to_string());
    assert!(refused.message.contains(&given) && refused.message.contains(&total), "{refused}");
    assert_eq!(world.governor.limits().root, 4 * GIB);
    set(7 * GIB / 2).expect("less than it was helps");
    set(3 * GIB).expect("all that there is");
    set(3 * GIB + 1).expect_err("one more than there is");
    world.context.memory_guard().observe(Err("unreadable".to_owned()));
    set(3 * GIB).expect("as much as now needs no measurement");
    assert!(set(5 * GIB).is_err(), "nobody knows whether there is as much");
    set(2 * GIB).expect("less needs no measurement");
    assert_eq!(world.governor.limits().root, 2 * GIB);
}

/// Numbers at which sums and products go over.
const HOSTILE: [usize; 9] =
    [0, 1, 100, 1 << 20, 1 << 32, usize::MAX / 64, usize::MAX / 2, usize::MAX - 1, usize::MAX];

#[test]
fn hostile_numbers_are_answered_or_refused_by_name() {
    let world = World::filled();
    let sound = |told: Result<_, vectorizer_api::ApiError>, asked: &str| {
        let Err(error) = told.map(drop) else { return };
        let expected = [ErrorKind::InvalidArgument, ErrorKind::ResourceExhausted];
        assert!(expected.contains(&error.kind), "{asked}: {error}");
    };
    for limit in HOSTILE {
        let page = |limit| ScrollQuery {
            filter: Filter::default(),
            from: None,
            limit,
            select: vectorizer_api::Select::default(),
        };
        let scroll = ScrollPoints { collection: things(), query: page(limit) };
        sound(world.run(scroll), &format!("scroll {limit}"));
        for offset in HOSTILE {
            let asked = format!("limit {limit}, offset {offset}");
            let by_id = Query::ById { page: Box::new(page(limit)), offset };
            let mut queries = vec![by_id];
            for ef in [None, Some(0), Some(usize::MAX)] {
                for oversampling in [None, Some(0.0), Some(-1.0), Some(f32::MAX), Some(f32::NAN)] {
                    let params = SearchParams { ef, oversampling, ..SearchParams::default() };
                    let target = Target::Vector(vector(1));
                    let query = NearestQuery { offset, params, ..nearest_of(limit, target) };
                    queries.push(Query::Nearest(Box::new(query)));
                }
            }
            for query in queries.clone() {
                sound(world.run(QueryPoints { collection: things(), query }), &asked);
            }
            sound(world.run(QueryBatch { collection: things(), queries }), &asked);
        }
    }
    assert_eq!(world.governor.usage().waiting, 0);
}
