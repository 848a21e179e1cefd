//! The doors of Vectorizer: REST, auth, admission, telemetry, start and stop.

#![forbid(unsafe_code)]

pub mod config;
pub mod error;
mod serve;

pub use config::{ServerConfig, ServerLimits};
pub use error::ServerError;
pub use serve::run;
