//! How many bytes the root and each class may hold.

use crate::Class;

/// The bounds of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole process.
    pub root: u64,
    /// Bytes that the process holds before any reservation: code, stacks, allocator. Measured
    /// once at start.
    pub base: u64,
    /// Most bytes of each class, by [`Class::index`]; `u64::MAX` leaves only the root's bound.
    pub classes: [u64; Class::COUNT],
}

impl Limits {
    /// A bound on the root alone.
    pub const fn of_root(root: u64) -> Self {
        Self { root, base: 0, classes: [u64::MAX; Class::COUNT] }
    }

    /// The same with `base` bytes set aside.
    #[must_use]
    pub const fn with_base(mut self, base: u64) -> Self {
        self.base = base;
        self
    }

    /// The same with one class capped.
    #[must_use]
    pub const fn with_class(mut self, class: Class, cap: u64) -> Self {
        self.classes[class.index()] = cap;
        self
    }
}
