//! Every operation of the catalogue, run as doors run them.

mod estimates;
mod faults;
mod waits;
mod world;
