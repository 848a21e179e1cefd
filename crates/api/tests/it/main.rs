//! Every operation of the catalogue, run as doors run them.

mod cached;
mod estimates;
mod faults;
mod limits;
mod swaps;
mod waits;
mod world;
