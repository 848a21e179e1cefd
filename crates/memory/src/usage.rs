//! The report of who holds what.

use std::sync::Arc;

use crate::Class;

/// Bytes held at about one moment; each number is read by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Bytes reserved in all.
    pub root: u64,
    /// The root's limit.
    pub limit: u64,
    /// Bytes held before any reservation.
    pub base: u64,
    /// Bytes measured beyond those reserved.
    pub drift: u64,
    /// The most that ever counted as held: base, reservations and drift, as it was measured.
    pub held_peak: u64,
    /// Bytes of the limit that only requests which free memory may use.
    pub emergency: u64,
    /// How many requests wait for room.
    pub waiting: u64,
    /// Bytes reserved by all caches together.
    pub caches: u64,
    /// Most bytes of all caches together; `u64::MAX` if they have no bound of their own.
    pub caches_limit: u64,
    /// Bytes that an ordinary request could still get.
    pub available: u64,
    /// The most that were ever reserved.
    pub peak: u64,
    /// Bytes of every class, in the order of [`Class::ALL`].
    pub classes: Vec<(Class, u64)>,
    /// Every tenant that holds bytes or has a limit of its own, largest first, then by name.
    pub tenants: Vec<TenantUsage>,
}

/// Bytes that one class holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassUsage {
    /// The class.
    pub class: Class,
    /// Bytes reserved.
    pub bytes: u64,
    /// The most that were ever reserved.
    pub peak: u64,
    /// Its bound, or its share where it is a cache's; `u64::MAX` if it has none of its own.
    pub limit: u64,
}

/// Bytes that one tenant holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantUsage {
    /// Its name.
    pub name: Arc<str>,
    /// Bytes reserved in all.
    pub bytes: u64,
    /// The most that were ever reserved.
    pub peak: u64,
    /// Its limit; `u64::MAX` if it has none of its own.
    pub limit: u64,
}
