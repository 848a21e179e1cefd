//! Which entry goes first. Policies know nodes, not keys or values; they know no clock.

mod hybrid;
mod lfu;
mod lru;
mod size;
mod ttl;

use std::fmt;
use std::str::FromStr;

pub(crate) use hybrid::{Hybrid, Window};

use crate::nodes::Nodes;

/// Which entries a cache gives up first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum EvictionPolicy {
    /// Those not used for longest.
    Lru,
    /// Those used least often, with old uses counting less.
    Lfu,
    /// Those that came in first, which also expire first.
    Ttl,
    /// The largest.
    Size,
    /// By recency, frequency, size and refill cost together; withstands scans and loops.
    #[default]
    Hybrid,
}

impl EvictionPolicy {
    /// Every policy.
    pub const ALL: [Self; 5] = [Self::Lru, Self::Lfu, Self::Ttl, Self::Size, Self::Hybrid];

    /// The name in configuration, reports and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lru => "lru",
            Self::Lfu => "lfu",
            Self::Ttl => "ttl",
            Self::Size => "size",
            Self::Hybrid => "hybrid",
        }
    }

    /// The position within [`EvictionPolicy::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// An empty order of that policy.
    pub(crate) fn order(self) -> Box<dyn Order> {
        match self {
            Self::Lru => Box::new(lru::Lru::new()),
            Self::Lfu => Box::new(lfu::Lfu::default()),
            Self::Ttl => Box::new(ttl::Ttl::new()),
            Self::Size => Box::new(size::Size::default()),
            Self::Hybrid => Box::new(Hybrid::new()),
        }
    }

    /// Bytes of an empty order, behind its box.
    pub(crate) fn order_bytes(self) -> u64 {
        crate::allocator::allocated_bytes(match self {
            Self::Lru => size_of::<lru::Lru>(),
            Self::Lfu => size_of::<lfu::Lfu>(),
            Self::Ttl => size_of::<ttl::Ttl>(),
            Self::Size => size_of::<size::Size>(),
            Self::Hybrid => size_of::<Hybrid>(),
        } as u64)
    }
}

impl fmt::Display for EvictionPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no policy has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownPolicy(String);

impl fmt::Display for UnknownPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no eviction policy; choose lru, lfu, ttl, size or hybrid", self.0)
    }
}

impl std::error::Error for UnknownPolicy {}

impl FromStr for EvictionPolicy {
    type Err = UnknownPolicy;

    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        let policy = Self::ALL.into_iter().find(|policy| policy.name() == name);
        policy.ok_or_else(|| UnknownPolicy(name.to_owned()))
    }
}

/// The order in which one tenant's entries of one shard go.
///
/// Every node is in exactly one order, from `insert` to `remove`. An order grows only in
/// `make_room`, so that growth can be charged before.
pub(crate) trait Order: fmt::Debug + Send {
    /// Takes a node in; [`Order::make_room`] made room. One that was used before, under another
    /// policy, keeps what its uses are worth.
    fn insert(&mut self, nodes: &mut Nodes, at: u32);

    /// The node was used; its `uses` count that already.
    fn touch(&mut self, nodes: &mut Nodes, at: u32);

    /// Lets a node go.
    fn remove(&mut self, nodes: &mut Nodes, at: u32);

    /// The node to give up next; it stays in until it is removed.
    fn victim(&mut self, nodes: &mut Nodes) -> Option<u32>;

    /// How many nodes are in.
    fn len(&self) -> usize;

    /// Bytes on the heap, without the order itself.
    fn heap_bytes(&self) -> u64;

    /// The same once there is room for so many nodes.
    fn bytes_for(&self, entries: usize) -> u64;

    /// Makes room for so many nodes.
    fn make_room(&mut self, entries: usize);

    /// Says which window is best at present; of no meaning to most.
    fn tune(&mut self, _window: Window) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for policy in EvictionPolicy::ALL {
            assert_eq!(policy.name().parse(), Ok(policy));
            assert_eq!(EvictionPolicy::ALL[policy.index()], policy);
        }
        let refused = "arc".parse::<EvictionPolicy>().unwrap_err().to_string();
        assert!(refused.contains("`arc`") && refused.contains("hybrid"), "{refused}");
    }
}
