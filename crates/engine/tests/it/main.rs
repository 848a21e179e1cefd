//! The engine through its door, against a plain model.

mod support;

mod basics;
mod crashes;
mod history;
mod properties;
mod verify;
