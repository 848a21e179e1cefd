//! Pairs of taking and giving back of one kind, for a tool that counts instructions:
//! `bench/instructions.py` runs it with few and with many pairs.
//!
//! `instructions WAY PAIRS`; without arguments it lists the ways.

#![expect(clippy::print_stdout, reason = "an example speaks to whoever runs it")]

use std::hint::black_box;

use vectorizer_memory::{Class, Governor, Limits};

/// So few bytes are cut from credit, and so many are not.
const SMALL: u64 = 1000;
const LARGE: u64 = 100_000;

/// One way: its name, class and bytes, and whether a reservation that is there grows and shrinks,
/// or one is made and dropped.
type Way = (&'static str, Class, u64, bool);

const WAYS: [Way; 5] = [
    ("credit-grow-shrink", Class::Operations, SMALL, true),
    ("credit-reserve-drop", Class::Operations, SMALL, false),
    ("books-grow-shrink", Class::Operations, LARGE, true),
    ("books-reserve-drop", Class::Operations, LARGE, false),
    ("cache-grow-shrink", Class::QueryCache, SMALL, true),
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(name), Some(pairs)) = (arguments.next(), arguments.next()) else {
        for (name, ..) in WAYS {
            println!("{name}");
        }
        return;
    };
    let pairs: u64 = pairs.parse().expect("a number of pairs");
    let way = WAYS.into_iter().find(|(known, ..)| *known == name);
    let (_, class, bytes, grows) = way.expect("one of the ways");
    let governor = Governor::new(Limits::of_root(8 << 30).with_cache_limit(1 << 30));
    let tenant = governor.tenant("acme");
    let mut held = governor.reserve(class, &tenant, 0).expect("room");
    for _ in 0..pairs {
        if grows {
            held.try_grow(black_box(bytes)).expect("room");
            held.shrink(black_box(bytes));
        } else {
            drop(governor.reserve(class, &tenant, black_box(bytes)).expect("room"));
        }
    }
}
