//! Behaviour of the graph: what it finds, what it keeps true, what its bytes allow.

mod basis;
mod bytes;
mod filtered;
mod graph;
mod recall;
mod support;
