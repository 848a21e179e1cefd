//! A disk without room: errors that say so, deletes that pass, and work that is taken up again.

use vectorizer_engine::{Engine, EngineError, EngineOptions};
use vectorizer_model::operation::PointSelector;
use vectorizer_model::{CollectionName, Metric, Operation, Payload, PointId};
use vectorizer_vfs::Space;
use vectorizer_vfs::crash::{Effect, Faults, TraceDirectory};

use crate::crashes::history;
use crate::faults::Run;
use crate::support::{batch, governor, name, open, options, settings};

/// Runs a history of which the middle finds room for so many bytes only; returns how many writes
/// were refused.
fn run(seed: u8, room: u64) -> u64 {
    let steps = history(seed, 30);
    let mut run = Run::new(false);
    for (at, step) in steps.iter().enumerate() {
        if at == 5 {
            run.disk.set_faults(Faults::none().room(room));
        }
        if at == 20 {
            run.disk.set_faults(Faults::none());
        }
        let refused = run.seen.full;
        run.step(step);
        assert!(at < 20 || run.seen.full == refused, "refused though there is room again");
    }
    assert_eq!(run.seen.stops, 0, "a full disk stops nothing for good");
    run.finish();
    run.seen.full
}

#[test]
fn a_full_disk_refuses_writes_and_nothing_else_and_room_mends_it() {
    let mut refused = 0;
    for seed in 0..12 {
        for room in [0, 1, 200, 900, 4_000, 5_000, 9_000, 20_000, 40_000, 100_000] {
            refused += run(seed, room);
        }
    }
    assert!(refused > 300, "{refused} writes refused");
}

fn upsert(ids: std::ops::Range<u64>) -> Operation {
    let points: Vec<_> = ids.map(|id| (id, vec![id as f32, 1.0, 2.0, 3.0])).collect();
    batch(&points, |_| Payload::new())
}

fn filled(disk: &TraceDirectory, options: EngineOptions) -> Engine {
    let engine = Engine::open_in(disk.directory(), None, governor(), options).expect("opens");
    let created = engine.create_collection(name(), settings(4, Metric::L2)).expect("accepted");
    created.wait().expect("done").expect("created");
    for start in [0, 40, 80, 120] {
        engine.write(&name(), upsert(start..start + 40)).expect("written");
        engine.flush().expect("flushed");
    }
    engine
}

#[test]
fn a_folder_opens_and_answers_on_a_full_disk() {
    let disk = TraceDirectory::new();
    drop(filled(&disk, options()));
    disk.set_faults(Faults::none().room(0));
    let engine = open(&disk.directory());
    assert_eq!(engine.info(&name()).expect("there").points, 160);
    let refusal = engine.write(&name(), upsert(0..1)).expect_err("no room");
    assert!(matches!(refusal, EngineError::NoRoom { .. }), "{refusal}");
    assert!(refusal.to_string().starts_with("the disk is full"), "{refusal}");
    disk.set_faults(Faults::none());
    engine.write(&name(), upsert(0..1)).expect("there is room");
}

#[test]
fn beyond_the_watermark_only_deletes_pass() {
    let disk = TraceDirectory::new();
    let engine = filled(&disk, EngineOptions { disk_percent_max: 90, ..options() });
    let total = 1 << 30;
    disk.set_space(Space { total, available: total / 100 * 9 });
    let refusal = engine.write(&name(), upsert(0..1)).expect_err("nearly full");
    let percents = (91, 90);
    assert!(
        matches!(refusal, EngineError::DiskFull { percent_full, percent_limit }
            if (percent_full, percent_limit) == percents),
        "{refusal}"
    );
    let other = CollectionName::new("other").expect("a name");
    let refusal = engine.create_collection(other, settings(4, Metric::L2)).expect_err("full");
    assert!(refusal.to_string().contains("91 percent full"), "{refusal}");
    let delete = Operation::Delete(PointSelector::Ids(vec![PointId::Num(3)]));
    assert_eq!(engine.write(&name(), delete).expect("makes room").points, 1);
    disk.set_space(Space { total, available: total / 100 * 12 });
    engine.write(&name(), upsert(0..1)).expect("written");
    let dropped = engine.drop_collection(&name()).expect("accepted").wait().expect("done");
    assert_eq!(dropped.expect("dropped").points, 1);
}

#[test]
fn a_merge_waits_until_its_output_fits_beside_a_reserve() {
    let disk = TraceDirectory::new();
    let engine = filled(&disk, EngineOptions { memtable_bytes: 1 << 20, ..options() });
    assert_eq!(engine.info(&name()).expect("there").segments, 4);
    let total = 1 << 40;
    disk.set_space(Space { total, available: 2 << 20 });
    let files = disk.contents().len();
    let refusal = engine.settle().expect_err("no room");
    let EngineError::NoRoomToMerge { needed_bytes, reserve_bytes, available_bytes } = refusal
    else {
        panic!("{refusal}");
    };
    assert_eq!((reserve_bytes, available_bytes), (2 << 20, 2 << 20));
    assert_eq!(disk.contents().len(), files, "nothing was begun");
    disk.set_space(Space { total, available: reserve_bytes + needed_bytes - 1 });
    engine.settle().expect_err("one byte short");
    disk.set_space(Space { total, available: reserve_bytes + needed_bytes });
    let position = disk.position();
    engine.settle().expect("merged");
    let written: usize = disk.trace()[position..]
        .iter()
        .map(|effect| if let Effect::Write { bytes, .. } = effect { bytes.len() } else { 0 })
        .sum();
    assert!(written as u64 <= needed_bytes, "{written} written, {needed_bytes} foreseen");
    let info = engine.info(&name()).expect("there");
    assert_eq!((info.segments, info.points), (1, 160));
}
