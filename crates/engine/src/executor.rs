//! The threads that searches run on: weighted-fair between tenants, and between the collections of
//! each, never an async runtime's.
//!
//! Each tenant has a queue for each collection. A worker takes from the tenant that has had the
//! least service, and of its collections from the one that has had the least. A tenant that floods
//! waits behind itself only, and it alone is refused when it has too much waiting.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use vectorizer_memory::Tenant;

use crate::ticket::{Ticket, ticket};

type Task = Box<dyn FnOnce() + Send>;

/// Where a task waits.
#[derive(Debug, Clone)]
pub struct TaskQueue {
    /// Who wants it done.
    pub tenant: Tenant,
    /// For which collection.
    pub collection: u64,
}

/// What has had how much service, in nanoseconds of virtual time.
struct Served<Q> {
    queue: Q,
    served: u64,
}

/// Queues of which the one with the least service is next.
struct Fair<K, Q> {
    queues: BTreeMap<K, Served<Q>>,
    /// Virtual time: the service of what was served last.
    now: u64,
}

/// What may hold tasks.
trait Waits: Default {
    fn is_empty(&self) -> bool;
}

impl Waits for VecDeque<Task> {
    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}

/// The tasks of one tenant, by collection.
#[derive(Default)]
struct OfTenant {
    collections: Fair<u64, VecDeque<Task>>,
    waiting: usize,
}

impl Waits for OfTenant {
    fn is_empty(&self) -> bool {
        self.waiting == 0
    }
}

impl<K, Q> Default for Fair<K, Q> {
    fn default() -> Self {
        Self { queues: BTreeMap::new(), now: 0 }
    }
}

impl<K: Ord + Clone, Q: Waits> Fair<K, Q> {
    /// The queue of a key, to add to.
    fn joined(&mut self, key: K) -> &mut Q {
        let now = self.now;
        let of =
            self.queues.entry(key).or_insert_with(|| Served { queue: Q::default(), served: now });
        if of.queue.is_empty() {
            // Who was idle earns no credit for the time away.
            of.served = of.served.max(now);
        }
        &mut of.queue
    }

    /// The next to be served.
    fn next(&mut self) -> Option<(K, &mut Q)> {
        let now = self.now;
        // Idle ones are remembered as long as they are ahead of the others.
        self.queues.retain(|_, of| !of.queue.is_empty() || of.served > now);
        let waiting = self.queues.iter_mut().filter(|(_, of)| !of.queue.is_empty());
        let (key, of) = waiting.min_by_key(|(_, of)| of.served)?;
        self.now = now.max(of.served);
        Some((key.clone(), &mut of.queue))
    }

    /// Counts service; the queue that had it, if it is still known.
    fn charge(&mut self, key: &K, nanoseconds: u64) -> Option<&mut Q> {
        let of = self.queues.get_mut(key)?;
        of.served = of.served.saturating_add(nanoseconds);
        Some(&mut of.queue)
    }

    fn waiting(&self) -> usize {
        self.queues.values().filter(|of| !of.queue.is_empty()).count()
    }
}

/// Whose task is done.
struct Taken {
    tenant: Arc<str>,
    collection: u64,
}

#[derive(Default)]
struct Queues {
    tenants: Fair<Arc<str>, OfTenant>,
    closed: bool,
}

impl Queues {
    /// Whether a tenant has as much waiting as it may: its part of `capacity`, of which all tenants
    /// with anything waiting have as much. So however much one has waiting, another is let in.
    fn check_room(&self, tenant: &str, capacity: usize) -> Result<(), Overloaded> {
        let own = self.tenants.queues.get(tenant).map_or(0, |of| of.queue.waiting);
        let tenants = self.tenants.waiting() + usize::from(own == 0);
        let refused = self.closed || own >= capacity.div_ceil(tenants.max(1));
        if refused { Err(Overloaded { queued: own }) } else { Ok(()) }
    }

    fn push(&mut self, tenant: &str, collection: u64, task: Task) {
        let of_tenant = self.tenants.joined(tenant.into());
        of_tenant.collections.joined(collection).push_back(task);
        of_tenant.waiting += 1;
    }

    fn pop(&mut self) -> Option<(Taken, Task)> {
        let (tenant, of_tenant) = self.tenants.next()?;
        let (collection, tasks) = of_tenant.collections.next()?;
        let task = tasks.pop_front()?;
        of_tenant.waiting -= 1;
        Some((Taken { tenant, collection }, task))
    }

    fn charge(&mut self, taken: &Taken, nanoseconds: u64) {
        if let Some(of_tenant) = self.tenants.charge(&taken.tenant, nanoseconds) {
            of_tenant.collections.charge(&taken.collection, nanoseconds);
        }
    }
}

struct Shared {
    queues: Mutex<Queues>,
    available: Condvar,
    capacity: usize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// More work of one tenant is queued than the executor accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{queued} searches are waiting already; retry in a moment")]
pub struct Overloaded {
    /// Tasks of the tenant that wait.
    pub queued: usize,
}

/// A fixed set of worker threads with one fair queue.
pub struct Executor {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").field("workers", &self.workers.len()).finish_non_exhaustive()
    }
}

impl Executor {
    /// Starts `workers` threads that accept up to `capacity` waiting tasks of one tenant, and fewer
    /// of each the more tenants have some waiting.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn start(workers: usize, capacity: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queues: Mutex::new(Queues::default()),
            available: Condvar::new(),
            capacity,
        });
        let workers = (0..workers.max(1))
            .map(|number| {
                let shared = Arc::clone(&shared);
                std::thread::Builder::new()
                    .name(format!("search-{number}"))
                    .spawn(move || work(&shared))
            })
            .collect::<std::io::Result<Vec<_>>>()?;
        Ok(Self { shared, workers })
    }

    /// Queues a task; its result comes through the ticket.
    ///
    /// # Errors
    /// [`Overloaded`] if the tenant has too much waiting; the task did not run.
    pub fn spawn<T: Send + 'static>(
        &self,
        queue: &TaskQueue,
        task: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Ticket<T>, Overloaded> {
        let (completer, ticket) = ticket();
        let mut queues = self.shared.lock();
        let tenant = queue.tenant.name();
        queues.check_room(tenant, self.shared.capacity)?;
        queues.push(tenant, queue.collection, Box::new(move || completer.complete(task())));
        drop(queues);
        self.shared.available.notify_one();
        Ok(ticket)
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.available.notify_all();
        for worker in self.workers.drain(..) {
            // The last owner may be one of the tasks; a thread cannot wait for itself.
            if worker.thread().id() != std::thread::current().id() && worker.join().is_err() {
                debug_assert!(false, "a search worker panicked");
            }
        }
    }
}

fn work(shared: &Shared) {
    let mut queues = shared.lock();
    loop {
        if let Some((taken, task)) = queues.pop() {
            drop(queues);
            let started = Instant::now();
            // A panicking search must not take its worker along; its ticket reads as abandoned.
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(task));
            debug_assert!(outcome.is_ok(), "a search panicked");
            let spent = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
            queues = shared.lock();
            queues.charge(&taken, spent.max(1));
        } else if queues.closed {
            return;
        } else {
            queues = shared.available.wait(queues).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(collection: u64) -> TaskQueue {
        TaskQueue { tenant: Tenant::system(), collection }
    }

    /// Serves the next `many` for as long each; whose they were.
    fn served(queues: &mut Queues, many: usize) -> Vec<(String, u64)> {
        let next = |_| {
            let (taken, _) = queues.pop().expect("queued");
            queues.charge(&taken, 1_000);
            (taken.tenant.to_string(), taken.collection)
        };
        (0..many).map(next).collect()
    }

    fn count(served: &[(String, u64)], tenant: &str, collection: u64) -> usize {
        served.iter().filter(|(of, which)| of == tenant && *which == collection).count()
    }

    fn pushed(queues: &mut Queues, tenant: &str, collection: u64, many: usize) {
        for _ in 0..many {
            queues.push(tenant, collection, Box::new(|| ()));
        }
    }

    #[test]
    fn results_come_back() {
        let executor = Executor::start(2, 100).expect("threads");
        let tickets: Vec<_> =
            (0..50).map(|i| executor.spawn(&queue(i % 3), move || i * 2).expect("room")).collect();
        for (i, ticket) in tickets.into_iter().enumerate() {
            assert_eq!(ticket.wait(), Ok(i as u64 * 2));
        }
    }

    #[test]
    fn a_flooding_tenant_waits_behind_itself() {
        let mut queues = Queues::default();
        pushed(&mut queues, "flood", 1, 100);
        served(&mut queues, 10);
        pushed(&mut queues, "neighbour", 2, 1);
        let next = served(&mut queues, 2);
        assert_eq!(count(&next, "neighbour", 2), 1, "it is among the next two: {next:?}");
    }

    #[test]
    fn many_collections_are_no_larger_share() {
        let mut queues = Queues::default();
        for collection in 0..10 {
            pushed(&mut queues, "many", collection, 100);
        }
        pushed(&mut queues, "one", 99, 100);
        let next = served(&mut queues, 100);
        assert_eq!(count(&next, "one", 99), 50);
        for collection in 0..10 {
            assert_eq!(count(&next, "many", collection), 5, "of {collection}");
        }
    }

    #[test]
    fn a_flood_is_refused_and_its_neighbour_is_not() {
        let mut queues = Queues::default();
        pushed(&mut queues, "flood", 1, 8);
        let refused = |queues: &Queues, tenant| queues.check_room(tenant, 8).err();
        assert_eq!(refused(&queues, "flood"), Some(Overloaded { queued: 8 }));
        assert_eq!(refused(&queues, "neighbour"), None);
        pushed(&mut queues, "neighbour", 2, 4);
        assert_eq!(refused(&queues, "neighbour"), Some(Overloaded { queued: 4 }));
        assert_eq!(refused(&queues, "third"), None);
        served(&mut queues, 8);
        // Four of the flood are left, and the neighbour may have as many.
        pushed(&mut queues, "neighbour", 2, 3);
        assert_eq!(refused(&queues, "neighbour"), None);
    }

    #[test]
    fn who_left_is_forgotten() {
        let mut queues = Queues::default();
        for tenant in 0..50 {
            pushed(&mut queues, &tenant.to_string(), 1, 1);
        }
        served(&mut queues, 50);
        pushed(&mut queues, "stays", 1, 3);
        served(&mut queues, 3);
        assert!(queues.tenants.queues.len() < 5, "{} are known", queues.tenants.queues.len());
    }

    #[test]
    fn a_full_queue_refuses() {
        let executor = Executor::start(1, 0).expect("threads");
        assert_eq!(executor.spawn(&queue(0), || ()).err(), Some(Overloaded { queued: 0 }));
    }
}
