//! The threads that searches run on: weighted-fair between tenants, never an async runtime's.
//!
//! Each tenant has a queue; a worker takes from the tenant that has had the least service. A
//! tenant that floods waits behind itself only.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::ticket::{Ticket, ticket};

type Task = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    tasks: VecDeque<Task>,
    /// Nanoseconds of service this tenant has had, in virtual time.
    served: u64,
}

#[derive(Default)]
struct Queues {
    by_tenant: BTreeMap<u64, Queue>,
    /// Virtual time: the service of the tenant that was served last.
    now: u64,
    queued: usize,
    closed: bool,
}

impl Queues {
    fn push(&mut self, tenant: u64, task: Task) {
        let now = self.now;
        let queue = self.by_tenant.entry(tenant).or_default();
        if queue.tasks.is_empty() {
            // An idle tenant earns no credit for the time it was away.
            queue.served = queue.served.max(now);
        }
        queue.tasks.push_back(task);
        self.queued += 1;
    }

    fn pop(&mut self) -> Option<(u64, Task)> {
        let (&tenant, queue) = self
            .by_tenant
            .iter_mut()
            .filter(|(_, queue)| !queue.tasks.is_empty())
            .min_by_key(|(_, queue)| queue.served)?;
        let task = queue.tasks.pop_front()?;
        self.now = self.now.max(queue.served);
        self.queued -= 1;
        Some((tenant, task))
    }

    fn charge(&mut self, tenant: u64, nanoseconds: u64) {
        let now = self.now;
        if let Some(queue) = self.by_tenant.get_mut(&tenant) {
            queue.served = queue.served.saturating_add(nanoseconds);
            if queue.tasks.is_empty() && queue.served <= now {
                self.by_tenant.remove(&tenant);
            }
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

/// More work is queued than the executor accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{queued} searches are waiting already; retry in a moment")]
pub struct Overloaded {
    /// Tasks in all queues.
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
    /// Starts `workers` threads that accept up to `capacity` waiting tasks.
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

    /// Queues a task for a tenant; its result comes through the ticket.
    ///
    /// # Errors
    /// [`Overloaded`] if the queues are full; the task did not run.
    pub fn spawn<T: Send + 'static>(
        &self,
        tenant: u64,
        task: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Ticket<T>, Overloaded> {
        let (completer, ticket) = ticket();
        let mut queues = self.shared.lock();
        if queues.queued >= self.shared.capacity || queues.closed {
            return Err(Overloaded { queued: queues.queued });
        }
        queues.push(tenant, Box::new(move || completer.complete(task())));
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
        if let Some((tenant, task)) = queues.pop() {
            drop(queues);
            let started = Instant::now();
            // A panicking search must not take its worker along; its ticket reads as abandoned.
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(task));
            debug_assert!(outcome.is_ok(), "a search panicked");
            let spent = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
            queues = shared.lock();
            queues.charge(tenant, spent.max(1));
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

    #[test]
    fn results_come_back() {
        let executor = Executor::start(2, 100).expect("threads");
        let tickets: Vec<_> =
            (0..50).map(|i| executor.spawn(i % 3, move || i * 2).expect("room")).collect();
        for (i, ticket) in tickets.into_iter().enumerate() {
            assert_eq!(ticket.wait(), Ok(i as u64 * 2));
        }
    }

    #[test]
    fn a_flooding_tenant_waits_behind_itself() {
        let mut queues = Queues::default();
        for _ in 0..100 {
            queues.push(1, Box::new(|| ()));
        }
        for _ in 0..10 {
            let (tenant, _) = queues.pop().expect("queued");
            queues.charge(tenant, 1_000);
        }
        queues.push(2, Box::new(|| ()));
        let served: Vec<u64> = (0..2)
            .map(|_| {
                let (tenant, _) = queues.pop().expect("queued");
                queues.charge(tenant, 1_000);
                tenant
            })
            .collect();
        assert!(served.contains(&2), "the newcomer is among the next two: {served:?}");
    }

    #[test]
    fn a_full_queue_refuses() {
        let executor = Executor::start(1, 0).expect("threads");
        assert_eq!(executor.spawn(0, || ()).err(), Some(Overloaded { queued: 0 }));
    }
}
