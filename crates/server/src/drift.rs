//! Holding the books against what the process really holds.
//!
//! Reservations are promises of the code, and code errs: the allocator rounds up and keeps what was
//! freed, libraries hold buffers of their own. So the process is measured all the time, and what
//! it holds beyond base and reservations counts as held for whoever asks for memory next: they
//! wait or are refused before the limit is passed. When that drift is large, the allocator is
//! first told to give back what it keeps.
//!
//! Anonymous bytes are measured, and in a cgroup that is the process's own also sockets, shared
//! memory and what the kernel keeps for it. Those of mapped files and of the page cache are the
//! kernel's to take.

mod alarm;
mod group;

use std::fmt;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use vectorizer_engine::Engine;
use vectorizer_memory::{
    CacheLevelChange, CacheMemoryManager, Governor, Measurement, MemoryGuard, Overdue, Pressure,
    PressureLevel,
};
use vectorizer_model::bytes::MIB;
use vectorizer_vfs::{
    cgroup_memory, keep_little_freed_memory, machine_memory, process_memory, release_freed_memory,
};

use self::alarm::Alarm;
use self::group::Group;

/// How often the process is measured; what it can gain in between is what the limit can be passed
/// by.
const TICK: Duration = Duration::from_millis(100);
/// The least time between two trims of the heap, unless memory is nearly full and the last trim
/// gave something back.
const TRIM_PAUSE: Duration = Duration::from_secs(1);
/// A drift of more than this share of the limit is worth a trim.
const TRIM_SHARE: u64 = 64;
/// The share of the limit from which a small drift is worth one, too.
const NEARLY_FULL_PERCENT: u64 = 85;
/// A drift of so much is worth one then; what is less the next allocations take up.
const TRIM_BYTES: u64 = MIB;
/// One arena of the allocator for so many bytes of the limit: each keeps some of what is freed.
const BYTES_PER_ARENA: u64 = 128 * MIB;

/// Who is told what was measured, and what the engine knows of what was not used yet.
struct Told {
    guard: Weak<MemoryGuard>,
    caches: Weak<CacheMemoryManager>,
    empty_frames: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Told").finish_non_exhaustive()
    }
}

/// Measures the process until dropped.
#[derive(Debug)]
pub struct MemoryWatch {
    told: Arc<OnceLock<Told>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl MemoryWatch {
    /// Starts measuring for a governor, and tells the allocator to keep little; at the start of
    /// the process, before other threads. `root` is `/` in production.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn start(governor: Arc<Governor>, root: &Path) -> std::io::Result<Self> {
        let arenas = (governor.limits().root / BYTES_PER_ARENA).clamp(2, 64);
        if !keep_little_freed_memory(i32::try_from(arenas).unwrap_or(2)) {
            tracing::info!("the allocator cannot be told to keep little of what is freed");
        }
        let (stop, stopped) = channel();
        let root = root.to_path_buf();
        // What the kernel keeps for the process before it begins is no drift.
        let group = Group::new(&root);
        let told = Arc::new(OnceLock::new());
        let heard = Arc::clone(&told);
        let thread = std::thread::Builder::new()
            .name("memory".to_owned())
            .spawn(move || watch(&governor, &root, group, &heard, &stopped))?;
        Ok(Self { told, stop: Some(stop), thread: Some(thread) })
    }

    /// From now on the guard and the caches of an engine are told what is measured, and what they
    /// report is logged.
    pub fn tell(&self, engine: &Engine) {
        let guard = Arc::downgrade(engine.memory_guard());
        let caches = Arc::downgrade(engine.caches());
        let told = Told { guard, caches, empty_frames: engine.empty_frames() };
        if self.told.set(told).is_err() {
            debug_assert!(false, "there is one engine");
        }
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            debug_assert!(false, "the memory watch panicked");
        }
    }
}

fn watch(
    governor: &Governor,
    root: &Path,
    mut group: Group,
    told: &OnceLock<Told>,
    stopped: &Receiver<()>,
) {
    let total = total_memory(root);
    let mut shown = PressureLevel::Normal;
    let mut last_trim = Trim { at: Instant::now(), gave: true };
    let mut readable = true;
    let mut alarm = Alarm::default();
    while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        let (cgroup, beside) = (group.usage(root), group.beside(root));
        let Some(reading) = measure(governor, root, beside, told) else {
            if std::mem::take(&mut readable) {
                tracing::warn!("the process cannot be measured; the last drift stands");
            }
            tell(told, Err("the process's status cannot be read".to_owned()), &mut shown);
            continue;
        };
        readable = true;
        let limit = governor.limits().root;
        let due = alarm.is_due(reading.drift(), limit);
        let reading = if due || reading.trim(limit, last_trim.at.elapsed(), last_trim.gave) {
            // What cannot be given back stays drift; so does what could not be measured again.
            let again =
                release_freed_memory().then(|| measure(governor, root, beside, told)).flatten();
            let after = again.unwrap_or(reading);
            last_trim = Trim::now(reading.anonymous.saturating_sub(after.anonymous));
            after
        } else {
            reading
        };
        governor.set_drift(reading.drift());
        if let Some(raised) = alarm.observe(reading.drift(), limit) {
            tell_drift(told, raised, reading);
        }
        let used = reading.anonymous.saturating_add(reading.beside);
        let measured = total.as_ref().map(|&total| Measurement { total, used, cgroup });
        tell(told, measured.map_err(Clone::clone), &mut shown);
    }
}

/// Bytes that there are: the cgroup's limit, else the machine's memory.
fn total_memory(root: &Path) -> Result<u64, String> {
    let group = cgroup_memory(root).ok().flatten().and_then(|group| group.limit);
    match group {
        Some(limit) => Ok(limit.bytes),
        None => machine_memory(root).map(|machine| machine.total).map_err(|e| e.to_string()),
    }
}

/// Tells the guard what was measured, and an operator what changed by it.
fn tell(told: &OnceLock<Told>, measured: Result<Measurement, String>, shown: &mut PressureLevel) {
    let Some(told) = told.get() else { return };
    let (Some(guard), Some(caches)) = (told.guard.upgrade(), told.caches.upgrade()) else { return };
    observe_caches(&caches);
    guard.observe(measured);
    let Pressure { level, unreclaimable, limit } = guard.pressure();
    if level != *shown {
        let (from, to) = (shown.name(), level.name());
        if level > *shown {
            caches.note_warning();
            tracing::warn!(from, to, unreclaimable, limit, "memory pressure rises");
        } else {
            tracing::info!(from, to, unreclaimable, limit, "memory pressure falls");
        }
        *shown = level;
    }
    if level == PressureLevel::Cleanup && guard.cleanup() {
        tracing::info!("memtables are flushed to give memory back");
    }
    for Overdue { operation, bytes, age } in guard.overdue() {
        let (name, tenant, seconds) = (operation.name, operation.tenant.name(), age.as_secs());
        tracing::warn!(name, tenant, bytes, seconds, "an operation holds memory for long");
    }
}

/// Tells an operator that much is held which nobody reserved, or no more.
fn tell_drift(told: &OnceLock<Told>, raised: bool, reading: Reading) {
    let (drift, Reading { anonymous, beside, base, reserved }) = (reading.drift(), reading);
    if !raised {
        tracing::info!(drift, "hardly anything is held that nobody reserved any more");
        return;
    }
    if let Some(caches) = told.get().and_then(|told| told.caches.upgrade()) {
        caches.note_warning();
    }
    tracing::warn!(drift, anonymous, beside, base, reserved, "much is held that nobody reserved");
}

/// Has the caches look how full they are, and tells an operator what changed.
fn observe_caches(caches: &CacheMemoryManager) {
    caches.observe();
    for CacheLevelChange { from, to } in caches.take_level_changes() {
        let (usage, limit) = (caches.current_usage(), caches.limit());
        let rises = from < to;
        let (from, to) = (from.name(), to.name());
        if rises {
            tracing::warn!(from, to, usage, limit, "the caches fill up");
        } else {
            tracing::info!(from, to, usage, limit, "the caches have room again");
        }
    }
}

/// What the process holds, and what it says that it holds.
#[derive(Debug, Clone, Copy)]
struct Reading {
    anonymous: u64,
    /// What the kernel keeps for the process, beyond what it kept at the start.
    beside: u64,
    base: u64,
    /// But for page frames that hold nothing: room that is kept for them is no room for others.
    reserved: u64,
}

fn measure(
    governor: &Governor,
    root: &Path,
    beside: u64,
    told: &OnceLock<Told>,
) -> Option<Reading> {
    let empty_frames = || told.get().map_or(0, |told| (told.empty_frames)());
    let (before, empty) = (governor.reserved(), empty_frames());
    let memory = process_memory(root).ok()?;
    // What was released while the kernel counted may have been there still, and a frame that was
    // filled meanwhile too.
    let reserved = before.max(governor.reserved()).saturating_sub(empty.min(empty_frames()));
    let anonymous = memory.anonymous.unwrap_or(memory.resident);
    Some(Reading { anonymous, beside, base: governor.limits().base, reserved })
}

impl Reading {
    fn drift(&self) -> u64 {
        let held = self.anonymous.saturating_add(self.beside);
        held.saturating_sub(self.base).saturating_sub(self.reserved)
    }

    /// The part of it that the heap may be able to give back.
    fn of_heap(&self) -> u64 {
        self.anonymous.saturating_sub(self.base).saturating_sub(self.reserved)
    }

    /// Whether the heap is to be trimmed now, so long after the last time, which `gave` something back
    /// or not.
    fn trim(&self, limit: u64, since: Duration, gave: bool) -> bool {
        let full = self.anonymous >= limit / 100 * NEARLY_FULL_PERCENT;
        let least = if full { TRIM_BYTES.min(limit / TRIM_SHARE) } else { limit / TRIM_SHARE };
        self.of_heap() > least && ((full && gave) || since >= TRIM_PAUSE)
    }
}

/// The last trim of the heap.
#[derive(Debug)]
struct Trim {
    at: Instant,
    /// Whether it gave enough back to be worth repeating soon.
    gave: bool,
}

impl Trim {
    fn now(given_back: u64) -> Self {
        Self { at: Instant::now(), gave: given_back >= TRIM_BYTES }
    }
}

#[cfg(test)]
mod tests;
