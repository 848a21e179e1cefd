//! Each request for memory of each operation fails in turn: a typed refusal, no panic, and nothing
//! stays behind.

use vectorizer_memory::Class;
use vectorizer_model::CollectionName;

use crate::world::{Sample, World, admin, reads, writes};

/// Bytes of what ends with an operation: all but what points, pages and collections take.
fn held(world: &World) -> u64 {
    world.governor.reserved();
    let usage = world.governor.usage();
    let passing = [Class::Operations, Class::Builds];
    usage.classes.iter().filter(|(class, _)| passing.contains(class)).map(|(_, bytes)| bytes).sum()
}

/// Bytes that nobody can be made to give back.
fn kept(world: &World) -> u64 {
    world.governor.reserved();
    world.governor.unreclaimable()
}

/// Runs an operation again and again, another request failing each time, until none is left to
/// fail. Returns how many failed.
fn fail_each(world: &World, (name, run): &Sample, first: u64) -> u64 {
    let mut nth = 1;
    loop {
        let (held_before, kept_before) = (held(world), kept(world));
        world.governor.fail_request(nth);
        let outcome = run(world, first + nth);
        let struck = world.governor.requests_until_failure() == 0;
        world.governor.fail_request(0);
        assert_eq!(held(world), held_before, "{name}, request {nth}: {outcome:?}");
        match outcome {
            Err(error) if struck => {
                assert_eq!(error.code, Some("insufficient_memory"), "{name}, request {nth}");
                assert!(error.retry_after.is_some(), "{name}: {error}");
                // What a list did before the failure stays.
                let done = error.message.contains("those before it are done");
                assert!(done || kept(world) == kept_before, "{name}, request {nth}: {error}");
            }
            Err(error) => unreachable!("{name}: {error}"),
            // Nobody needed those bytes: a page that is not kept, say.
            Ok(_) if struck => {}
            Ok(_) => return nth - 1,
        }
        nth += 1;
    }
}

fn check(world: &World, samples: &[Sample]) {
    // Threads keep what their first search takes.
    for (_, run) in samples {
        run(world, 1_000).expect("room");
    }
    for (at, sample) in samples.iter().enumerate() {
        let failed = fail_each(world, sample, 10_000 + at as u64 * 100);
        // Rows that are not flushed are counted as they lie there.
        assert!(failed > 0 || sample.0 == "count_points", "{} {at} asked for nothing", sample.0);
    }
}

#[test]
fn reads_refused_anywhere_leave_nothing_behind() {
    let world = World::filled();
    check(&world, &reads());
    world.context.engine().settle().expect("room");
    check(&world, &reads());
}

#[test]
fn writes_refused_anywhere_leave_nothing_behind() {
    let world = World::filled();
    check(&world, &writes());
}

#[test]
fn changes_of_collections_refused_anywhere_leave_nothing_behind() {
    let world = World::filled();
    for (at, sample) in admin().iter().enumerate() {
        let failed = if sample.0 == "delete_collection" {
            for n in 1..20 {
                let name = CollectionName::new(&format!("c{n}")).expect("a name");
                world.create(name).expect("room");
            }
            fail_each(&world, sample, 0)
        } else {
            fail_each(&world, sample, 10_000 + at as u64 * 100)
        };
        assert!(failed > 0, "{} asked for nothing", sample.0);
    }
}
