//! Bytes and places for what comes in: the cache's own bounds first, then the governor's.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use vectorizer_memory::Tenant;

use super::{Admitted, Cache, ENTRY_PART, lock};
use crate::entry::{Cached, NewEntry, Refusal};
use crate::ledger::{Account, Charge, Ledger};
use crate::shared_items::{Member, SharedItems};

/// How often in a row what was given up may be taken by others.
const CLAIM_TRIES: usize = 16;
/// With so many ledgers, those of tenants without entries are looked for when one is added.
const LEDGERS_KEPT: usize = 64;

/// The tenants of a cache.
#[derive(Debug)]
pub(super) struct Ledgers {
    /// That of the system, whose number is 0.
    own: Arc<Ledger>,
    by_name: BTreeMap<String, Arc<Ledger>>,
    /// Numbers of ledgers that are gone.
    free: Vec<u32>,
    next: u32,
    shards: usize,
    account: Arc<Account>,
}

impl Ledgers {
    pub(super) fn new(shards: usize, account: &Arc<Account>) -> (Self, Charge) {
        let own = Arc::new(Ledger::new(0, &Tenant::system(), shards, account));
        let charge = own.charge_of_none();
        let by_name = BTreeMap::new();
        let account = Arc::clone(account);
        (Self { own, by_name, free: Vec::new(), next: 1, shards, account }, charge)
    }

    pub(super) fn own(&self) -> &Arc<Ledger> {
        &self.own
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Ledger>> {
        std::iter::once(&self.own).chain(self.by_name.values())
    }

    pub(super) fn named(&self, tenant: &str) -> Option<&Arc<Ledger>> {
        self.all().find(|ledger| ledger.tenant.name() == tenant)
    }

    pub(super) fn of(&mut self, tenant: &Tenant) -> Arc<Ledger> {
        if *tenant == Tenant::system() {
            return Arc::clone(&self.own);
        }
        // A tenant that the governor forgot and made anew has the name of the old one.
        match self.by_name.get(tenant.name()) {
            Some(ledger) if ledger.tenant == *tenant => return Arc::clone(ledger),
            _ => {}
        }
        if self.by_name.len() >= LEDGERS_KEPT {
            self.prune();
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        });
        let ledger = Arc::new(Ledger::new(id, tenant, self.shards, &self.account));
        self.by_name.insert(tenant.name().to_owned(), Arc::clone(&ledger));
        ledger
    }

    /// Forgets tenants that nothing refers to and that are guaranteed nothing.
    pub(super) fn prune(&mut self) {
        let free = &mut self.free;
        self.by_name.retain(|_, ledger| {
            let known = Arc::strong_count(ledger) > 1 || ledger.guarantee.load(SeqCst) > 0;
            if !known {
                free.push(ledger.id);
            }
            known
        });
    }
}

impl<K, V> Cache<K, V>
where
    K: Hash + Eq + Send + 'static,
    V: Send + Sync + 'static,
{
    /// Whether an entry of `heap_bytes` behind key and value would fit without anything going for
    /// it: first by the number of entries, then by bytes.
    ///
    /// # Errors
    /// Why it would not.
    pub fn can_add_item(&self, heap_bytes: u64) -> Result<(), Refusal> {
        let (account, bytes) = (&self.account, self.entry_bytes(heap_bytes)?);
        let none_left = |shared: &Arc<SharedItems>| shared.used() >= shared.limit();
        if account.items.used() >= account.items.limit()
            || self.shared_items.as_ref().is_some_and(none_left)
        {
            return Err(Refusal::NoRoom);
        }
        if bytes > account.bytes.limit().saturating_sub(account.bytes.used()) {
            return Err(Refusal::NoRoom);
        }
        Ok(())
    }

    /// What an entry is charged, if the cache keeps entries that large.
    fn entry_bytes(&self, heap_bytes: u64) -> Result<u64, Refusal> {
        let (bytes, limit) = (Cached::<V>::bytes_for(heap_bytes), self.account.bytes.limit());
        let shared = self.shared_items.as_ref().map_or(u64::MAX, |shared| shared.limit());
        if limit == 0 || self.account.items.limit().min(shared) == 0 {
            return Err(Refusal::Off);
        }
        let most = limit / ENTRY_PART;
        if bytes > most { Err(Refusal::TooLarge { bytes, most }) } else { Ok(bytes) }
    }

    /// Takes bytes and a place for an entry.
    pub(super) fn admit(
        &self,
        entry: &NewEntry<K, V>,
        hash: u64,
        tenant: &Tenant,
        now: Duration,
    ) -> Result<Admitted, Refusal> {
        let bytes = self.entry_bytes(entry.heap_bytes)?;
        let generation = self.generation();
        if entry.generation.is_some_and(|made_from| made_from != generation) {
            return Err(Refusal::OutOfDate);
        }
        let ledger = lock(&self.ledgers).of(tenant);
        let charge = self.allocate(&ledger, bytes, now)?;
        self.claim_item(now)?;
        self.claim_shared_item(now).inspect_err(|_| self.account.items.release(1))?;
        Ok(Admitted { ledger, charge, hash, generation })
    }

    /// Takes bytes, giving up entries for what is short.
    pub(super) fn allocate(
        &self,
        ledger: &Arc<Ledger>,
        bytes: u64,
        now: Duration,
    ) -> Result<Charge, Refusal> {
        if bytes == 0 {
            return Ok(ledger.charge_of_none());
        }
        self.claim_bytes(bytes, now)?;
        match self.manager.try_allocate(self.class, &ledger.tenant, bytes) {
            Ok(granted) => Ok(ledger.take_over(granted)),
            Err(refusal) => {
                self.account.bytes.release(bytes);
                Err(refusal.into())
            }
        }
    }

    fn claim_bytes(&self, bytes: u64, now: Duration) -> Result<(), Refusal> {
        for _ in 0..CLAIM_TRIES {
            let Err(short) = self.account.bytes.claim(bytes) else { return Ok(()) };
            self.contest.begin(self, now);
            if self.evict_own(short, now).bytes == 0 {
                break;
            }
        }
        self.account.bytes.claim(bytes).map_err(|_short| Refusal::NoRoom)
    }

    fn claim_item(&self, now: Duration) -> Result<(), Refusal> {
        for _ in 0..CLAIM_TRIES {
            if self.account.items.claim(1).is_ok() {
                return Ok(());
            }
            self.contest.begin(self, now);
            if !self.give_up_item(now) {
                break;
            }
        }
        self.account.items.claim(1).map_err(|_short| Refusal::NoRoom)
    }

    /// Takes a place among the entries of several caches, if there is a bound on them.
    fn claim_shared_item(&self, now: Duration) -> Result<(), Refusal> {
        let Some(shared) = &self.shared_items else { return Ok(()) };
        for _ in 0..CLAIM_TRIES {
            if shared.claim() {
                return Ok(());
            }
            self.contest.begin(self, now);
            if !shared.give_up_one(now) {
                break;
            }
        }
        if shared.claim() { Ok(()) } else { Err(Refusal::NoRoom) }
    }

    pub(super) fn own_ledger(&self) -> Arc<Ledger> {
        Arc::clone(lock(&self.ledgers).own())
    }

    /// Gives back what shards or the contest no longer take.
    pub(super) fn shrink_own(&self, bytes: u64) {
        if bytes > 0 {
            let less = lock(&self.own).split(bytes);
            drop(less);
        }
    }

    pub(super) fn prune_ledgers(&self) {
        lock(&self.ledgers).prune();
    }
}
