//! What the crate promises, from outside.

#![expect(clippy::panic, reason = "a test may fail")]

mod evaluate;
mod notation;
mod properties;
mod strategies;
mod units;
