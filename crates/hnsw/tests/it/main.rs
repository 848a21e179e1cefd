//! Behaviour of the graph: what it finds, what it keeps true, what its bytes allow.

mod bytes;
mod filtered;
mod graph;
mod recall;
mod support;
