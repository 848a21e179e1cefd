//! Behaviour of the pool as its users see it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "helpers of tests are tests"
)]

mod behaviour;
mod faults;
mod fixture;
mod resident;
mod steps;
mod together;
