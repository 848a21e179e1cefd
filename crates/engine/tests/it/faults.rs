//! A disk that refuses, at every call of a history: what was acknowledged is there, reads go on,
//! and what was refused is there wholly or not at all.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use vectorizer_engine::{Engine, EngineError};
use vectorizer_model::{Metric, Operation};
use vectorizer_vfs::Directory;
use vectorizer_vfs::crash::{Effect, Faults, Mode, Operation as Call, TraceDirectory};

use crate::crashes::{history, holds};
use crate::history::{Model, Step, check};
use crate::support::{governor, name, open, options, settings};

/// A history on a disk that fails, and what must have come of it.
pub(crate) struct Run {
    pub(crate) disk: TraceDirectory,
    root: Arc<dyn Directory>,
    engine: Option<Engine>,
    /// What was acknowledged came to this.
    certain: Model,
    /// A write that was refused after it may have reached the log.
    maybe: Option<Operation>,
    /// Nothing may be acknowledged until the engine is opened again.
    stopped: bool,
    /// Reads are among what fails, so they are not compared on the way.
    blind: bool,
    pub(crate) seen: Seen,
}

/// What the faults led to.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) stops: u64,
    pub(crate) full: u64,
    /// Flushes, merges and builds that were refused.
    put_off: u64,
    images: u64,
    /// Runs that broke a promise; their output says how.
    wrong: Vec<String>,
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.stops += other.stops;
        self.full += other.full;
        self.put_off += other.put_off;
        self.images += other.images;
        self.wrong.extend(other.wrong);
    }
}

impl Run {
    pub(crate) fn new(blind: bool) -> Self {
        let disk = TraceDirectory::new();
        let root = disk.directory();
        let engine = open(&root);
        let created = engine.create_collection(name(), settings(4, Metric::L2)).expect("accepted");
        created.wait().expect("done").expect("created");
        Self {
            disk,
            root,
            engine: Some(engine),
            certain: Model::default(),
            maybe: None,
            stopped: false,
            blind,
            seen: Seen::default(),
        }
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("open")
    }

    /// The history up to here, and one more write if it may have survived, are what `engine`
    /// holds; returns which of the two.
    fn resolve(&self, engine: &Engine, maybe: Option<&Operation>) -> Model {
        if holds(engine, &self.certain) {
            return self.certain.clone();
        }
        let mut possible = self.certain.clone();
        if let Some(operation) = maybe {
            let applied = engine.info(&name()).expect("there").applied.0;
            possible.apply(applied, operation);
        }
        possible
    }

    pub(crate) fn step(&mut self, step: &Step) {
        let before = self.disk.position();
        let failed_before = self.stopped;
        let operation = step.operation();
        if let Some(operation) = &operation {
            self.write(operation);
        } else if matches!(step, Step::Flush) {
            self.keep_house(Engine::flush);
        } else if matches!(step, Step::Settle) {
            self.keep_house(Engine::settle);
        } else if matches!(step, Step::Unload) {
            self.engine().unload_idle(u64::MAX);
            self.open_collection(self.engine());
        } else {
            self.reopen();
        }
        if !self.blind {
            check(self.engine(), &self.certain);
        }
        if self.stopped && !failed_before {
            self.crash_within(before, operation.as_ref());
        }
    }

    /// Has the collection opened; if the disk still fails, when it does no longer.
    fn open_collection(&self, engine: &Engine) {
        if engine.view(&name()).is_err() {
            self.disk.set_faults(Faults::none());
            engine.view(&name()).expect("opens on a sound disk");
        }
    }

    fn keep_house(&mut self, work: impl Fn(&Engine) -> vectorizer_engine::error::Result<()>) {
        match work(self.engine()) {
            Ok(()) => {}
            Err(error) => {
                assert!(!error.is_callers(), "{error}");
                self.seen.put_off += 1;
                let failure = self.engine().info(&name()).expect("there").failure;
                self.stopped |= failure.is_some();
                self.seen.stops += u64::from(failure.is_some());
            }
        }
    }

    fn write(&mut self, operation: &Operation) {
        match self.engine().write(&name(), operation.clone()) {
            Ok(applied) => {
                assert!(!self.stopped, "acknowledged after a failure");
                self.certain.apply(applied.seq.0, operation);
            }
            Err(error) if error.is_callers() => {}
            Err(EngineError::NoRoom { reason }) => {
                assert!(reason.contains("No space left"), "{reason}");
                self.seen.full += 1;
            }
            Err(EngineError::LogRefused { .. }) => assert!(!self.stopped),
            // Refused at the door.
            Err(EngineError::Closed { .. }) => assert!(self.stopped),
            Err(EngineError::Log(_)) => self.stopped = true,
            // A page could not be read to see what the operation would take.
            Err(EngineError::Segment(_) | EngineError::Disk(_)) if self.stands() => {}
            Err(_) => {
                assert!(!self.stopped, "it went further than the door");
                self.maybe = Some(operation.clone());
                self.seen.stops += 1;
                self.stopped = true;
            }
        }
    }

    fn stands(&self) -> bool {
        self.engine().info(&name()).expect("there").failure.is_none()
    }

    /// Opens the engine again; if the disk still fails, when it does no longer.
    fn reopen(&mut self) {
        if let Some(engine) = self.engine.take() {
            self.seen.put_off += u64::from(engine.close().is_err());
        }
        let failed = |effect: &Effect| matches!(effect, Effect::SyncDirectory { failed: true, .. });
        if self.disk.trace().iter().any(failed) {
            // A file system that cannot write its names back goes read-only: the machine must be
            // started again, not the program.
            let end = self.disk.position();
            self.disk = self.disk.image(end, Mode::Random(end as u64));
            self.root = self.disk.directory();
        }
        let again = || Engine::open_in(Arc::clone(&self.root), None, governor(), options());
        let engine = again().unwrap_or_else(|_| {
            self.disk.set_faults(Faults::none());
            again().expect("opens on a sound disk")
        });
        self.stopped = false;
        self.open_collection(&engine);
        if self.blind {
            self.disk.set_faults(Faults::none());
        }
        let maybe = self.maybe.take();
        self.certain = self.resolve(&engine, maybe.as_ref());
        self.engine = Some(engine);
    }

    /// Power is lost at each moment of the step that failed.
    fn crash_within(&mut self, from: usize, operation: Option<&Operation>) {
        for cut in from..=self.disk.position() {
            for mode in [Mode::LoseUnsynced, Mode::Random(cut as u64), Mode::CutOnly] {
                self.crash(cut, mode, operation);
            }
        }
    }

    fn crash(&mut self, cut: usize, mode: Mode, maybe: Option<&Operation>) {
        let image = self.disk.image(cut, mode).directory();
        let opened = Engine::open_in(image, None, governor(), options());
        assert!(opened.is_ok(), "cut {cut}, {mode:?}: {:?}", opened.err());
        let Ok(engine) = opened else { return };
        check(&engine, &self.resolve(&engine, maybe));
        self.seen.images += 1;
    }

    /// After the history: the disk as power loss leaves it, then as a restart finds it.
    pub(crate) fn finish(&mut self) {
        let end = self.disk.position();
        let maybe = self.maybe.clone();
        for mode in [Mode::LoseUnsynced, Mode::Random(7), Mode::Random(8), Mode::CutOnly] {
            self.crash(end, mode, maybe.as_ref());
        }
        self.disk.set_faults(Faults::none());
        if !self.stopped {
            self.engine().settle().expect("work that was put off is done");
            check(self.engine(), &self.certain);
        }
        self.reopen();
        check(self.engine(), &self.certain);
        self.write(&Step::Upsert(vec![(1, [1; 4]), (59, [2; 4])]).operation().expect("a write"));
        assert!(!self.stopped);
        self.engine().settle().expect("settled");
        check(self.engine(), &self.certain);
        // Power is lost once more: the restart made sure of what it found.
        for mode in [Mode::LoseUnsynced, Mode::Random(1), Mode::Random(2)] {
            self.crash(self.disk.position(), mode, None);
        }
    }
}

/// Runs one history with one plan of failures.
fn run(seed: u8, length: usize, (call, skipped, lasting): (Call, u64, bool)) -> Seen {
    let mut run = Run::new(call == Call::Read);
    let plan = Faults::none();
    let plan = if lasting { plan.fail_from(call, skipped) } else { plan.fail(call, skipped) };
    run.disk.set_faults(plan);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        for step in &history(seed, length) {
            run.step(step);
        }
        run.finish();
    }));
    if outcome.is_err() {
        let plan = format!("seed {seed}: {call:?} fails after {skipped}, lasting: {lasting}");
        run.seen.wrong.push(plan);
    }
    run.seen
}

/// How often a history makes each call.
fn calls(seed: u8, length: usize) -> Vec<(Call, u64)> {
    let mut run = Run::new(false);
    let from = run.disk.position();
    for step in &history(seed, length) {
        run.step(step);
    }
    let count = |is: fn(&Effect) -> bool| {
        run.disk.trace()[from..].iter().filter(|effect| is(effect)).count() as u64
    };
    vec![
        (Call::Write, count(|e| matches!(e, Effect::Write { .. }))),
        (Call::SyncFile, count(|e| matches!(e, Effect::SyncFile { .. }))),
        (Call::SyncDirectory, count(|e| matches!(e, Effect::SyncDirectory { .. }))),
        (Call::Create, count(|e| matches!(e, Effect::Create { .. }))),
        (Call::Rename, count(|e| matches!(e, Effect::Rename { .. }))),
        (Call::Remove, count(|e| matches!(e, Effect::Remove { .. }))),
        (Call::Open, 60),
        (Call::List, 20),
        (Call::Read, 200),
    ]
}

fn run_all(seed: u8, length: usize) -> Seen {
    let mut seen = Seen::default();
    for (call, count) in calls(seed, length) {
        for skipped in 0..count {
            seen.add(run(seed, length, (call, skipped, false)));
            if skipped % 4 == u64::from(seed % 4) {
                seen.add(run(seed, length, (call, skipped, true)));
            }
        }
    }
    seen
}

fn check_all(seed: u8) {
    let seen = run_all(seed, 20);
    assert!(seen.wrong.is_empty(), "{seen:?}");
    assert!(seen.stops > 50 && seen.put_off > 50 && seen.images > 500, "{seen:?}");
}

#[test]
fn a_failure_at_any_call_loses_nothing_that_was_acknowledged() {
    check_all(0);
}

#[test]
fn nor_does_it_in_a_second_history() {
    check_all(1);
}
