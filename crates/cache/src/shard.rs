//! A part of the keys: finding, keeping and giving up their entries, under one lock.
//!
//! Nothing here asks for memory or drops a value: what it will need is said beforehand
//! ([`Shard::bytes_needed`]), and what goes is handed out, to be dropped when the lock is not held.

mod giving_up;

pub(crate) use giving_up::Wanted;

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use vectorizer_memory::Tenant;

use crate::allocator::{grown_capacity, vec_bytes};
use crate::entry::Cached;
use crate::ledger::Ledger;
use crate::list::AgeList;
use crate::nodes::{Node, Nodes};
use crate::policy::{EvictionPolicy, Order};
use crate::table::Table;

/// What is no longer found.
pub(crate) type Gone<V> = Vec<Arc<Cached<V>>>;

/// What is found is not older than this.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fresh {
    /// Entries that came in at this time or before are expired; none are if absent.
    pub(crate) expired_until: Option<u64>,
    pub(crate) generation: u32,
}

impl Fresh {
    fn admits(self, node: &Node) -> bool {
        node.generation == self.generation
            && self.expired_until.is_none_or(|until| node.inserted > until)
    }
}

/// The outcome of a look-up.
pub(crate) enum Found<V> {
    Hit(Arc<Cached<V>>, Node),
    /// Found out of date, and taken out.
    Stale(Arc<Cached<V>>),
    Miss,
}

#[derive(Debug)]
struct Item<K, V> {
    key: K,
    value: Arc<Cached<V>>,
}

/// One tenant's entries.
#[derive(Debug)]
struct Partition {
    ledger: Arc<Ledger>,
    order: Box<dyn Order>,
}

/// The shard.
#[derive(Debug)]
pub(crate) struct Shard<K, V> {
    /// Its number.
    index: usize,
    nodes: Nodes,
    table: Table,
    /// Keys and values, at the places of their nodes.
    items: Vec<Option<Item<K, V>>>,
    age: AgeList,
    /// By the numbers of ledgers.
    partitions: Vec<Option<Partition>>,
    policy: EvictionPolicy,
    /// Bytes of all of the above.
    own: u64,
}

impl<K: Eq, V> Shard<K, V> {
    pub(crate) fn new(index: usize, policy: EvictionPolicy) -> Self {
        Self {
            index,
            nodes: Nodes::new(),
            table: Table::default(),
            items: Vec::new(),
            age: AgeList::new(),
            partitions: Vec::new(),
            policy,
            own: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// How many entries each tenant has.
    pub(crate) fn items_by_tenant(&self) -> impl Iterator<Item = (&Tenant, u64)> {
        let partitions = self.partitions.iter().flatten();
        partitions.map(|part| (&part.ledger.tenant, part.order.len() as u64))
    }

    pub(crate) fn get(&mut self, hash: u64, key: &K, fresh: Fresh) -> Found<V> {
        let Some(at) = self.find(hash, key) else { return Found::Miss };
        if !fresh.admits(self.nodes.get(at)) {
            return self.take(at).map_or(Found::Miss, Found::Stale);
        }
        let node = self.nodes.get_mut(at);
        node.uses = node.uses.saturating_add(1);
        let node = *node;
        if let Some(partition) = partition_of(&mut self.partitions, node.tenant) {
            partition.order.touch(&mut self.nodes, at);
        }
        let item = self.items[at as usize].as_ref();
        item.map_or(Found::Miss, |item| Found::Hit(Arc::clone(&item.value), node))
    }

    pub(crate) fn holds(&self, hash: u64, key: &K) -> bool {
        self.find(hash, key).is_some()
    }

    pub(crate) fn peek(&self, hash: u64, key: &K) -> Option<Arc<Cached<V>>> {
        let item = self.items[self.find(hash, key)? as usize].as_ref();
        item.map(|item| Arc::clone(&item.value))
    }

    fn find(&self, hash: u64, key: &K) -> Option<u32> {
        let is_it = |at: u32| self.items[at as usize].as_ref().is_some_and(|i| i.key == *key);
        self.table.find(&self.nodes, hash, is_it)
    }

    pub(crate) fn remove(&mut self, hash: u64, key: &K) -> Option<Arc<Cached<V>>> {
        let at = self.find(hash, key)?;
        self.take(at)
    }

    /// Takes out what `is_out` says.
    pub(crate) fn remove_if(&mut self, is_out: &mut impl FnMut(&K, &V) -> bool) -> Gone<V> {
        let mut gone = Vec::new();
        for at in 0..u32::try_from(self.items.len()).unwrap_or(u32::MAX) {
            let item = self.items[at as usize].as_ref();
            if item.is_some_and(|item| is_out(&item.key, &item.value)) {
                gone.extend(self.take(at));
            }
        }
        gone
    }

    /// Bytes that one more entry of this tenant makes the shard itself grow by.
    pub(crate) fn bytes_needed(&self, ledger: &Ledger) -> u64 {
        let mut needed = 0;
        if !self.nodes.has_room() {
            let capacity = self.nodes.next_capacity();
            needed += Nodes::bytes_of(capacity) - self.nodes.heap_bytes();
            needed += self.items_bytes(capacity) - self.items_bytes(self.items.capacity());
        }
        needed += self.table.bytes_for(self.len() + 1) - self.table.heap_bytes();
        match self.partitions.get(ledger.id as usize) {
            Some(Some(partition)) => {
                needed += partition.order.bytes_for(partition.order.len() + 1)
                    - partition.order.heap_bytes();
            }
            place => {
                if place.is_none() {
                    let capacity = self.next_partitions(ledger);
                    needed += vec_bytes::<Option<Partition>>(capacity);
                    needed -= vec_bytes::<Option<Partition>>(self.partitions.capacity());
                }
                needed += self.policy.order_bytes() + self.policy.order().bytes_for(1);
            }
        }
        needed
    }

    #[expect(clippy::unused_self, reason = "names the shard's types")]
    fn items_bytes(&self, capacity: usize) -> u64 {
        vec_bytes::<Option<Item<K, V>>>(capacity)
    }

    fn next_partitions(&self, ledger: &Ledger) -> usize {
        let capacity = self.partitions.capacity();
        let places = ledger.id as usize + 1;
        if places <= capacity { capacity } else { places.max(grown_capacity(capacity) - 7) }
    }

    /// Grows by what [`Shard::bytes_needed`] said.
    pub(crate) fn make_room(&mut self, ledger: &Arc<Ledger>, needed: u64) {
        self.own += needed;
        if !self.nodes.has_room() {
            let capacity = self.nodes.next_capacity();
            self.nodes.make_room(capacity);
            self.items.reserve_exact(capacity - self.items.len());
        }
        let entries = self.len() + 1;
        self.table.make_room(&mut self.nodes, entries);
        let id = ledger.id as usize;
        if self.partitions.len() <= id {
            let capacity = self.next_partitions(ledger);
            self.partitions.reserve_exact(capacity - self.partitions.len());
            self.partitions.resize_with(id + 1, || None);
        }
        let policy = self.policy;
        let partition = self.partitions[id]
            .get_or_insert_with(|| Partition { ledger: Arc::clone(ledger), order: policy.order() });
        let entries = partition.order.len() + 1;
        partition.order.make_room(entries);
        debug_assert_eq!(self.own, self.measured(), "a shard takes what was charged");
    }

    /// Bytes that the shard itself takes, beside what entries are charged.
    pub(crate) fn own_bytes(&self) -> u64 {
        self.own
    }

    fn measured(&self) -> u64 {
        let orders = self.partitions.iter().flatten();
        let orders: u64 = orders.map(|p| self.policy.order_bytes() + p.order.heap_bytes()).sum();
        self.nodes.heap_bytes()
            + self.items_bytes(self.items.capacity())
            + self.table.heap_bytes()
            + vec_bytes::<Option<Partition>>(self.partitions.capacity())
            + orders
    }

    /// Keeps an entry, for which there is room; what had its key goes.
    pub(crate) fn put(
        &mut self,
        (key, value): (K, Arc<Cached<V>>),
        mut node: Node,
        ledger: &Ledger,
    ) -> Option<Arc<Cached<V>>> {
        let before = self.remove(node.hash, &key);
        node.tenant = ledger.id;
        ledger.found[self.index].fetch_add(node.weight, SeqCst);
        let at = self.nodes.insert(node);
        let item = Some(Item { key, value });
        if at as usize == self.items.len() {
            self.items.push(item);
        } else {
            self.items[at as usize] = item;
        }
        self.table.insert(&mut self.nodes, at);
        self.age.push(&mut self.nodes, at);
        if let Some(partition) = partition_of(&mut self.partitions, ledger.id) {
            partition.order.insert(&mut self.nodes, at);
        }
        before
    }

    /// Takes an entry out everywhere.
    fn take(&mut self, at: u32) -> Option<Arc<Cached<V>>> {
        let node = *self.nodes.get(at);
        if let Some(partition) = partition_of(&mut self.partitions, node.tenant) {
            partition.order.remove(&mut self.nodes, at);
        }
        self.take_unordered(at)
    }

    /// The same for one that its order has let go already.
    fn take_unordered(&mut self, at: u32) -> Option<Arc<Cached<V>>> {
        let node = *self.nodes.get(at);
        if let Some(partition) = partition_of(&mut self.partitions, node.tenant) {
            partition.ledger.found[self.index].fetch_sub(node.weight, SeqCst);
        }
        self.age.remove(&mut self.nodes, at);
        self.table.remove(&mut self.nodes, at);
        self.nodes.remove(at);
        self.items[at as usize].take().map(|item| item.value)
    }

    /// Bytes of the orders under another policy, which are needed before those of the old ones go.
    pub(crate) fn bytes_to_change(&self, policy: EvictionPolicy) -> u64 {
        let empty = policy.order();
        let orders = self.partitions.iter().flatten();
        orders.map(|p| policy.order_bytes() + empty.bytes_for(p.order.len())).sum()
    }

    /// Follows another policy from now on; what went first goes first, where the new one does not
    /// know better.
    pub(crate) fn set_policy(&mut self, policy: EvictionPolicy) {
        self.policy = policy;
        for partition in self.partitions.iter_mut().flatten() {
            let mut order = policy.order();
            order.make_room(partition.order.len());
            while let Some(at) = partition.order.victim(&mut self.nodes) {
                partition.order.remove(&mut self.nodes, at);
                order.insert(&mut self.nodes, at);
            }
            partition.order = order;
        }
        self.own = self.measured();
    }
}

fn partition_of(partitions: &mut [Option<Partition>], tenant: u32) -> Option<&mut Partition> {
    partitions.get_mut(tenant as usize)?.as_mut()
}
