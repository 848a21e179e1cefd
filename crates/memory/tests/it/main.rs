//! Behaviour of the governor as its users see it.

mod behaviour;
mod caches;
mod counters;
mod credit;
mod emergency;
mod guard;
mod properties;
mod reclaiming;
mod stress;
mod waiting;
