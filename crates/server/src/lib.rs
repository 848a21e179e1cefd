//! The doors of Vectorizer: REST, auth, admission, telemetry, start and stop.
//!
//! [`run`] is the way in: it serves an open engine until it is told to stop. A request passes
//! auth, then admission (memory is reserved before its body is read), is read by `wire`, done by
//! an operation of `api`, and answered; the doors only translate.
//!
//! # Layout
//! - [`config`]: what it is told; [`error`]: why it did not start; `serve`: start, serve, stop
//! - `rest`: routes, handlers, answers; `status`: the one table of errors to statuses
//! - `auth`: who may come in; `tenants`: whose a request is; `admission`: what a request may hold; `telemetry`: what is measured
//! - `mimir`: the one peer that is asked over the network
//! - [`file_watcher`]: why there is none; [`MemoryWatch`]: what the process holds beyond what was reserved

#![forbid(unsafe_code)]

mod admission;
mod auth;
pub mod config;
mod drift;
pub mod error;
pub mod file_watcher;
mod mimir;
mod rest;
mod serve;
mod status;
mod telemetry;
mod tenants;

pub use config::{ServerConfig, ServerLimits};
pub use drift::MemoryWatch;
pub use error::ServerError;
pub use serve::run;

/// The version of the contract that the REST door speaks; clients compare it with their own.
pub const CONTRACT_VERSION: &str = "1.19.0";
