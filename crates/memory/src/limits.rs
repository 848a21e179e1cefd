//! How many bytes the root, the caches and each class may hold.

use crate::Class;

/// The bounds of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole process.
    pub root: u64,
    /// Bytes that the process holds before any reservation: code, stacks, allocator. Measured
    /// once at start.
    pub base: u64,
    /// Bytes of the root that only requests which free memory may use; ordinary ones do not see
    /// them.
    pub emergency: u64,
    /// Most bytes of all caches together; 0 means that they hold nothing, `u64::MAX` leaves only
    /// the root's bound.
    pub caches: u64,
    /// Bytes of [`Limits::caches`] that no cache borrows beyond its share.
    pub caches_reserve: u64,
    /// Most bytes of each class, by [`Class::index`]; `u64::MAX` leaves only the root's bound.
    ///
    /// Where the caches have a bound together, that of a cache is a share of it and not a bound:
    /// within its share a cache may use all that the others left free, beyond it all but the
    /// reserve.
    pub classes: [u64; Class::COUNT],
}

/// Shares of a cache limit of 1 GiB, in MiB. Discovery has what the others leave.
const SHARES: [(Class, u64); 5] = [
    (Class::EmbeddingCache, 400),
    (Class::QueryCache, 300),
    (Class::IndexPages, 200),
    (Class::Metadata, 50),
    (Class::Discovery, 24),
];
const RESERVE: u64 = 50;
const WHOLE: u64 = 1024;

const _: () = {
    let mut sum = RESERVE;
    let mut at = 0;
    while at < SHARES.len() {
        sum += SHARES[at].1;
        at += 1;
    }
    assert!(sum == WHOLE, "shares and reserve are the whole");
};

/// `parts` of [`WHOLE`], rounded down.
const fn share(bytes: u64, parts: u64) -> u64 {
    bytes / WHOLE * parts + bytes % WHOLE * parts / WHOLE
}

impl Limits {
    /// A bound on the root alone.
    pub const fn of_root(root: u64) -> Self {
        let caches = u64::MAX;
        let classes = [u64::MAX; Class::COUNT];
        Self { root, base: 0, emergency: 0, caches, caches_reserve: 0, classes }
    }

    /// The same with `base` bytes set aside.
    #[must_use]
    pub const fn with_base(mut self, base: u64) -> Self {
        self.base = base;
        self
    }

    /// The same with `bytes` kept for requests that free memory.
    #[must_use]
    pub const fn with_emergency(mut self, bytes: u64) -> Self {
        self.emergency = bytes;
        self
    }

    /// The same with one class capped; for a cache it is its share if the caches have a bound.
    #[must_use]
    pub const fn with_class(mut self, class: Class, cap: u64) -> Self {
        self.classes[class.index()] = cap;
        self
    }

    /// The same with a bound on all caches together, and the default share of each: of 1 GiB,
    /// embedding cache 400 MiB, query cache 300, index pages 200, metadata 50, discovery 24, and
    /// a reserve of 50. Of 0 bytes each has 0: then caches hold nothing.
    #[must_use]
    pub const fn with_cache_limit(mut self, bytes: u64) -> Self {
        self.caches = bytes;
        self.caches_reserve = share(bytes, RESERVE);
        let mut at = 0;
        while at < SHARES.len() {
            let (class, parts) = SHARES[at];
            self.classes[class.index()] = share(bytes, parts);
            at += 1;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_scale_with_the_cache_limit() {
        let of = |bytes| Limits::of_root(u64::MAX).with_cache_limit(bytes);
        let gib = of(1 << 30);
        assert_eq!(gib.classes[Class::EmbeddingCache.index()], 400 << 20);
        assert_eq!(gib.classes[Class::Discovery.index()], 24 << 20);
        assert_eq!((gib.caches, gib.caches_reserve), (1 << 30, 50 << 20));
        let half = of(512 << 20);
        assert_eq!(half.classes[Class::QueryCache.index()], 150 << 20);
        assert_eq!(half.classes[Class::Operations.index()], u64::MAX);
        assert!(SHARES.iter().all(|(class, _)| of(0).classes[class.index()] == 0));
        let huge = of(u64::MAX - 1);
        assert!(SHARES.iter().all(|(class, _)| huge.classes[class.index()] < u64::MAX / 2));
    }
}
