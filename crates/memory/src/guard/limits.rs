//! How much operations may hold, and where pressure begins.

use vectorizer_model::bytes::{GIB, MIB};

use crate::Tenant;
use crate::pressure::PressureLines;

/// What kind of work an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OperationKind {
    /// Finding the nearest points.
    Search,
    /// Changing points, payloads or settings.
    Write,
    /// Reading points by id or page by page.
    Scroll,
    /// Counting points.
    Facet,
    /// Building graphs and merging segments, in the background.
    Build,
}

impl OperationKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Search, Self::Write, Self::Scroll, Self::Facet, Self::Build];

    /// How many kinds there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The name in reports, metrics and configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Write => "write",
            Self::Scroll => "scroll",
            Self::Facet => "facet",
            Self::Build => "build",
        }
    }

    /// The position within [`OperationKind::ALL`].
    #[inline]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Which operation asks, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationId {
    /// Its name, as logs and doors have it.
    pub name: &'static str,
    /// What bounds it.
    pub kind: OperationKind,
    /// Who pays.
    pub tenant: Tenant,
    /// Whether it frees memory, or tells an administrator what to free: then it may use the
    /// emergency bytes, and pressure does not refuse it.
    pub frees: bool,
}

impl OperationId {
    /// An operation that frees no memory.
    pub const fn new(name: &'static str, kind: OperationKind, tenant: Tenant) -> Self {
        Self { name, kind, tenant, frees: false }
    }

    /// The same; whether it frees memory.
    #[must_use]
    pub const fn that_frees(mut self, frees: bool) -> Self {
        self.frees = frees;
        self
    }
}

/// How much operations may hold, and where pressure begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MemoryLimits {
    /// Bytes of all operations together, requests and answers included: the most of class
    /// `operations`. Builds are bounded by their own limit and by what is free.
    pub max_heap_size: u64,
    /// Bytes of one operation that is no build.
    pub max_per_operation: u64,
    /// Bytes of one operation of each kind, by [`OperationKind::index`]:
    /// `memory.operations.<kind>.max_bytes`.
    pub operations: [u64; OperationKind::COUNT],
    /// The part of `memory.limit` held by what cannot be reclaimed from which on a warning is
    /// given.
    pub warning_threshold: f64,
    /// That from which on background work pauses.
    pub critical_threshold: f64,
    /// That from which on memory is cleaned up.
    pub cleanup_threshold: f64,
}

/// How far below its threshold a step of the ladder ends.
const MARGIN: f64 = 0.05;

impl MemoryLimits {
    /// The limits of a process that may hold `root` bytes.
    pub fn of_root(root: u64) -> Self {
        let max_per_operation = (512 * MIB).min(root / 2);
        let mut operations = [max_per_operation; OperationKind::COUNT];
        // A build is planned to what is free, and larger machines build larger segments.
        operations[OperationKind::Build.index()] = root;
        Self {
            max_heap_size: (2 * GIB).min(root),
            max_per_operation,
            operations,
            warning_threshold: 0.75,
            critical_threshold: 0.85,
            cleanup_threshold: 0.90,
        }
    }

    /// The same with `bytes` for each operation of a kind.
    #[must_use]
    pub const fn with_operation(mut self, kind: OperationKind, bytes: u64) -> Self {
        self.operations[kind.index()] = bytes;
        self
    }

    /// The most that an operation of a kind may hold.
    pub fn max_of(&self, kind: OperationKind) -> u64 {
        let own = self.operations[kind.index()];
        if kind == OperationKind::Build { own } else { own.min(self.max_per_operation) }
    }

    pub(crate) const fn lines(&self) -> PressureLines {
        PressureLines {
            warning: self.warning_threshold,
            critical: self.critical_threshold,
            cleanup: self.cleanup_threshold,
            margin: MARGIN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_follow_the_root() {
        let large = MemoryLimits::of_root(64 * GIB);
        assert_eq!((large.max_heap_size, large.max_per_operation), (2 * GIB, 512 * MIB));
        assert_eq!(large.max_of(OperationKind::Build), 64 * GIB);
        let small = MemoryLimits::of_root(100 * MIB);
        assert_eq!((small.max_heap_size, small.max_per_operation), (100 * MIB, 50 * MIB));
        let narrow = small.with_operation(OperationKind::Search, MIB);
        assert_eq!(narrow.max_of(OperationKind::Search), MIB);
        assert_eq!(narrow.max_of(OperationKind::Write), 50 * MIB);
        let wide = small.with_operation(OperationKind::Search, GIB);
        assert_eq!(wide.max_of(OperationKind::Search), 50 * MIB);
    }
}
