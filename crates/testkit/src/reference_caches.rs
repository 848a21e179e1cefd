//! Caches of keys alone, as papers describe them: what ours is held against.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// A cache that is asked for keys and keeps what it likes.
pub trait ReferenceCache {
    /// Whether the key was there; if not, it may be now.
    fn ask(&mut self, key: u64) -> bool;
}

/// Hits of each hundred requests.
pub fn hit_percent(cache: &mut dyn ReferenceCache, requests: &[u64]) -> f64 {
    let hits = requests.iter().filter(|key| cache.ask(**key)).count();
    hits as f64 * 100.0 / requests.len() as f64
}

/// Keys in the order of their last use.
#[derive(Debug, Default)]
struct Recency {
    turn: u64,
    by_turn: BTreeMap<u64, u64>,
    turns: HashMap<u64, u64>,
}

impl Recency {
    fn renew(&mut self, key: u64) {
        self.remove(key);
        self.turn += 1;
        self.by_turn.insert(self.turn, key);
        self.turns.insert(key, self.turn);
    }

    fn remove(&mut self, key: u64) -> bool {
        let turn = self.turns.remove(&key);
        turn.is_some_and(|turn| self.by_turn.remove(&turn).is_some())
    }

    fn has(&self, key: u64) -> bool {
        self.turns.contains_key(&key)
    }

    fn oldest(&self) -> Option<u64> {
        self.by_turn.first_key_value().map(|(_, key)| *key)
    }

    fn len(&self) -> usize {
        self.turns.len()
    }
}

/// Least recently used.
#[derive(Debug)]
pub struct Lru {
    capacity: usize,
    keys: Recency,
}

impl Lru {
    /// Room for so many keys.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, keys: Recency::default() }
    }
}

impl ReferenceCache for Lru {
    fn ask(&mut self, key: u64) -> bool {
        let hit = self.keys.has(key);
        self.keys.renew(key);
        if self.keys.len() > self.capacity
            && let Some(oldest) = self.keys.oldest()
        {
            self.keys.remove(oldest);
        }
        hit
    }
}

/// `S3-FIFO` (Yang et al. 2023, doi:10.1145/3600006.3613147): a small queue for newcomers, a main one,
/// and a memory of keys that went from the small one.
#[derive(Debug)]
pub struct S3Fifo {
    capacity: usize,
    small: VecDeque<u64>,
    main: VecDeque<u64>,
    ghosts: VecDeque<u64>,
    ghost_keys: HashSet<u64>,
    uses: HashMap<u64, u8>,
}

impl S3Fifo {
    /// Room for so many keys.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            small: VecDeque::new(),
            main: VecDeque::new(),
            ghosts: VecDeque::new(),
            ghost_keys: HashSet::new(),
            uses: HashMap::new(),
        }
    }

    fn evict_small(&mut self) {
        let Some(key) = self.small.pop_front() else { return };
        if self.uses.get(&key).is_some_and(|uses| *uses > 1) {
            self.uses.insert(key, 0);
            self.main.push_back(key);
            return;
        }
        self.uses.remove(&key);
        self.ghosts.push_back(key);
        self.ghost_keys.insert(key);
        if self.ghosts.len() > self.capacity
            && let Some(forgotten) = self.ghosts.pop_front()
        {
            self.ghost_keys.remove(&forgotten);
        }
    }

    fn evict_main(&mut self) {
        let Some(key) = self.main.pop_front() else { return };
        match self.uses.get_mut(&key) {
            Some(uses) if *uses > 0 => {
                *uses -= 1;
                self.main.push_back(key);
            }
            _ => {
                self.uses.remove(&key);
            }
        }
    }
}

impl ReferenceCache for S3Fifo {
    fn ask(&mut self, key: u64) -> bool {
        if let Some(uses) = self.uses.get_mut(&key) {
            *uses = (*uses + 1).min(3);
            return true;
        }
        while self.small.len() + self.main.len() >= self.capacity {
            if self.small.len() >= self.capacity / 10 || self.main.is_empty() {
                self.evict_small();
            } else {
                self.evict_main();
            }
        }
        let queue = if self.ghost_keys.contains(&key) { &mut self.main } else { &mut self.small };
        queue.push_back(key);
        self.uses.insert(key, 0);
        false
    }
}

/// `W-TinyLFU` (Einziger, Friedman & Manes 2017, doi:10.1145/3149371) with a window of one percent
/// and exact counts, halved every ten times the capacity.
#[derive(Debug)]
pub struct WTinyLfu {
    capacity: usize,
    window: Recency,
    probation: Recency,
    protected: Recency,
    counts: HashMap<u64, u8>,
    counted: usize,
}

impl WTinyLfu {
    /// Room for so many keys.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            window: Recency::default(),
            probation: Recency::default(),
            protected: Recency::default(),
            counts: HashMap::new(),
            counted: 0,
        }
    }

    fn count(&mut self, key: u64) {
        let count = self.counts.entry(key).or_default();
        *count = (*count + 1).min(15);
        self.counted += 1;
        if self.counted >= 10 * self.capacity {
            self.counted /= 2;
            self.counts.retain(|_, count| {
                *count /= 2;
                *count > 0
            });
        }
    }

    fn counted(&self, key: u64) -> u8 {
        self.counts.get(&key).copied().unwrap_or(0)
    }

    fn protect(&mut self, key: u64, main: usize) {
        self.protected.renew(key);
        if self.protected.len() > main * 4 / 5
            && let Some(oldest) = self.protected.oldest()
        {
            self.protected.remove(oldest);
            self.probation.renew(oldest);
        }
    }

    fn leave_window(&mut self, newcomer: u64, main: usize) {
        self.window.remove(newcomer);
        if self.probation.len() + self.protected.len() < main {
            self.probation.renew(newcomer);
            return;
        }
        let Some(kept) = self.probation.oldest().or(self.protected.oldest()) else { return };
        if self.counted(newcomer) > self.counted(kept) {
            self.probation.remove(kept);
            self.protected.remove(kept);
            self.probation.renew(newcomer);
        }
    }
}

impl ReferenceCache for WTinyLfu {
    fn ask(&mut self, key: u64) -> bool {
        let window = (self.capacity / 100).max(1);
        let main = self.capacity - window;
        self.count(key);
        if self.window.has(key) {
            self.window.renew(key);
            return true;
        }
        if self.probation.remove(key) || self.protected.has(key) {
            self.protect(key, main);
            return true;
        }
        self.window.renew(key);
        if self.window.len() > window
            && let Some(newcomer) = self.window.oldest()
        {
            self.leave_window(newcomer, main);
        }
        false
    }
}
