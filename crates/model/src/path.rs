//! Paths into payloads: `a.b`, `a[].b`, `a[0]`, `"a.b".c`.

use std::fmt;
use std::str::FromStr;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PathStep {
    /// The value of a key.
    Key(Box<str>),
    /// Every element of a list.
    AnyElement,
    /// One element of a list.
    Index(u32),
}

/// A path into a payload: at least one step, the first of them a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyPath {
    steps: Vec<PathStep>,
}
