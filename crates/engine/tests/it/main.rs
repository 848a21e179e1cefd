//! The engine through its door, against a plain model.

mod support;

mod admission;
mod basics;
mod crashes;
mod faults;
mod full;
mod golden;
mod history;
mod lost_log;
mod properties;
mod stops;
mod verify;
