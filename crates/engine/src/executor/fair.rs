//! Queues of which the one that had the least service is next.
//!
//! What a task takes is known when it is done. Until then its queue is charged what its tasks took of
//! late, so that one queue does not get every worker that is free, and the difference afterwards. A queue
//! is remembered while its tasks run, or what they took would be forgotten. (After start-time fair
//! queueing with several servers: Jin, Chase & Kaur 2004, "Interposed Proportional Sharing for a
//! Storage Service Utility", 4.)

use std::collections::{BTreeMap, BTreeSet};

/// Of a mean, the last task makes this part.
const MEAN_PART: u64 = 8;

/// What may hold tasks.
pub(super) trait Waits: Default {
    fn is_empty(&self) -> bool;
}

/// A queue and its service, in nanoseconds of virtual time.
struct Flow<Q> {
    queue: Q,
    served: u64,
    /// Its tasks that were taken and are not done.
    running: usize,
    /// What its tasks took of late.
    mean: u64,
}

/// Service, tasks that run, and whose they are: the order in which queues are served.
type Rank<K> = (u64, usize, K);

/// Whose task was taken, and what it was charged.
pub(super) struct Taken<K> {
    pub(super) key: K,
    expected: u64,
}

/// Fair queues, each with its key.
pub(super) struct Fair<K, Q> {
    queues: BTreeMap<K, Flow<Q>>,
    /// Those with tasks that wait.
    waiting: BTreeSet<Rank<K>>,
    /// Those with no task, remembered as long as they are ahead of the others.
    idle: BTreeSet<Rank<K>>,
    /// Virtual time: the service of what was served last.
    now: u64,
    /// What tasks of all took of late.
    mean: u64,
}

impl<K, Q> Default for Fair<K, Q> {
    fn default() -> Self {
        Self {
            queues: BTreeMap::new(),
            waiting: BTreeSet::new(),
            idle: BTreeSet::new(),
            now: 0,
            mean: 0,
        }
    }
}

impl<K: Ord + Clone, Q: Waits> Fair<K, Q> {
    /// The queue of a key, if it is known.
    pub(super) fn get(&self, key: &K) -> Option<&Q> {
        self.queues.get(key).map(|of| &of.queue)
    }

    /// Adds to the queue of a key.
    pub(super) fn add(&mut self, key: &K, add: impl FnOnce(&mut Q)) {
        let (now, mean) = (self.now, self.mean);
        if !self.queues.contains_key(key) {
            let of = Flow { queue: Q::default(), served: now, running: 0, mean };
            self.queues.insert(key.clone(), of);
        }
        self.change(key, |of| {
            if of.queue.is_empty() {
                // Who had nothing waiting earns no credit for the time away.
                of.served = of.served.max(now);
            }
            add(&mut of.queue);
        });
    }

    /// Takes from the queue that is next.
    pub(super) fn take<T>(
        &mut self,
        take: impl FnOnce(&mut Q) -> Option<T>,
    ) -> Option<(Taken<K>, T)> {
        while let Some((served, ..)) = self.idle.first()
            && *served <= self.now
        {
            if let Some((.., key)) = self.idle.pop_first() {
                self.queues.remove(&key);
            }
        }
        let (served, _, key) = self.waiting.first().cloned()?;
        self.now = self.now.max(served);
        let (task, expected) = self.change(&key, |of| {
            let task = take(&mut of.queue)?;
            of.running += 1;
            of.served = of.served.saturating_add(of.mean);
            Some((task, of.mean))
        })??;
        Some((Taken { key, expected }, task))
    }

    /// Counts what a task took.
    pub(super) fn charge(&mut self, taken: &Taken<K>, spent: u64, then: impl FnOnce(&mut Q)) {
        let mean = |before: u64| before - before / MEAN_PART + spent / MEAN_PART;
        self.mean = mean(self.mean);
        let known = self.change(&taken.key, |of| {
            of.running -= 1;
            of.served = of.served.saturating_sub(taken.expected).saturating_add(spent);
            of.mean = mean(of.mean);
            then(&mut of.queue);
        });
        debug_assert!(known.is_some(), "whose task runs is remembered");
    }

    /// Changes what is known of a key, and its rank with it.
    fn change<T>(&mut self, key: &K, change: impl FnOnce(&mut Flow<Q>) -> T) -> Option<T> {
        let of = self.queues.get_mut(key)?;
        let mut rank = (of.served, of.running, key.clone());
        self.waiting.remove(&rank);
        self.idle.remove(&rank);
        let changed = change(of);
        (rank.0, rank.1) = (of.served, of.running);
        if !of.queue.is_empty() {
            self.waiting.insert(rank);
        } else if of.running == 0 {
            self.idle.insert(rank);
        }
        Some(changed)
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.queues.len()
    }
}
