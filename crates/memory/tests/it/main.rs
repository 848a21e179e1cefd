//! Behaviour of the governor as its users see it.

mod behaviour;
mod properties;
mod stress;
