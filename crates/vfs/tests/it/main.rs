//! What every disk does alike, what crashes may leave, and writing big files.

mod conformance;
mod crash_model;
mod crash_scenes;
mod writer;
