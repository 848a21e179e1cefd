//! The governor's own sources, compiled against a scheduler that tries many orders of threads.
//!
//! No thread is ever admitted above a bound, nothing leaks or is released twice (both assert in
//! the sources), and nobody waits for what is there: a lost wake-up is a deadlock, which the
//! scheduler reports. All orderings in the sources are sequentially consistent, and so is the
//! scheduler's memory.

#![expect(
    dead_code,
    unreachable_pub,
    reason = "the sources are the library's, of which the model uses a part"
)]

#[path = "../../src"]
mod sources {
    pub(crate) mod account;
    pub(crate) mod ask;
    pub(crate) mod books;
    pub(crate) mod class;
    pub(crate) mod counters;
    pub(crate) mod credit;
    pub(crate) mod error;
    pub(crate) mod faults;
    pub(crate) mod governor;
    pub(crate) mod limits;
    pub(crate) mod queue;
    pub(crate) mod reclaim;
    pub(crate) mod reservation;
    pub(crate) mod tenant;
    pub(crate) mod usage;
    pub(crate) mod waiting;
}
mod charging;
mod credits;
mod lines;
mod parts;
mod sync;

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::thread::JoinHandle;
use shuttle::{Config, Runner};

// The sources name each other as in the library.
use class::Class;
use governor::Governor;
use limits::Limits;
use reclaim::Reclaim;
use reservation::Reservation;
use sources::{
    account, ask, books, class, counters, credit, error, faults, governor, limits, queue, reclaim,
    reservation, tenant, usage, waiting,
};
use tenant::Tenant;
use usage::{ClassUsage, TenantUsage, Usage};

const SYSTEM: Tenant = Tenant::system();

/// Runs a scenario in many orders: arbitrary ones, and those with few switches at odd places.
fn check(scenario: impl Fn() + Send + Sync + Clone + 'static) {
    const SEED: u64 = 7;
    const ORDERS: usize = 3_000;
    let mut config = Config::new();
    config.stack_size = 1 << 18;
    let random = RandomScheduler::new_from_seed(SEED, ORDERS);
    Runner::new(random, config.clone()).run(scenario.clone());
    let few_switches = PctScheduler::new_from_seed(SEED, 4, ORDERS);
    Runner::new(few_switches, config).run(scenario);
}

/// Runs a scenario of one thread.
fn once(scenario: impl Fn() + Send + Sync + 'static) {
    shuttle::check_random(scenario, 1);
}

/// Waits until all threads end.
fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("it ends");
    }
}

/// Nothing is held any more, by anybody.
fn assert_nothing_held(governor: &Governor) {
    let usage = governor.usage();
    assert_eq!((usage.root, usage.caches, usage.waiting), (0, 0, 0));
    assert!(usage.classes.iter().all(|(_, bytes)| *bytes == 0), "{usage:?}");
    assert!(usage.tenants.is_empty(), "{usage:?}");
}
