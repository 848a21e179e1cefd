//! The cache: look-ups and entries.

mod contest;
mod eviction;
mod room;
mod settings;

use std::fmt;
use std::hash::Hash;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use vectorizer_memory::{CacheMemoryManager, Class, ManagedCache, Tenant};

use crate::cache::contest::Contest;
use crate::cache::eviction::Sweep;
use crate::cache::room::Ledgers;
use crate::entry::{Cached, Inserted, NewEntry, Refusal};
use crate::hash::hash_of;
use crate::ledger::{Account, Charge, Ledger};
use crate::nodes::Node;
use crate::options::Options;
use crate::policy::EvictionPolicy;
use crate::shard::{Found, Fresh, Gone, Shard};
use crate::shared_items::{Member, SharedItems};
use crate::stats::{CacheStats, Counters};

/// Entries by key, within bounds of bytes and count.
pub struct Cache<K, V> {
    name: String,
    class: Class,
    ease: u32,
    seed: u64,
    manager: Arc<CacheMemoryManager>,
    account: Arc<Account>,
    /// What bounds its entries together with those of others.
    shared_items: Option<Arc<SharedItems>>,
    shards: Box<[Mutex<Shard<K, V>>]>,
    ledgers: Mutex<Ledgers>,
    /// What is charged for shards and the contest themselves, to the system.
    own: Mutex<Charge>,
    contest: Contest,
    sweep: Sweep,
    counters: Counters,
    floor: AtomicU64,
    /// Nanoseconds; [`NO_TTL`] if entries do not expire.
    ttl: AtomicU64,
    generation: AtomicU32,
    /// By [`EvictionPolicy::index`].
    policy: AtomicUsize,
}

const NO_TTL: u64 = u64::MAX;
/// One entry takes at most this part of the limit, so that none pushes out all others.
const ENTRY_PART: u64 = 4;
/// How often an insertion looks again what the shard needs, if others use it up meanwhile.
const ROOM_TRIES: usize = 8;

impl<K, V> Cache<K, V>
where
    K: Hash + Eq + Send + 'static,
    V: Send + Sync + 'static,
{
    /// An empty cache, known to the manager for as long as it lives.
    pub fn new(manager: &Arc<CacheMemoryManager>, options: &Options) -> Arc<Self> {
        let count = options.shard_count();
        let account = Arc::new(Account::new(options.limit_bytes, options.limit_items));
        let shards = (0..count).map(|at| Mutex::new(Shard::new(at, options.policy)));
        let (ledgers, own) = Ledgers::new(count, &account);
        let cache = Arc::new(Self {
            name: options.name.clone(),
            class: options.class,
            ease: options.ease.max(1),
            seed: options.seed,
            manager: Arc::clone(manager),
            account,
            shared_items: options.shared_items.clone(),
            shards: shards.collect(),
            ledgers: Mutex::new(ledgers),
            own: Mutex::new(own),
            contest: Contest::default(),
            sweep: Sweep::default(),
            counters: Counters::default(),
            floor: AtomicU64::new(options.floor),
            ttl: AtomicU64::new(NO_TTL),
            generation: AtomicU32::new(0),
            policy: AtomicUsize::new(options.policy.index()),
        });
        cache.set_ttl(options.ttl);
        let weak: Weak<dyn ManagedCache> = Arc::<Self>::downgrade(&cache);
        manager.register(weak);
        if let Some(shared) = &cache.shared_items {
            let weak: Weak<dyn Member> = Arc::<Self>::downgrade(&cache);
            shared.join(weak);
        }
        cache
    }

    /// The value of a key, unless it is out of date.
    pub fn get(&self, key: &K, now: Duration) -> Option<Arc<Cached<V>>> {
        let hash = hash_of(self.seed, key);
        let found = self.shard(hash).get(hash, key, self.fresh(now));
        match found {
            Found::Hit(value, node) => {
                self.contest.ask(self, node);
                Counters::add(&self.counters.hits, 1);
                Some(value)
            }
            Found::Stale(value) => {
                Counters::add(&self.counters.misses, 1);
                self.expire(vec![value]);
                None
            }
            Found::Miss => {
                Counters::add(&self.counters.misses, 1);
                None
            }
        }
    }

    /// Whether there is an entry, which may be out of date. It is neither counted nor taken for a
    /// use.
    pub fn holds(&self, key: &K) -> bool {
        let hash = hash_of(self.seed, key);
        self.shard(hash).holds(hash, key)
    }

    /// The value of a key, which may be out of date. It is neither counted nor taken for a use.
    pub fn peek(&self, key: &K) -> Option<Arc<Cached<V>>> {
        let hash = hash_of(self.seed, key);
        self.shard(hash).peek(hash, key)
    }

    /// Keeps an entry for a tenant, giving up others if need be. What had its key goes in any
    /// case. A refused entry comes back, to be answered.
    pub fn insert(&self, entry: NewEntry<K, V>, tenant: &Tenant, now: Duration) -> Inserted<V> {
        let hash = hash_of(self.seed, &entry.key);
        self.take_out(hash, &entry.key);
        match self.admit(&entry, hash, tenant, now) {
            Ok(admitted) => self.put(entry, admitted, now),
            Err(refusal) => {
                self.counters.refused(&refusal);
                Inserted::Refused(entry.value, refusal)
            }
        }
    }

    /// Takes an entry out; says whether there was one.
    pub fn remove(&self, key: &K) -> bool {
        self.take_out(hash_of(self.seed, key), key)
    }

    /// Takes out the entries that `is_out` says; returns how many. Looks at all.
    pub fn remove_if(&self, mut is_out: impl FnMut(&K, &V) -> bool) -> u64 {
        let mut removed = 0;
        for shard in &self.shards {
            let gone = lock(shard).remove_if(&mut is_out);
            removed += gone.len() as u64;
            self.let_go(gone);
        }
        Counters::add(&self.counters.removed, removed);
        removed
    }

    /// Declares all entries out of date, at once; they go as room is needed. Returns the new
    /// generation.
    pub fn invalidate(&self) -> u32 {
        self.generation.fetch_add(1, SeqCst).wrapping_add(1)
    }

    /// The generation now. Asked before an entry's value is made and passed with the entry, it
    /// keeps out what was overtaken by [`Cache::invalidate`].
    pub fn generation(&self) -> u32 {
        self.generation.load(SeqCst)
    }

    /// Gives up everything; what is still referenced stays charged until it is not. Returns the
    /// bytes that were free at once.
    pub fn clear(&self) -> u64 {
        let before = self.account.bytes.used();
        self.contest.end(self);
        for shard in &self.shards {
            let (gone, surplus) = giving(&mut lock(shard), Shard::take_all);
            Counters::add(&self.counters.removed, gone.len() as u64);
            self.let_go(gone);
            self.shrink_own(surplus);
        }
        self.prune_ledgers();
        before.saturating_sub(self.account.bytes.used())
    }

    /// What was counted, and how the cache stands.
    pub fn stats(&self) -> CacheStats {
        CacheStats {
            bytes: self.account.bytes.used(),
            items: self.account.items.used(),
            limit_bytes: self.account.bytes.limit(),
            limit_items: self.account.items.limit(),
            ..self.counters.read()
        }
    }

    /// Sets what is counted back to zero.
    pub fn reset_stats(&self) {
        self.counters.reset();
    }

    fn put(&self, entry: NewEntry<K, V>, admitted: Admitted, now: Duration) -> Inserted<V> {
        let Admitted { ledger, charge, hash, generation } = admitted;
        let mut node = Node::new(hash, charge.bytes(), entry.refill_cost);
        node.inserted = nanos(now);
        node.generation = generation;
        let (mut shard, surplus) = match self.room_in(hash, &ledger, now) {
            Ok(room) => room,
            Err(refusal) => {
                self.release_items(1);
                self.counters.refused(&refusal);
                return Inserted::Refused(entry.value, refusal);
            }
        };
        let value = Arc::new(Cached::new(entry.value, charge));
        let replaced = shard.put((entry.key, Arc::clone(&value)), node, &ledger);
        drop(shard);
        drop(surplus);
        Counters::add(&self.counters.inserts, 1);
        self.let_go(replaced.into_iter().collect());
        self.contest.ask(self, node);
        Inserted::Kept(value)
    }

    /// The shard of a hash, locked, with room for one more entry of the tenant; and what was
    /// taken for it in vain, to be dropped when the lock is not held.
    fn room_in(
        &self,
        hash: u64,
        ledger: &Arc<Ledger>,
        now: Duration,
    ) -> Result<Room<'_, K, V>, Refusal> {
        for _ in 0..ROOM_TRIES {
            let mut shard = self.shard(hash);
            let needed = shard.bytes_needed(ledger);
            if needed == 0 {
                return Ok((shard, None));
            }
            drop(shard);
            let mut grown = self.allocate(&self.own_ledger(), needed, now)?;
            shard = self.shard(hash);
            let needed = shard.bytes_needed(ledger);
            if needed <= grown.bytes() {
                shard.make_room(ledger, needed);
                lock(&self.own).merge(grown.split(needed));
                return Ok((shard, Some(grown)));
            }
            drop(shard);
        }
        Err(Refusal::NoRoom)
    }

    fn take_out(&self, hash: u64, key: &K) -> bool {
        let gone = self.shard(hash).remove(hash, key);
        let removed = gone.is_some();
        Counters::add(&self.counters.removed, u64::from(removed));
        self.let_go(gone.into_iter().collect());
        removed
    }

    /// Drops what is no longer found; returns the bytes that were free at once.
    fn let_go(&self, gone: Gone<V>) -> u64 {
        self.release_items(gone.len() as u64);
        let freed = |value: Arc<Cached<V>>| {
            let bytes = value.charged_bytes();
            if Arc::into_inner(value).is_some() { bytes } else { 0 }
        };
        gone.into_iter().map(freed).sum()
    }

    fn expire(&self, gone: Gone<V>) -> u64 {
        self.counters.expired(gone.len() as u64);
        self.let_go(gone)
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard<K, V>> {
        let bits = self.shards.len().ilog2();
        // Shifting by 64 is none: a cache of one shard has no bits to look at.
        let at = hash.checked_shr(u64::BITS - bits).unwrap_or(0);
        lock(&self.shards[usize::try_from(at).unwrap_or(0)])
    }

    fn fresh(&self, now: Duration) -> Fresh {
        let expired_until = match self.ttl.load(SeqCst) {
            NO_TTL => None,
            ttl => nanos(now).checked_sub(ttl),
        };
        Fresh { expired_until, generation: self.generation() }
    }

    fn policy_now(&self) -> EvictionPolicy {
        EvictionPolicy::ALL[self.policy.load(SeqCst)]
    }
}

impl<K, V> Cache<K, V> {
    fn release_items(&self, items: u64) {
        self.account.items.release(items);
        if let Some(shared) = &self.shared_items {
            shared.release(items);
        }
    }
}

impl<K, V> Drop for Cache<K, V> {
    fn drop(&mut self) {
        self.release_items(self.account.items.used());
    }
}

/// A locked shard with room, and bytes that it did not need.
type Room<'a, K, V> = (MutexGuard<'a, Shard<K, V>>, Option<Charge>);

/// An entry that may come in: its bytes and its place are taken.
struct Admitted {
    ledger: Arc<Ledger>,
    charge: Charge,
    hash: u64,
    generation: u32,
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("name", &self.name)
            .field("class", &self.class)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// What a shard gives up, and the bytes that it takes less itself.
fn giving<K: Eq, V>(
    shard: &mut Shard<K, V>,
    up: impl FnOnce(&mut Shard<K, V>) -> Gone<V>,
) -> (Gone<V>, u64) {
    let before = shard.own_bytes();
    let gone = up(shard);
    (gone, before - shard.own_bytes())
}

fn nanos(now: Duration) -> u64 {
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// Locks; a holder that panicked left nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
