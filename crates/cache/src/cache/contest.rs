//! The hybrid policy's choice of a window, for all shards of a cache: begun when something must go
//! for the first time, and fed with a sample of what is asked for.

use std::hash::Hash;
use std::sync::Mutex;
use std::sync::atomic::{
    AtomicU16, AtomicU32,
    Ordering::{Relaxed, SeqCst},
};
use std::time::Duration;

use super::{Cache, lock};
use crate::duel::Duel;
use crate::nodes::Node;
use crate::policy::{EvictionPolicy, Window};

/// No key is sampled.
const NONE_SAMPLED: u32 = u32::MAX;
/// The same, because there were no bytes for the shadows, or are not yet.
const REFUSED: u32 = u32::MAX - 1;

/// The duel, and what it says.
#[derive(Debug)]
pub(super) struct Contest {
    duel: Mutex<Option<Duel>>,
    /// Which keys are sampled.
    shift: AtomicU32,
    window_permille: AtomicU16,
}

impl Default for Contest {
    fn default() -> Self {
        Self {
            duel: Mutex::default(),
            shift: AtomicU32::new(NONE_SAMPLED),
            window_permille: AtomicU16::new(Window::ALL[0].permille),
        }
    }
}

impl Contest {
    pub(super) fn window(&self) -> Window {
        Window { permille: self.window_permille.load(Relaxed) }
    }

    fn samples(&self, hash: u64) -> bool {
        let shift = self.shift.load(Relaxed);
        shift < REFUSED && Duel::samples(shift, hash)
    }

    /// An entry was found or came in.
    pub(super) fn ask<K, V>(&self, cache: &Cache<K, V>, node: Node)
    where
        K: Hash + Eq + Send + 'static,
        V: Send + Sync + 'static,
    {
        if !self.samples(node.hash) {
            return;
        }
        let found = cache.account.bytes.used().saturating_sub(lock(&cache.own).bytes());
        if let Some(duel) = lock(&self.duel).as_mut() {
            self.window_permille.store(duel.ask(node, found).permille, Relaxed);
            self.shift.store(duel.follow(cache.items()), Relaxed);
        }
    }

    /// Begins, if there is none, the policy learns from one, and there are bytes for it. Where
    /// there are none it is not tried again until settings change.
    pub(super) fn begin<K, V>(&self, cache: &Cache<K, V>, now: Duration)
    where
        K: Hash + Eq + Send + 'static,
        V: Send + Sync + 'static,
    {
        if self.shift.load(Relaxed) != NONE_SAMPLED || cache.policy_now() != EvictionPolicy::Hybrid
        {
            return;
        }
        let Some(entries) = Duel::entries_for(cache.account.bytes.limit()) else { return };
        let begins = self.shift.compare_exchange(NONE_SAMPLED, REFUSED, SeqCst, SeqCst).is_ok();
        if !begins {
            return;
        }
        let bytes = Duel::bytes_for(entries);
        if let Ok(charge) = cache.allocate(&cache.own_ledger(), bytes, now) {
            lock(&cache.own).merge(charge);
            let mut duel = lock(&self.duel);
            let shift = duel.insert(Duel::new(entries)).follow(cache.items());
            self.shift.store(shift, SeqCst);
        }
    }

    /// Ends, and gives its bytes back.
    pub(super) fn end<K, V>(&self, cache: &Cache<K, V>)
    where
        K: Hash + Eq + Send + 'static,
        V: Send + Sync + 'static,
    {
        let ended = lock(&self.duel).take();
        self.shift.store(NONE_SAMPLED, SeqCst);
        if let Some(duel) = ended {
            let bytes = Duel::bytes_for(duel.entries());
            drop(duel);
            cache.shrink_own(bytes);
        }
    }
}
