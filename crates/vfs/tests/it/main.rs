//! What every disk does alike, what crashes may leave, and writing big files.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod conformance;
mod crash_model;
mod crash_scenes;
mod pool;
mod ring;
mod writer;
