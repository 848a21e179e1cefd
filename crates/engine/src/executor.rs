//! The threads that searches run on: weighted-fair between tenants, and between the collections of
//! each, never an async runtime's.
//!
//! Each tenant has a queue for each collection. A worker takes from the tenant that has had the
//! least service, and of its collections from the one that has had the least. A tenant that floods
//! waits behind itself only, and it alone is refused when it has too much waiting.
//!
//! Where cores are short these threads let those go first that pass requests on: beside a search, which
//! runs until the scheduler's tick, each of the four times that a request is passed on would wait for it.

mod fair;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use vectorizer_memory::Tenant;
use vectorizer_vfs::Niceness;

use self::fair::{Fair, Taken, Waits};
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

/// Whose task was taken.
struct TakenTask {
    tenant: Taken<Arc<str>>,
    collection: Taken<u64>,
}

#[derive(Default)]
struct Queues {
    tenants: Fair<Arc<str>, OfTenant>,
    /// Tasks that wait, of all.
    waiting: usize,
    closed: bool,
}

impl Queues {
    /// Whether a tenant has as much waiting as it may: as much as there is room left, of which
    /// there is twice `capacity`. So one alone may have `capacity`, each of several the fewer the more
    /// they are, and until all is full another is let in. (Choudhury & Hahne 1998, "Dynamic Queue
    /// Length Thresholds for Shared-Memory Packet Switches".)
    fn check_room(&self, tenant: &Arc<str>, capacity: usize) -> Result<(), Overloaded> {
        let own = self.tenants.get(tenant).map_or(0, |of| of.waiting);
        let left = capacity.saturating_mul(2).saturating_sub(self.waiting);
        if self.closed || own >= left { Err(Overloaded { queued: own }) } else { Ok(()) }
    }

    fn push(&mut self, tenant: &Arc<str>, collection: u64, task: Task) {
        self.tenants.add(tenant, |of_tenant| {
            of_tenant.collections.add(&collection, |tasks| tasks.push_back(task));
            of_tenant.waiting += 1;
        });
        self.waiting += 1;
    }

    fn pop(&mut self) -> Option<(TakenTask, Task)> {
        let (tenant, (collection, task)) = self.tenants.take(|of_tenant| {
            let taken = of_tenant.collections.take(VecDeque::pop_front)?;
            of_tenant.waiting -= 1;
            Some(taken)
        })?;
        self.waiting -= 1;
        Some((TakenTask { tenant, collection }, task))
    }

    fn charge(&mut self, taken: &TakenTask, nanoseconds: u64) {
        self.tenants.charge(&taken.tenant, nanoseconds, |of_tenant| {
            of_tenant.collections.charge(&taken.collection, nanoseconds, |_| ());
        });
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
    /// Starts `workers` threads that accept up to `capacity` waiting tasks of one tenant, fewer of
    /// each the more tenants have some waiting, and twice as many of all together.
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
                std::thread::Builder::new().name(format!("search-{number}")).spawn(move || {
                    Niceness::Long.apply();
                    work(&shared);
                })
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
        let tenant: Arc<str> = queue.tenant.name().into();
        queues.check_room(&tenant, self.shared.capacity)?;
        queues.push(&tenant, queue.collection, Box::new(move || completer.complete(task())));
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
mod tests;
