//! How much operations may hold, and where pressure begins.

use vectorizer_model::bytes::{GIB, MIB};

use crate::ask::Ask;
use crate::error::{MemoryError, OperationBound, Scope};
use crate::pressure::PressureLines;
use crate::{Governor, Tenant};

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

    /// Refuses bytes beyond what one operation of a kind may hold.
    pub(super) fn refuse(
        &self,
        governor: &Governor,
        kind: OperationKind,
        ask: Ask<'_>,
    ) -> MemoryError {
        let scope = self.scope_of(kind, governor.limits().root);
        governor.refuse_operation(ask, self.max_of(kind), scope)
    }

    /// The bound of an operation of a kind, with the setting that binds below that root.
    fn scope_of(&self, kind: OperationKind, root: u64) -> Scope {
        let own = self.operations[kind.index()];
        let by = if self.max_of(kind) >= root {
            OperationBound::Process
        } else if kind == OperationKind::Build || own < self.max_per_operation {
            OperationBound::Kind
        } else {
            OperationBound::All
        };
        Scope::Operation { kind: kind.name(), by }
    }

    /// The same below another root: what is as [`MemoryLimits::of_root`] has it follows, what is not
    /// was asked for and stays.
    pub(super) fn moved(mut self, from: u64, to: u64) -> Self {
        let (before, after) = (Self::of_root(from), Self::of_root(to));
        let follow = |now: u64, before: u64, after: u64| if now == before { after } else { now };
        let max_before = self.max_per_operation;
        self.max_heap_size = follow(self.max_heap_size, before.max_heap_size, after.max_heap_size);
        self.max_per_operation =
            follow(max_before, before.max_per_operation, after.max_per_operation);
        for kind in OperationKind::ALL {
            let own = &mut self.operations[kind.index()];
            *own = match kind {
                OperationKind::Build => follow(*own, from, to),
                OperationKind::Search
                | OperationKind::Write
                | OperationKind::Scroll
                | OperationKind::Facet => follow(*own, max_before, self.max_per_operation),
            };
        }
        self
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

    #[test]
    fn what_nobody_asked_for_follows_the_root() {
        let (from, to) = (400 * MIB, 100 * MIB);
        assert_eq!(MemoryLimits::of_root(from).moved(from, to), MemoryLimits::of_root(to));
        let asked = MemoryLimits { max_per_operation: 30 * MIB, ..MemoryLimits::of_root(from) };
        let asked = asked
            .with_operation(OperationKind::Search, MIB)
            .with_operation(OperationKind::Write, 30 * MIB)
            .with_operation(OperationKind::Build, 90 * MIB);
        let moved = asked.moved(from, to);
        assert_eq!((moved.max_heap_size, moved.max_per_operation), (100 * MIB, 30 * MIB));
        assert_eq!(moved.operations, asked.operations);
    }

    #[test]
    fn the_setting_that_binds_is_named() {
        let limits = MemoryLimits::of_root(100 * MIB)
            .with_operation(OperationKind::Search, MIB)
            .with_operation(OperationKind::Facet, 60 * MIB);
        let check = |limits: MemoryLimits, kind: OperationKind, by| {
            let scope = Scope::Operation { kind: kind.name(), by };
            assert_eq!(limits.scope_of(kind, 100 * MIB), scope);
        };
        for (kind, expected) in [
            (OperationKind::Search, OperationBound::Kind),
            (OperationKind::Write, OperationBound::All),
            (OperationKind::Scroll, OperationBound::All),
            (OperationKind::Facet, OperationBound::All),
            (OperationKind::Build, OperationBound::Process),
        ] {
            check(limits, kind, expected);
        }
        let narrow = limits.with_operation(OperationKind::Build, MIB);
        check(narrow, OperationKind::Build, OperationBound::Kind);
    }
}
