//! What a reservation costs, in nanoseconds, as one line of JSON for each way and thread count.
//!
//! `cargo run --release -p vectorizer-memory --example admission`

#![expect(clippy::print_stdout, reason = "an example speaks to whoever runs it")]

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use vectorizer_memory::{Class, Governor, Limits, Tenant};

const ROUNDS: u32 = 2_000;
/// Calls between two looks at the clock, which costs more than a call.
const CALLS: u32 = 64;

/// One way of taking and giving back: its name, class and bytes, and whether a reservation that
/// is there grows, or one is made.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    class: Class,
    bytes: u64,
    grows: bool,
}

const fn way(name: &'static str, class: Class, bytes: u64, grows: bool) -> Way {
    Way { name, class, bytes, grows }
}

const WAYS: [Way; 4] = [
    way("grow and shrink, small", Class::Operations, 1000, true),
    way("reserve and drop, small", Class::Operations, 1000, false),
    way("grow and shrink, large", Class::Operations, 100_000, true),
    way("grow and shrink, of a cache", Class::QueryCache, 1000, true),
];

/// Nanoseconds of each pair of calls, one number for each look at the clock.
fn measure(governor: &Governor, way: Way, tenant: &Tenant) -> Vec<f64> {
    let Way { class, bytes, grows, .. } = way;
    let mut held = governor.reserve(class, tenant, 0).expect("room");
    let round = |_| {
        let start = Instant::now();
        for _ in 0..CALLS {
            if grows {
                held.try_grow(black_box(bytes)).expect("room");
                held.shrink(black_box(bytes));
            } else {
                drop(governor.reserve(class, tenant, black_box(bytes)).expect("room"));
            }
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
    };
    (0..ROUNDS).map(round).collect()
}

fn main() {
    for threads in [1, 2, 16] {
        for way in WAYS {
            let governor = Governor::new(Limits::of_root(8 << 30).with_cache_limit(1 << 30));
            let start = Arc::new(Barrier::new(threads));
            let mut nanoseconds: Vec<f64> = thread::scope(|scope| {
                let run = |_| {
                    let (governor, start) = (&governor, Arc::clone(&start));
                    scope.spawn(move || {
                        let tenant = governor.tenant("acme");
                        start.wait();
                        measure(governor, way, &tenant)
                    })
                };
                let threads: Vec<_> = (0..threads).map(run).collect();
                threads.into_iter().flat_map(|thread| thread.join().expect("it ran")).collect()
            });
            nanoseconds.sort_by(f64::total_cmp);
            let at = |percent: usize| nanoseconds[(nanoseconds.len() - 1) * percent / 100];
            println!(
                "{{\"what\": \"{}\", \"threads\": {threads}, \"pair_ns_p50\": {:.1}, \
                 \"pair_ns_p99\": {:.1}}}",
                way.name,
                at(50),
                at(99)
            );
        }
    }
}
