//! How a shard gives up entries: those out of date, those that its policy names, all.

use std::sync::Arc;

use super::{Fresh, Gone, Shard, partition_of};
use crate::list::AgeList;
use crate::nodes::NONE;
use crate::policy::Window;

/// Entries that are taken under one hold of the lock.
const BATCH_ITEMS: usize = 256;
/// Entries in use that are passed over under one hold of the lock.
const PASSED_OVER_MAX: usize = 256;

/// What a tenant is to give up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// The number of its ledger.
    pub(crate) tenant: u32,
    /// Enough.
    pub(crate) bytes: u64,
    /// Never more than this.
    pub(crate) most: u64,
    /// The window that its policy is to have.
    pub(crate) window: Window,
}

impl<K: Eq, V> Shard<K, V> {
    /// Gives up what is out of date, oldest first, a bounded number.
    pub(crate) fn take_stale(&mut self, fresh: Fresh) -> Gone<V> {
        let mut gone = Vec::new();
        while gone.len() < BATCH_ITEMS {
            let at = self.age.tail();
            if at == NONE || fresh.admits(self.nodes.get(at)) {
                break;
            }
            gone.extend(self.take(at));
        }
        self.give_back_if_empty();
        gone
    }

    /// When the oldest entry came in.
    pub(crate) fn oldest(&self) -> Option<u64> {
        (self.age.len() > 0).then(|| self.nodes.get(self.age.tail()).inserted)
    }

    /// The same for one tenant, wherever it is in the order of age.
    pub(crate) fn take_stale_of(&mut self, tenant: u32, fresh: Fresh) -> Gone<V> {
        let mut gone = Vec::new();
        let mut at = self.age.tail();
        while at != NONE && gone.len() < BATCH_ITEMS && !fresh.admits(self.nodes.get(at)) {
            let newer = AgeList::newer(&self.nodes, at);
            if self.nodes.get(at).tenant == tenant {
                gone.extend(self.take(at));
            }
            at = newer;
        }
        gone
    }

    /// Gives up entries of a tenant by its policy until enough bytes are, a bounded number. Those
    /// in use stay: taking them out would free nothing.
    pub(crate) fn take_victims(&mut self, wanted: Wanted) -> Gone<V> {
        let (mut gone, mut bytes, mut in_use) = (Vec::new(), 0, Vec::new());
        while bytes < wanted.bytes && gone.len() < BATCH_ITEMS && in_use.len() < PASSED_OVER_MAX {
            let Some(partition) = partition_of(&mut self.partitions, wanted.tenant) else { break };
            partition.order.tune(wanted.window);
            let Some(at) = partition.order.victim(&mut self.nodes) else { break };
            let weight = self.nodes.get(at).weight;
            if bytes + weight > wanted.most {
                break;
            }
            partition.order.remove(&mut self.nodes, at);
            let item = self.items[at as usize].as_ref();
            if item.is_some_and(|item| Arc::strong_count(&item.value) > 1) {
                in_use.push(at);
                continue;
            }
            bytes += weight;
            gone.extend(self.take_unordered(at));
        }
        if let Some(partition) = partition_of(&mut self.partitions, wanted.tenant) {
            for at in in_use {
                partition.order.insert(&mut self.nodes, at);
            }
            if partition.order.len() == 0 {
                self.own -= self.policy.order_bytes() + partition.order.heap_bytes();
                self.partitions[wanted.tenant as usize] = None;
            }
        }
        self.give_back_if_empty();
        gone
    }

    /// Gives up everything.
    pub(crate) fn take_all(&mut self) -> Gone<V> {
        let mut gone = Vec::with_capacity(self.len());
        while self.age.len() > 0 {
            gone.extend(self.take(self.age.tail()));
        }
        self.give_back_if_empty();
        gone
    }

    /// A shard without entries takes no bytes.
    fn give_back_if_empty(&mut self) {
        if self.len() == 0 {
            self.nodes.clear();
            self.table.clear();
            self.items = Vec::new();
            self.partitions = Vec::new();
            self.own = 0;
        }
    }
}
