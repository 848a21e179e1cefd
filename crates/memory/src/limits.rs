//! How many bytes the root, the caches and each class may hold.

use vectorizer_model::bytes::{GIB, MIB};

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

/// What caches hold at least, where there are caches and the root allows it.
const CACHE_BYTES_MIN: u64 = 100 * MIB;
/// What caches hold at most, unless more is asked for.
const CACHE_BYTES_MAX: u64 = 2 * GIB;

/// This part of the root is kept for requests that free memory: deletes, drops, and looking at what
/// there is.
const EMERGENCY_PART: u64 = 50;
/// At least so many bytes, some thousand deletes under way.
const EMERGENCY_BYTES_MIN: u64 = 512 << 10;

/// What the bound of all caches follows from when that of the root changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheShare {
    /// From nothing: it stays as it is.
    #[default]
    Fixed,
    /// From the root: so many percent of it, as [`cache_limit`] says.
    Percent(u64),
    /// From a wish: so many bytes, at most the root.
    Bytes(u64),
}

impl CacheShare {
    /// The bound below a root, if it follows from it; at most `most`, which is cluster mode's.
    pub fn of(self, root: u64, most: Option<u64>) -> Option<u64> {
        match self {
            Self::Fixed => None,
            Self::Percent(percent) => Some(cache_limit(percent, root, most)),
            Self::Bytes(bytes) => Some(bytes.min(root).min(most.unwrap_or(u64::MAX))),
        }
    }
}

/// What caches may hold: a share of the root, 100 MB to 2 GB, at most half of the root, and in
/// cluster mode at most what its setting says. No percent is no caching.
pub fn cache_limit(percent: u64, root: u64, cluster_max: Option<u64>) -> u64 {
    if percent == 0 {
        return 0;
    }
    let share = u128::from(root) * u128::from(percent) / 100;
    let share = u64::try_from(share).unwrap_or(u64::MAX);
    let clamped = share.clamp(CACHE_BYTES_MIN, CACHE_BYTES_MAX).min(root / 2);
    cluster_max.map_or(clamped, |most| clamped.min(most))
}

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

    /// The same with the part of the root that is kept for requests that free memory.
    #[must_use]
    pub fn with_default_emergency(self) -> Self {
        let bytes = (self.root / EMERGENCY_PART).max(EMERGENCY_BYTES_MIN);
        self.with_emergency(bytes)
    }

    /// The same below another root: where bytes are kept for requests that free memory, they are its
    /// part of it.
    #[must_use]
    pub fn with_root(mut self, root: u64) -> Self {
        self.root = root;
        if self.emergency == 0 { self } else { self.with_default_emergency() }
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
    fn caches_hold_a_share_within_its_bounds() {
        for (percent, limit, cluster_max, bytes) in [
            (25, 4 * GIB, None, GIB),
            (25, 64 * GIB, None, 2 * GIB),
            (25, 300 * MIB, None, 100 * MIB),
            (25, 128 * MIB, None, 64 * MIB),
            (100, 3 * GIB, None, 3 * GIB / 2),
            (1, 4 * GIB, None, 100 * MIB),
            (0, 4 * GIB, None, 0),
            (0, 4 * GIB, Some(GIB), 0),
            (25, 64 * GIB, Some(GIB), GIB),
            (25, 2 * GIB, Some(GIB), 512 * MIB),
            (50, 4 * GIB, Some(3 * GIB), 2 * GIB),
            (25, 4 * GIB, Some(50 * MIB), 50 * MIB),
            (100, u64::MAX, None, 2 * GIB),
        ] {
            let found = cache_limit(percent, limit, cluster_max);
            assert_eq!(found, bytes, "{percent} percent of {limit}, {cluster_max:?}");
            assert!(found <= limit / 2);
            assert_eq!(CacheShare::Percent(percent).of(limit, cluster_max), Some(bytes));
        }
        assert_eq!(CacheShare::Fixed.of(GIB, Some(MIB)), None);
        assert_eq!(CacheShare::Bytes(GIB).of(MIB, None), Some(MIB));
        assert_eq!(CacheShare::Bytes(GIB).of(4 * GIB, Some(MIB)), Some(MIB));
        assert_eq!(CacheShare::Bytes(MIB).of(4 * GIB, None), Some(MIB));
    }

    #[test]
    fn emergency_bytes_follow_the_root_where_there_are_any() {
        let limits = Limits::of_root(GIB).with_default_emergency();
        assert_eq!(limits.emergency, GIB / 50);
        assert_eq!(limits.with_root(MIB).emergency, 512 << 10);
        assert_eq!(Limits::of_root(GIB).with_root(MIB).emergency, 0);
    }

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
