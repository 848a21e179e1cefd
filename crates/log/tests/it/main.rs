//! What the log promises, tried on a disk that lies, fails and loses power.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod crash;
mod damage;
mod disk;
mod faults;
mod model;
mod properties;
mod space;
mod truncation;
