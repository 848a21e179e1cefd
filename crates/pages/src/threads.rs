//! A few threads that read for whoever misses several extents at once, where the kernel does not
//! read side by side for one thread.
//!
//! They wait for disks only, and whoever asked them reads too: it never waits for a thread that
//! does nothing.

use std::collections::VecDeque;
use std::mem;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::error::{PagesError, Result};
use crate::frames::{Frames, Run};
use crate::lock::lock;

/// Most threads of a pool.
const THREADS_MAX: usize = 4;
/// Addresses for a stack, of which a read touches little.
const STACK_BYTES: usize = 64 << 10;
/// Memory of a thread: what it touches of its stack, and what the kernel keeps for it:
/// 31 KiB on Linux 6.18, without Rust's part.
const THREAD_BYTES: u64 = 48 << 10;
/// Runs that may wait for a thread; whoever finds the queue full reads alone.
const WAITING_MAX: usize = 256;

/// The threads and their queue.
#[derive(Debug)]
pub(crate) struct Threads {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Queue {
    waiting: Mutex<Waiting>,
    /// Signals a run or the end.
    more: Condvar,
}

#[derive(Debug)]
struct Waiting {
    runs: VecDeque<Waited>,
    ended: bool,
}

/// A run that waits for a thread.
#[derive(Debug)]
struct Waited {
    of: Arc<Frames>,
    run: Range<usize>,
    /// Its place among the runs of its batch.
    number: usize,
    batch: Arc<Batch>,
}

/// Runs that one step misses.
#[derive(Debug, Default)]
struct Batch {
    progress: Mutex<Progress>,
    done: Condvar,
}

#[derive(Debug, Default)]
struct Progress {
    /// Queued runs that are not read yet.
    left: usize,
    /// The first run, in their order, that failed.
    failed: Option<(usize, PagesError)>,
}

impl Threads {
    /// As many threads as `room` bytes allow; none if not one fits or starts.
    pub(crate) fn start(room: u64) -> Option<Self> {
        let fit = room.saturating_sub(Queue::BYTES) / THREAD_BYTES;
        let count = usize::try_from(fit).unwrap_or(THREADS_MAX).min(THREADS_MAX);
        let queue = Arc::new(Queue::new());
        let threads: Vec<JoinHandle<()>> = (0..count)
            .map_while(|number| {
                let queue = Arc::clone(&queue);
                let thread = thread::Builder::new().name(format!("pages-{number}"));
                thread.stack_size(STACK_BYTES).spawn(move || queue.serve()).ok()
            })
            .collect();
        (!threads.is_empty()).then_some(Self { queue, threads })
    }

    /// Memory of the threads and their queue.
    pub(crate) fn bytes(&self) -> u64 {
        self.threads.len() as u64 * THREAD_BYTES + Queue::BYTES
    }

    /// Reads claimed and charged runs, with the threads; the failure is that of the first.
    pub(crate) fn read(&self, runs: &[Run<'_>]) -> Result<()> {
        let batch = Arc::new(Batch::default());
        let queued = self.queue.offer(runs, &batch);
        let own = runs.len() - queued;
        for (number, (of, run)) in runs.iter().enumerate().take(own) {
            batch.note(number, of.read_claimed(run.clone()));
        }
        while let Some(waited) = self.queue.next() {
            waited.read();
        }
        batch.wait()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        lock(&self.queue.waiting).ended = true;
        self.queue.more.notify_all();
        for thread in mem::take(&mut self.threads) {
            let ended = thread.join();
            debug_assert!(ended.is_ok(), "a reading thread panicked");
        }
    }
}

impl Queue {
    const BYTES: u64 = (WAITING_MAX * size_of::<Waited>()) as u64;

    fn new() -> Self {
        let runs = VecDeque::with_capacity(WAITING_MAX);
        Self { waiting: Mutex::new(Waiting { runs, ended: false }), more: Condvar::new() }
    }

    /// Queues the last runs, all but the first if there is room; says how many.
    fn offer(&self, runs: &[Run<'_>], batch: &Arc<Batch>) -> usize {
        let mut waiting = lock(&self.waiting);
        let room = WAITING_MAX - waiting.runs.len();
        let queued = runs.len().saturating_sub(1).min(room);
        lock(&batch.progress).left = queued;
        for (number, (of, run)) in runs.iter().enumerate().skip(runs.len() - queued) {
            let (of, run, batch) = (Arc::clone(of), run.clone(), Arc::clone(batch));
            waiting.runs.push_back(Waited { of, run, number, batch });
        }
        drop(waiting);
        for _ in 0..queued.min(THREADS_MAX) {
            self.more.notify_one();
        }
        queued
    }

    fn next(&self) -> Option<Waited> {
        lock(&self.waiting).runs.pop_front()
    }

    /// A thread's life.
    fn serve(&self) {
        let mut waiting = lock(&self.waiting);
        while !waiting.ended {
            match waiting.runs.pop_front() {
                Some(waited) => {
                    drop(waiting);
                    waited.read();
                    waiting = lock(&self.waiting);
                }
                None => {
                    waiting = self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

impl Waited {
    fn read(self) {
        let Self { of, run, number, batch } = self;
        let outcome = of.read_claimed(run);
        // Whoever waits may close the region next, and expects its bytes back.
        drop(of);
        batch.note(number, outcome);
        batch.end_one();
    }
}

impl Batch {
    fn note(&self, number: usize, outcome: Result<()>) {
        if let Err(error) = outcome {
            let mut progress = lock(&self.progress);
            if progress.failed.as_ref().is_none_or(|(first, _)| number < *first) {
                progress.failed = Some((number, error));
            }
        }
    }

    fn end_one(&self) {
        let mut progress = lock(&self.progress);
        progress.left -= 1;
        if progress.left == 0 {
            self.done.notify_all();
        }
    }

    fn wait(&self) -> Result<()> {
        let mut progress = lock(&self.progress);
        while progress.left > 0 {
            progress = self.done.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
        progress.failed.take().map_or(Ok(()), |(_, error)| Err(error))
    }
}
