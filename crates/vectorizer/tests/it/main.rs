//! The real binary: commands against a real server, stops, starts and kills.

#![expect(clippy::panic, reason = "a test fails by panicking, wherever it notices")]

mod cluster;
mod commands;
mod kill;
mod live;
mod many;
mod memory;
mod migrate;
mod misuse;
mod starts;
mod support;
mod uncached;
