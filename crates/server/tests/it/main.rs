//! The server, driven over its sockets.

mod client;
mod document;
mod flow;
mod guard;
mod hostile;
mod memory;
mod metrics;
mod server;
mod storage_types;
mod tenants;
