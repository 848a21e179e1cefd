//! The server, driven over its sockets.

mod caches;
mod client;
mod document;
mod flow;
mod guard;
mod hostile;
mod memory;
mod metrics;
mod server;
mod storage_types;
