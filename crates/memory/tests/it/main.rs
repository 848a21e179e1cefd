//! Behaviour of the governor as its users see it.

mod behaviour;
mod cache_manager;
mod caches;
mod emergency;
mod properties;
mod reclaiming;
mod stress;
