//! The server, driven over its sockets.

mod alerts;
mod caches;
mod client;
mod discovery;
mod document;
mod flow;
mod guard;
mod hostile;
mod kubernetes;
mod memory;
mod metrics;
mod mimir;
mod server;
mod storage_types;
mod tenant_caches;
mod tenants;
