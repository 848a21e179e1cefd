//! Any sequence of calls, held against a map that forgets nothing it was not told to.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use vectorizer_cache::{Cache, Cached, EvictionPolicy, Inserted, NewEntry, Options};
use vectorizer_memory::{Governor, ManagedCache, Tenant};

use crate::fixture::{Bytes, KIB, options, seconds, unbounded};

const LIMIT: u64 = 64 * KIB;
const LIMIT_ITEMS: u64 = 40;
const TTL: u64 = 50;

#[derive(Debug, Clone, Copy)]
enum Call {
    Insert { key: u64, bytes: usize, tenant: usize },
    Get { key: u64, hold: bool },
    Remove { key: u64 },
    LetGo,
    Evict { bytes: u64 },
    Policy(EvictionPolicy),
    Limits { bytes: u64, items: u64 },
    Invalidate,
    Clear,
    Wait { seconds: u64 },
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let key = 0..60_u64;
    let call = prop_oneof![
        12 => (key.clone(), 0..4000_usize, 0..3_usize)
            .prop_map(|(key, bytes, tenant)| Call::Insert { key, bytes, tenant }),
        12 => (key.clone(), prop::bool::weighted(0.2)).prop_map(|(key, hold)| Call::Get { key, hold }),
        2 => key.prop_map(|key| Call::Remove { key }),
        1 => Just(Call::LetGo),
        1 => (0..20_000_u64).prop_map(|bytes| Call::Evict { bytes }),
        1 => prop::sample::select(&EvictionPolicy::ALL[..]).prop_map(Call::Policy),
        1 => (0..LIMIT, 0..LIMIT_ITEMS).prop_map(|(bytes, items)| Call::Limits { bytes, items }),
        1 => Just(Call::Invalidate),
        1 => Just(Call::Clear),
        2 => (0..20_u64).prop_map(|seconds| Call::Wait { seconds }),
    ];
    prop::collection::vec(call, 1..300)
}

type Held = Arc<Cached<Vec<u8>>>;

/// The cache beside what it may know: the last value of each key, and when it was put in.
struct World {
    cache: Arc<Bytes>,
    governor: Arc<Governor>,
    model: BTreeMap<u64, (Vec<u8>, u64)>,
    held: Vec<(Held, Vec<u8>)>,
    now: u64,
    written: u8,
}

impl World {
    fn call(&mut self, call: Call) -> Result<(), TestCaseError> {
        let now = seconds(self.now);
        match call {
            Call::Insert { key, bytes, tenant } => self.insert(key, bytes, tenant)?,
            Call::Get { key, hold } => self.get(key, hold)?,
            Call::Remove { key } => {
                self.cache.remove(&key);
                self.model.remove(&key);
            }
            Call::LetGo => self.held.clear(),
            Call::Evict { bytes } => {
                let before = self.cache.memory_usage();
                let evicted = self.cache.evict(bytes, now);
                prop_assert_eq!(before - self.cache.memory_usage(), evicted.bytes);
                prop_assert!(evicted.bytes >= bytes.min(before) || !self.held.is_empty());
            }
            Call::Policy(policy) => {
                let before = self.cache.items();
                if self.cache.memory_usage() < LIMIT / 2
                    && self.cache.set_policy(policy, now).is_ok()
                {
                    prop_assert_eq!(self.cache.items(), before, "entries stay");
                }
            }
            Call::Limits { bytes, items } => {
                let above = self.cache.set_limit_bytes(bytes, now);
                prop_assert!(above == 0 || !self.held.is_empty(), "{} above", above);
                self.cache.set_limit_items(items, now);
                self.cache.set_limit_items(LIMIT_ITEMS, now);
                self.cache.set_limit_bytes(LIMIT, now);
            }
            Call::Invalidate => {
                self.cache.invalidate();
                self.model.clear();
            }
            Call::Clear => {
                self.cache.clear();
                self.model.clear();
                prop_assert!(self.cache.memory_usage() == 0 || !self.held.is_empty());
            }
            Call::Wait { seconds } => self.now += seconds,
        }
        self.check()
    }

    fn insert(&mut self, key: u64, bytes: usize, tenant: usize) -> Result<(), TestCaseError> {
        self.written = self.written.wrapping_add(1);
        let value = vec![self.written; bytes];
        let tenant = self.tenant(tenant);
        let entry =
            NewEntry { refill_cost: 1 + (key % 7) as u16, ..NewEntry::of(key, value.clone()) };
        match self.cache.insert(entry, &tenant, seconds(self.now)) {
            Inserted::Kept(kept) => {
                prop_assert_eq!(&**kept, &value);
                self.model.insert(key, (value, self.now));
            }
            Inserted::Refused(back, _) => {
                prop_assert_eq!(back, value);
                self.model.remove(&key);
            }
        }
        Ok(())
    }

    fn tenant(&self, at: usize) -> Tenant {
        if at == 0 { Tenant::system() } else { self.governor.tenant(&format!("tenant {at}")) }
    }

    fn get(&mut self, key: u64, hold: bool) -> Result<(), TestCaseError> {
        let Some(found) = self.cache.get(&key, seconds(self.now)) else { return Ok(()) };
        let known = self.model.get(&key);
        prop_assert!(known.is_some(), "{} was removed, or never there", key);
        let (value, since) = known.expect("just seen");
        prop_assert_eq!(&**found, value);
        prop_assert!(self.now < since + TTL, "{} is out of date", key);
        if hold {
            self.held.push((found, value.clone()));
        }
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let cache = &self.cache;
        prop_assert_eq!(cache.memory_usage(), cache.reserved_bytes());
        prop_assert!(cache.items() as u64 <= LIMIT_ITEMS);
        if self.held.is_empty() {
            prop_assert!(cache.memory_usage() <= LIMIT, "{} bytes", cache.memory_usage());
        }
        prop_assert!(self.held.iter().all(|(held, value)| ***held == *value));
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn agrees_with_a_map(calls in calls(), shards in 1..5_usize, seed: u64) {
        let manager = unbounded();
        let governor = Arc::clone(manager.governor());
        let options = Options {
            limit_items: LIMIT_ITEMS,
            ttl: Some(seconds(TTL)),
            shards: Some(shards),
            seed,
            ..options(LIMIT)
        };
        let cache: Arc<Bytes> = Cache::new(&manager, &options);
        let (model, held) = Default::default();
        let mut world = World { cache, governor, model, held, now: 0, written: 0 };
        for call in calls {
            world.call(call)?;
        }
        world.held.clear();
        world.cache.clear();
        prop_assert_eq!(world.cache.memory_usage(), 0);
        prop_assert_eq!(manager.governor().reserved(), 0);
    }
}
