//! What assigning takes, against what is planned for it.

use std::convert::Infallible;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed};

use vectorizer_model::RowScorer;
use vectorizer_testkit::allocation::{heap_elsewhere, heap_of};

use super::*;
use crate::parts::{InParts, Workshop};
use crate::{Executor, Host};

/// Points of a line, each at its number.
#[derive(Debug)]
struct Line(usize);

/// Some of them.
#[derive(Debug)]
struct Points(Vec<f32>);

impl RowScorer for Points {
    fn rows(&self) -> usize {
        self.0.len()
    }

    fn prefetch(&self, _: &[Ordinal]) {}

    fn score(&self, row: Ordinal, ordinals: &[Ordinal], out: &mut [f32]) {
        for (distance, other) in out.iter_mut().zip(ordinals) {
            *distance = (self.0[row.index()] - self.0[other.index()]).abs();
        }
    }
}

impl Workshop for Line {
    type Rows = Points;
    type Error = Infallible;

    fn rows(&self) -> usize {
        self.0
    }

    fn room(&self, rows: usize) -> Points {
        Points(Vec::with_capacity(rows))
    }

    fn load(&self, into: &mut Points, kept: usize, rows: &[u32]) -> Result<(), Infallible> {
        into.0.truncate(kept);
        into.0.extend(rows.iter().map(|row| *row as f32));
        Ok(())
    }

    fn append(&mut self, _: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }

    fn read(&mut self, _: u64, _: &mut [u8]) -> Result<(), Infallible> {
        Ok(())
    }

    fn write(&mut self, _: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Threads whose heap counts as that of the one that waits for them.
struct Counted(usize);

impl Executor for Counted {
    fn workers(&self) -> usize {
        self.0
    }

    fn run(&self, task: &(dyn Fn(usize) + Sync)) {
        heap_elsewhere(|| {
            let peak = AtomicI64::new(0);
            std::thread::scope(|scope| {
                for worker in 0..self.0 {
                    let peak = &peak;
                    scope.spawn(move || {
                        let ((), heap) = heap_of(|| task(worker));
                        peak.fetch_add(heap.peak, Relaxed);
                    });
                }
            });
            peak.into_inner()
        });
    }
}

#[test]
fn assigning_takes_what_is_planned_for_it() {
    let (params, bytes_of) =
        (Params { m: 8, ef_construct: 1, seed: 3 }, |rows: usize| 4 * rows as u64);
    for (rows, workers) in [(1_500, 1), (1_500, 8), (9_000, 1), (9_000, 8), (60_000, 8)] {
        let within = |kib: u64| Plan::within(kib << 10, (rows, &bytes_of), &params, workers);
        let plan = (1..).find_map(within).expect("some limit will do");
        let above = [0; LEVEL_MAX as usize + 2];
        let sizes = Sizes { rows, bytes_of: &bytes_of, above, params: &params, workers };
        let planned = sizes.assign(plan.parts.into(), plan.pivots, plan.chunk()) + 4 * rows as u64;
        let host = Host {
            executor: &Counted(workers),
            cancelled: &|| false,
            inserted: &AtomicUsize::new(0),
            hint: |_| (),
        };
        let build = InParts { workshop: &mut Line(rows), plan: &plan, params: &params, host };
        let (places, heap) = heap_of(|| build.assign());
        assert_eq!(places.expect("nothing fails").len(), rows);
        let (peak, told) = (heap.peak.cast_unsigned(), format!("{heap:?}, {planned} of {plan:?}"));
        assert!(peak <= planned && planned <= 2 * peak, "{told}");
    }
}
