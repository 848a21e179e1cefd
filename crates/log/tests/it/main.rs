//! What the log promises, tried on a disk that lies, fails and loses power.

mod crash;
mod damage;
mod disk;
mod faults;
mod model;
mod properties;
mod space;
mod truncation;
