//! Coming to cluster mode: its configuration file, and a folder without memory collections.

pub(crate) mod config;
mod diff;
pub(crate) mod folder;
mod servers;
mod yaml;
