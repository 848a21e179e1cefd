//! What operations hold is about what they were estimated to hold, and never more.

use std::collections::BTreeSet;

use vectorizer_api::collections::ListCollections;
use vectorizer_api::search::QueryPoints;
use vectorizer_api::search::query::Query;
use vectorizer_api::{CATALOGUE, ErrorKind, NearestQuery, Operation, Target};
use vectorizer_model::CollectionName;

use crate::world::{Sample, World, admin, nearest_of, reads, things, vector, writes};

/// An estimate may be so many times what is used, and these bytes more.
const TIMES: u64 = 4;
const BYTES: u64 = 64 << 10;

fn check(world: &World, samples: &[Sample]) {
    for (at, (name, run)) in samples.iter().enumerate() {
        let used = run(world, at as u64).unwrap_or_else(|error| unreachable!("{name}: {error}"));
        assert!(used.peak <= used.estimate, "{at} {name}: {used:?}");
        assert!(used.estimate <= used.peak * TIMES + BYTES, "{at} {name}: {used:?}");
    }
}

#[test]
fn reads_hold_what_was_estimated_wherever_the_rows_are() {
    let world = World::filled();
    check(&world, &reads());
    world.context.engine().flush().expect("room");
    check(&world, &reads());
    world.context.engine().settle().expect("room");
    check(&world, &reads());
}

#[test]
fn writes_hold_what_was_estimated() {
    let world = World::filled();
    check(&world, &writes());
    world.context.engine().settle().expect("room");
    check(&world, &writes());
    assert!(
        world
            .governor
            .usage()
            .classes
            .iter()
            .all(|(class, bytes)| { class.name() != "operations" || *bytes <= 1 << 20 })
    );
}

#[test]
fn a_list_of_names_holds_what_they_take_and_only_the_callers() {
    let world = World::filled();
    let (many, none) = (world.of_tenant("many"), world.of_tenant("none"));
    for number in 0..100 {
        let name = CollectionName::new(&format!("{number:0250}")).expect("a name");
        many.create(name).expect("room");
    }
    let held = [&world, &many, &none].map(|world| {
        check(
            world,
            &[(ListCollections::ENTRY.name, Box::new(|world, _| world.run(ListCollections)))],
        );
        world.run(ListCollections).expect("room").peak
    });
    assert!(held[0] > held[1] && held[1] > 100 * 250 && held[2] == 0, "{held:?}");
}

#[test]
fn every_operation_of_the_catalogue_is_estimated() {
    let samples = [reads(), writes(), admin()].concat_names();
    let catalogue: BTreeSet<_> = CATALOGUE.iter().map(|entry| entry.name).collect();
    assert_eq!(samples, catalogue);
}

trait Names {
    fn concat_names(&self) -> BTreeSet<&'static str>;
}

impl Names for [Vec<Sample>] {
    fn concat_names(&self) -> BTreeSet<&'static str> {
        self.iter().flatten().map(|(name, _)| *name).collect()
    }
}

#[test]
fn a_limit_beyond_measure_is_refused_by_name() {
    let world = World::filled();
    for (limit, offset) in [(usize::MAX, 1), (10, usize::MAX), (usize::MAX, usize::MAX)] {
        let query = NearestQuery { offset, ..nearest_of(limit, Target::Vector(vector(1))) };
        let query = Query::Nearest(Box::new(query));
        let refused = world.run(QueryPoints { collection: things(), query }).expect_err("too many");
        assert_eq!(refused.kind, ErrorKind::InvalidArgument, "{refused:?}");
    }
}
