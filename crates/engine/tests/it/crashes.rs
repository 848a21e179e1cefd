//! Power loss at every point of a history: what was acknowledged is there, nothing else is.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use vectorizer_engine::Engine;
use vectorizer_model::{CollectionName, Metric, Operation};
use vectorizer_vfs::crash::{CrashImage, TraceDirectory};

use crate::history::{Model, Step, check, steps};
use crate::support::{governor, name, open, options, settings};

/// A write, and the trace position at which it was acknowledged.
struct Acknowledged {
    at: usize,
    seq: u64,
    operation: Operation,
}

/// Runs a history and records when each write was acknowledged.
fn record(disk: &TraceDirectory, steps: &[Step]) -> (usize, Vec<Acknowledged>) {
    let root = disk.directory();
    let mut engine = open(&root);
    let created = engine.create_collection(name(), settings(4, Metric::L2)).expect("accepted");
    created.wait().expect("done").expect("created");
    let from = disk.position();
    let mut acknowledged = Vec::new();
    for step in steps {
        engine = step.housekeep(engine, || open(&root));
        if let Some(operation) = step.operation()
            && let Ok(applied) = engine.write(&name(), operation.clone())
        {
            let (at, seq) = (disk.position(), applied.seq.0);
            acknowledged.push(Acknowledged { at, seq, operation });
        }
    }
    (from, acknowledged)
}

/// The model after the writes acknowledged at a cut, and after one more, which may have survived.
fn expected(acknowledged: &[Acknowledged], cut: usize) -> (Model, Model) {
    let mut certain = Model::default();
    let sure = acknowledged.iter().take_while(|write| write.at <= cut).count();
    for write in &acknowledged[..sure] {
        certain.apply(write.seq, &write.operation);
    }
    let mut possible = certain.clone();
    if let Some(next) = acknowledged.get(sure) {
        possible.apply(next.seq, &next.operation);
    }
    (certain, possible)
}

pub(crate) fn holds(engine: &Engine, model: &Model) -> bool {
    let view = engine.view(&name()).expect("there");
    let last = model.0.values().map(|point| point.version).max().unwrap_or(0);
    let ids = view.matching_ids(&vectorizer_model::Filter::default()).expect("readable");
    let versions = view.records(&ids, &vectorizer_engine::Select::default()).expect("readable");
    versions.iter().map(|record| record.version.0).max().unwrap_or(0) == last
        && ids.iter().eq(model.0.keys())
        && versions.iter().all(|r| model.0.get(&r.id).is_some_and(|p| p.version == r.version.0))
}

pub(crate) fn history(seed: u8, length: usize) -> Vec<Step> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    steps(length..length + 1).new_tree(&mut runner).expect("a history").current()
}

/// Recovers from every image of one history and returns how many there were.
fn recover_all(seed: u8, random: usize) -> usize {
    let disk = TraceDirectory::new();
    let (from, acknowledged) = record(&disk, &history(seed, 30));
    let mut images = 0;
    for CrashImage { cut, mode, directory } in
        disk.images(u64::from(seed), random).starting_at(from)
    {
        let (certain, possible) = expected(&acknowledged, cut);
        let opened = Engine::open_in(directory.directory(), None, governor(), options());
        assert!(opened.is_ok(), "seed {seed}, cut {cut}, {mode:?}: {:?}", opened.err());
        let Ok(engine) = opened else { continue };
        let model = if holds(&engine, &certain) { &certain } else { &possible };
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            check(&engine, model);
        }));
        assert!(checked.is_ok(), "seed {seed}, cut {cut}, {mode:?}");
        images += 1;
    }
    images
}

/// Kills the program at some moments of a history, starts it again, and lets power be lost at each
/// moment of that start.
fn recover_twice(seed: u8, stride: usize) -> usize {
    let disk = TraceDirectory::new();
    let (from, acknowledged) = record(&disk, &history(seed, 30));
    let mut images = 0;
    for cut in (from..disk.position()).skip(usize::from(seed)).step_by(stride) {
        let (certain, possible) = expected(&acknowledged, cut);
        let killed = disk.killed(cut);
        drop(Engine::open_in(killed.directory(), None, governor(), options()).expect("opens"));
        let lost = killed.images(u64::from(seed), 2).starting_at(cut);
        for CrashImage { cut: again, mode, directory } in lost {
            let opened = Engine::open_in(directory.directory(), None, governor(), options());
            let at = format!("seed {seed}, killed at {cut}, lost at {again}, {mode:?}");
            assert!(opened.is_ok(), "{at}: {:?}", opened.err());
            let Ok(engine) = opened else { continue };
            assert!(holds(&engine, &certain) || holds(&engine, &possible), "{at}");
            images += 1;
        }
    }
    images
}

#[test]
fn a_start_that_loses_power_loses_nothing_either() {
    let images: usize = (0..8).map(|seed| recover_twice(seed, 9)).sum();
    assert!(images >= 5_000, "{images} images");
}

#[test]
fn every_crash_image_recovers_what_was_acknowledged() {
    let images: usize = (0..24).map(|seed| recover_all(seed, 2)).sum();
    assert!(images >= 10_000, "{images} images");
}

/// Creates and drops collections; where each was acknowledged, and what there was then.
fn come_and_go(disk: &TraceDirectory) -> Vec<(usize, Vec<CollectionName>)> {
    let engine = open(&disk.directory());
    let mut moments = vec![(disk.position(), Vec::new())];
    for (text, create) in [("a", true), ("b", true), ("a", false), ("c", true), ("b", false)] {
        let name = CollectionName::new(text).expect("a name");
        let ticket = if create {
            engine.create_collection(name, settings(4, Metric::L2))
        } else {
            engine.drop_collection(&name)
        };
        ticket.expect("accepted").wait().expect("done").expect("done");
        moments.push((disk.position(), engine.collections()));
    }
    moments
}

#[test]
fn collections_that_come_and_go_survive_a_start_that_loses_power() {
    let disk = TraceDirectory::new();
    let moments = come_and_go(&disk);
    for cut in moments[0].0..disk.position() {
        let killed = disk.killed(cut);
        drop(open(&killed.directory()));
        for CrashImage { cut: again, mode, directory } in killed.images(3, 3).starting_at(cut) {
            let opened = Engine::open_in(directory.directory(), None, governor(), options());
            assert!(opened.is_ok(), "{cut}, {again}, {mode:?}: {:?}", opened.err());
            let Ok(engine) = opened else { continue };
            let done = moments.iter().filter(|(at, _)| *at <= cut).count();
            let possible = &moments[done - 1..moments.len().min(done + 1)];
            let found = engine.collections();
            assert!(possible.iter().any(|(_, names)| *names == found), "{cut}, {again}: {found:?}");
        }
    }
}
