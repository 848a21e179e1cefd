//! The server, driven over its sockets.

mod client;
mod flow;
mod guard;
mod hostile;
mod server;
