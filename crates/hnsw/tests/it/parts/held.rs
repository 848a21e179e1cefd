//! What builds in parts hold, against what was planned.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use proptest::prelude::*;
use vectorizer_hnsw::build::bytes_needed;
use vectorizer_hnsw::{Executor, HnswError, Params, PartsError};
use vectorizer_model::budget::{Budget, BudgetExceeded};
use vectorizer_testkit::allocation::{heap_elsewhere, heap_of};

use super::{Memory, planned, row_bytes, run};
use crate::support::{Threads, Vectors};

/// A budget that refuses beyond a limit, and remembers the most that it granted.
#[derive(Debug)]
struct Limited {
    limit: u64,
    held: u64,
    peak: u64,
}

impl Budget for Limited {
    fn try_grow(&mut self, bytes: u64) -> Result<(), BudgetExceeded> {
        let available = self.limit - self.held;
        if bytes > available {
            return Err(BudgetExceeded { requested: bytes, available });
        }
        self.held += bytes;
        self.peak = self.peak.max(self.held);
        Ok(())
    }

    fn shrink(&mut self, bytes: u64) {
        self.held -= bytes;
    }

    fn held(&self) -> u64 {
        self.held
    }
}

/// Threads whose heap counts as that of the thread that waits for them.
struct Counted(usize);

impl Executor for Counted {
    fn workers(&self) -> usize {
        self.0
    }

    fn run(&self, task: &(dyn Fn(usize) + Sync)) {
        if self.0 == 1 {
            return task(0);
        }
        heap_elsewhere(|| {
            let peak = AtomicI64::new(0);
            Threads(self.0).run(&|worker| {
                let ((), heap) = heap_of(|| task(worker));
                peak.fetch_add(heap.peak, Relaxed);
            });
            peak.into_inner()
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A build holds no more than it said, and says so before it begins.
    #[test]
    fn what_is_planned_is_what_is_held(
        rows in 1_500_usize..6_000,
        dim in 1_usize..40,
        m in 2_u32..24,
        ef_construct in 1_u32..80,
        percent in 5_u64..80,
        granted in 50_u64..150,
        workers in prop::sample::select(vec![1, 1, 2, 8]),
        seed: u64,
    ) {
        let vectors = Vectors::clustered(rows, dim, 7, seed);
        let params = Params { m, ef_construct, seed };
        let at_once = bytes_needed(rows, &params, workers) + row_bytes(&vectors, rows);
        let limit = at_once * percent / 100;
        let Some(plan) = planned(&vectors, limit, &params, workers) else {
            return Ok(());
        };
        prop_assert!(plan.bytes() <= limit);
        let mut budget = Limited { limit: plan.bytes() * granted / 100, held: 0, peak: 0 };
        let mut workshop = Memory::of(&vectors);
        let (done, heap) =
            heap_of(|| run(&mut workshop, (&plan, &params), &Counted(workers), &mut budget));
        prop_assert_eq!(budget.held, 0);
        if granted < 100 {
            let refused = matches!(done, Err(PartsError::Hnsw(HnswError::Budget(_))));
            prop_assert!(refused, "{:?}", done);
            prop_assert_eq!((budget.peak, workshop.calls.get()), (0, 0));
            return Ok(());
        }
        prop_assert_eq!(done, Ok(rows));
        let told = format!("{heap:?} of {plan:?}");
        prop_assert!(heap.peak.cast_unsigned() <= plan.bytes(), "{}", told);
        // Of several workers some may find nothing left to do.
        prop_assert!(workers > 1 || heap.peak.cast_unsigned() * 4 >= plan.bytes(), "{}", told);
    }
}
