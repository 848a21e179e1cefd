//! A bound on the entries of several caches together.

use std::cmp::Reverse;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::ledger::Bounded;

/// A cache whose entries are bounded together with those of others.
pub(crate) trait Member: Send + Sync + Debug {
    fn item_count(&self) -> u64;

    /// Gives up one entry, or few that are out of date; says whether any.
    fn give_up_item(&self, now: Duration) -> bool;
}

/// The entries of several caches together. A cache that is made with it takes a place here for each
/// entry besides its own; where none is left, the cache with most entries gives one up.
#[derive(Debug)]
pub struct SharedItems {
    items: Bounded,
    members: Mutex<Vec<Weak<dyn Member>>>,
}

impl SharedItems {
    /// At most so many entries; 0 keeps nothing.
    pub fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { items: Bounded::new(limit), members: Mutex::default() })
    }

    /// Entries of all its caches that can be found or are about to be.
    pub fn used(&self) -> u64 {
        self.items.used()
    }

    /// Most entries.
    pub fn limit(&self) -> u64 {
        self.items.limit()
    }

    /// Bounds the number of entries; 0 keeps nothing. What is above goes now, or when it is put
    /// down.
    pub fn set_limit(&self, items: u64, now: Duration) {
        self.items.set_limit(items);
        while self.items.excess() > 0 && self.give_up_one(now) {}
    }

    pub(crate) fn join(&self, cache: Weak<dyn Member>) {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        members.retain(|member| member.strong_count() > 0);
        members.push(cache);
    }

    pub(crate) fn claim(&self) -> bool {
        self.items.claim(1).is_ok()
    }

    pub(crate) fn release(&self, items: u64) {
        self.items.release(items);
    }

    /// Has the cache with most entries give one up, or the next if all of its are in use; says
    /// whether one did.
    pub(crate) fn give_up_one(&self, now: Duration) -> bool {
        let members = self.members.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut members: Vec<_> = members.iter().filter_map(Weak::upgrade).collect();
        members.sort_by_cached_key(|member| Reverse(member.item_count()));
        members.iter().any(|member| member.give_up_item(now))
    }
}
