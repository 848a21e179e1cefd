//! What can be changed while a cache is in use. A bound that is lowered holds at once.

use std::hash::Hash;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use vectorizer_memory::{Class, Tenant};

use super::{Cache, NO_TTL, lock, nanos};
use crate::entry::Refusal;
use crate::policy::EvictionPolicy;
use crate::shared_items::Member;

impl<K, V> Cache<K, V>
where
    K: Hash + Eq + Send + 'static,
    V: Send + Sync + 'static,
{
    /// The name in reports and metrics.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The class that bytes are charged to.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Bytes charged: entries, also those that are only referenced any more, and what finds them.
    pub fn memory_usage(&self) -> u64 {
        self.account.bytes.used()
    }

    /// What the reservations hold; equal to [`Cache::memory_usage`] whenever no call is under way.
    pub fn reserved_bytes(&self) -> u64 {
        lock(&self.ledgers).all().map(|ledger| ledger.reserved()).sum()
    }

    /// Entries that can be found.
    pub fn items(&self) -> usize {
        usize::try_from(self.account.items.used()).unwrap_or(usize::MAX)
    }

    /// Bytes of a tenant's entries that can be found.
    pub fn tenant_usage(&self, tenant: &str) -> u64 {
        lock(&self.ledgers).named(tenant).map_or(0, |ledger| ledger.found_bytes())
    }

    /// Who goes first.
    pub fn policy(&self) -> EvictionPolicy {
        self.policy_now()
    }

    /// Lets another policy say who goes first; entries stay.
    ///
    /// # Errors
    /// The refusal of the bytes that the change takes. Some shards may follow the new policy
    /// already; trying again changes the others.
    pub fn set_policy(&self, policy: EvictionPolicy, now: Duration) -> Result<(), Refusal> {
        if policy != EvictionPolicy::Hybrid {
            self.contest.end(self);
        }
        for at in 0..self.shards.len() {
            self.change_shard(at, policy, now)?;
        }
        self.policy.store(policy.index(), SeqCst);
        Ok(())
    }

    fn change_shard(
        &self,
        at: usize,
        policy: EvictionPolicy,
        now: Duration,
    ) -> Result<(), Refusal> {
        loop {
            let needed = lock(&self.shards[at]).bytes_to_change(policy);
            let mut grown = self.allocate(&self.own_ledger(), needed, now)?;
            let mut shard = lock(&self.shards[at]);
            if shard.bytes_to_change(policy) > grown.bytes() {
                continue;
            }
            let before = shard.own_bytes();
            shard.set_policy(policy);
            let after = shard.own_bytes();
            lock(&self.own).merge(grown.split(after.saturating_sub(before)));
            drop(shard);
            self.shrink_own(before.saturating_sub(after));
            return Ok(());
        }
    }

    /// How long an entry may be returned from when it came in; `None` is for ever.
    pub fn set_ttl(&self, ttl: Option<Duration>) {
        self.ttl.store(ttl.map_or(NO_TTL, |ttl| nanos(ttl).min(NO_TTL - 1)), SeqCst);
        self.sweep.reset();
    }

    /// Bytes that are never taken for others.
    pub fn set_floor(&self, bytes: u64) {
        self.floor.store(bytes, SeqCst);
    }

    /// Bytes of a tenant, in all caches together, that others give up theirs for first.
    pub fn set_guarantee(&self, tenant: &Tenant, bytes: u64) {
        lock(&self.ledgers).of(tenant).guarantee.store(bytes, SeqCst);
    }

    /// Bounds the bytes; 0 keeps nothing. What is above goes now; returns what could not, because
    /// it is in use.
    pub fn set_limit_bytes(&self, bytes: u64, now: Duration) -> u64 {
        self.contest.end(self);
        self.account.bytes.set_limit(bytes);
        while self.account.bytes.excess() > 0 {
            if self.evict_own(self.account.bytes.excess(), now).bytes == 0 {
                break;
            }
        }
        self.account.bytes.excess()
    }

    /// Bounds the number of entries; 0 keeps nothing. What is above goes now; returns how many
    /// could not, because they are in use.
    pub fn set_limit_items(&self, items: u64, now: Duration) -> u64 {
        self.account.items.set_limit(items);
        while self.account.items.excess() > 0 {
            if !self.give_up_item(now) {
                break;
            }
        }
        self.account.items.excess()
    }
}
