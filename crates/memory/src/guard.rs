//! Admission of operations: each is estimated, reserves that in one piece, and draws what it
//! needs from it.

mod allocation;
mod limits;
mod registry;

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

pub use allocation::{AllocationGuard, Drawn};
pub use limits::{MemoryLimits, OperationId, OperationKind};
pub use registry::{Finished, OperationUsage, Overdue};

use crate::ask::Ask;
use crate::durations::{DurationCounts, Durations};
use crate::error::{MemoryError, Result};
use crate::pressure::{PressureChange, PressureLadder, PressureLevel};
use crate::stats::{Measurement, MemoryStats, ratio};
use crate::sync::{AtomicU64, Mutex, SeqCst, lock};
use crate::{Class, Clock, Governor, Limits, Reservation, Waiting};
use registry::Registry;

/// The least time between two cleanups.
const CLEANUP_PAUSE: Duration = Duration::from_secs(5);

/// What is called when memory is cleaned up. It is held weakly: whoever sets it keeps it alive.
pub type CleanupCallback = Weak<dyn Fn() + Send + Sync>;

/// Admits operations within the budget of a governor.
pub struct MemoryGuard {
    governor: Arc<Governor>,
    registry: Arc<Registry>,
    /// The bound of class `operations` that the governor came with.
    own_cap: u64,
    limits: Mutex<MemoryLimits>,
    ladder: Mutex<PressureLadder>,
    /// The ladder's level, for those who only ask.
    level: AtomicU64,
    measured: Mutex<std::result::Result<Measurement, String>>,
    last_cleanup: Mutex<Option<Duration>>,
    callbacks: Mutex<Vec<CleanupCallback>>,
    waits: Durations,
}

/// Where the ladder stands, and what it goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pressure {
    /// The level.
    pub level: PressureLevel,
    /// Bytes that cannot be reclaimed now.
    pub unreclaimable: u64,
    /// Bytes that the process may hold.
    pub limit: u64,
}

/// A place in line for the bytes of an operation. Dropping it leaves the line.
#[must_use = "dropping it leaves the line"]
#[derive(Debug)]
pub struct WaitingGuard<'a> {
    guard: &'a MemoryGuard,
    operation: OperationId,
    waiting: Option<Waiting>,
    /// None if the bytes were granted at once.
    timing: Option<Timing<'a>>,
}

/// Counts how long it lived.
#[derive(Debug)]
struct Timing<'a> {
    guard: &'a MemoryGuard,
    begun: Duration,
}

impl Drop for Timing<'_> {
    fn drop(&mut self) {
        let now = self.guard.registry.now();
        self.guard.waits.observe(now.saturating_sub(self.begun));
    }
}

impl MemoryGuard {
    /// A guard of no operations. Class `operations` of the governor is bounded by
    /// [`MemoryLimits::max_heap_size`] from now on, unless its own bound is tighter.
    ///
    /// # Errors
    /// Those of [`MemoryGuard::set_limits`].
    pub fn new(
        governor: Arc<Governor>,
        limits: MemoryLimits,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>> {
        let guard = Self {
            own_cap: governor.limits().classes[Class::Operations.index()],
            governor,
            registry: Arc::new(Registry::new(clock)),
            limits: Mutex::new(limits),
            ladder: Mutex::new(PressureLadder::new(limits.lines())),
            level: AtomicU64::new(0),
            measured: Mutex::new(Err("nothing was measured yet".to_owned())),
            last_cleanup: Mutex::new(None),
            callbacks: Mutex::default(),
            waits: Durations::default(),
        };
        guard.set_limits(limits)?;
        Ok(Arc::new(guard))
    }

    /// The budget that it draws on.
    pub fn governor(&self) -> &Arc<Governor> {
        &self.governor
    }

    /// The limits in force.
    pub fn limits(&self) -> MemoryLimits {
        *lock(&self.limits)
    }

    /// Replaces the limits. Operations under way keep theirs.
    ///
    /// # Errors
    /// Operations hold more than [`MemoryLimits::max_heap_size`], or the governor's limits are
    /// being changed; the old limits stand.
    pub fn set_limits(&self, limits: MemoryLimits) -> Result<()> {
        let now = self.governor.limits();
        let capped = self.capped(now, &limits);
        if capped != now {
            self.governor.set_limits(capped)?;
        }
        self.publish(limits);
        Ok(())
    }

    /// Replaces the governor's limits, and those of operations that follow from them, all or none.
    /// Caches give back what is held beyond them; then `then` has its say within the new limits, and
    /// its refusal takes them back.
    ///
    /// # Errors
    /// Those of [`Governor::set_limits`] and of `then`; the old limits stand.
    pub fn set_governor_limits<E: From<MemoryError>>(
        &self,
        limits: Limits,
        then: impl FnOnce() -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let own = self.limits().moved(self.governor.limits().root, limits.root);
        self.governor.set_limits_and(self.capped(limits, &own), then)?;
        self.publish(own);
        Ok(())
    }

    /// The governor's limits with what operations may hold together.
    fn capped(&self, limits: Limits, own: &MemoryLimits) -> Limits {
        let heap = own.max_heap_size;
        // More than the root is no bound of its own.
        let cap = if heap < limits.root { heap.min(self.own_cap) } else { self.own_cap };
        limits.with_class(Class::Operations, cap)
    }

    fn publish(&self, limits: MemoryLimits) {
        *lock(&self.limits) = limits;
        lock(&self.ladder).set_lines(limits.lines());
    }

    /// Reserves what an operation is estimated to need, in one piece.
    ///
    /// # Errors
    /// [`MemoryError::AllocationTooLarge`] if an operation of its kind may never hold as much;
    /// [`MemoryError::MemoryPressureTooHigh`] if a cleanup did not help; the refusals of
    /// [`Governor::reserve`]. Nothing is charged.
    pub fn request_allocation(&self, operation: OperationId, size: u64) -> Result<AllocationGuard> {
        self.check(&operation, size)?;
        let (class, tenant) = (class_of(operation.kind), &operation.tenant);
        let held = if operation.frees {
            self.governor.reserve_emergency(class, tenant, size)?
        } else {
            self.governor.reserve(class, tenant, size)?
        };
        Ok(self.guard_of(operation, held))
    }

    /// The same for an operation that waits for its turn if the bytes do not fit now. The caller
    /// races it with a timer, as [`Waiting`] says.
    ///
    /// # Errors
    /// Those of [`MemoryGuard::request_allocation`] that waiting cannot mend.
    pub fn wait_for(&self, operation: OperationId, size: u64) -> Result<WaitingGuard<'_>> {
        self.check(&operation, size)?;
        let class = class_of(operation.kind);
        let waiting = self.governor.wait_for(class, &operation.tenant, size)?;
        let begin = || Timing { guard: self, begun: self.registry.now() };
        let timing = waiting.is_in_line().then(begin);
        Ok(WaitingGuard { guard: self, operation, waiting: Some(waiting), timing })
    }

    fn guard_of(&self, operation: OperationId, held: Reservation) -> AllocationGuard {
        AllocationGuard::new(&self.governor, &self.registry, operation, self.limits(), held)
    }

    fn check(&self, operation: &OperationId, size: u64) -> Result<()> {
        let limits = self.limits();
        if size > limits.max_of(operation.kind) {
            let class = class_of(operation.kind);
            let ask = Ask { class, tenant: &operation.tenant, bytes: size };
            return Err(limits.refuse(&self.governor, operation.kind, ask));
        }
        if operation.frees || self.level() < PressureLevel::Cleanup {
            return Ok(());
        }
        self.cleanup();
        self.climb();
        if self.level() < PressureLevel::Cleanup {
            return Ok(());
        }
        let Pressure { unreclaimable, limit, .. } = self.pressure();
        Err(self.governor.note_refused(MemoryError::MemoryPressureTooHigh {
            unreclaimable,
            limit,
            class: class_of(operation.kind),
            holders: self.governor.unreclaimable_holders(),
        }))
    }

    /// Takes in a measurement, or why there is none: then the books alone say what is held.
    /// Drift is given to the governor before.
    pub fn observe(
        &self,
        measured: std::result::Result<Measurement, String>,
    ) -> Option<PressureChange> {
        *lock(&self.measured) = measured;
        self.climb()
    }

    fn climb(&self) -> Option<PressureChange> {
        let mut ladder = lock(&self.ladder);
        let change = ladder.observe(self.governor.unreclaimable(), self.governor.limits().root);
        self.level.store(ladder.level() as u64, SeqCst);
        change
    }

    /// Where the ladder stands.
    pub fn pressure(&self) -> Pressure {
        Pressure {
            level: self.level(),
            unreclaimable: self.governor.unreclaimable(),
            limit: self.governor.limits().root,
        }
    }

    fn level(&self) -> PressureLevel {
        let level = usize::try_from(self.level.load(SeqCst)).unwrap_or(usize::MAX);
        PressureLevel::ALL.get(level).copied().unwrap_or_default()
    }

    /// Whether background work that takes memory, merges and builds, is to wait.
    pub fn pauses_background(&self) -> bool {
        self.level() >= PressureLevel::Critical
    }

    /// Has `callback` called whenever memory is cleaned up.
    pub fn on_cleanup(&self, callback: CleanupCallback) {
        let mut callbacks = lock(&self.callbacks);
        callbacks.retain(|known| known.strong_count() > 0);
        callbacks.push(callback);
    }

    /// Has credit taken back and all callbacks called, unless that was done a moment ago. Returns
    /// whether it was done now.
    pub fn cleanup(&self) -> bool {
        let now = self.registry.now();
        let mut last = lock(&self.last_cleanup);
        if last.is_some_and(|last| now < last.saturating_add(CLEANUP_PAUSE)) {
            return false;
        }
        *last = Some(now);
        drop(last);
        self.governor.recall();
        let callbacks: Vec<_> = lock(&self.callbacks).iter().filter_map(Weak::upgrade).collect();
        for callback in &callbacks {
            callback();
        }
        true
    }

    /// Operations that are under way for more than five minutes, each told once; their bytes stay
    /// charged. Builds are exempt.
    pub fn overdue(&self) -> Vec<Overdue> {
        self.registry.overdue()
    }

    /// What operations of a kind used since the start.
    pub fn usage(&self, kind: OperationKind) -> OperationUsage {
        self.registry.usage(kind)
    }

    /// How long operations waited in line, those that gave up included.
    pub fn waits(&self) -> DurationCounts {
        self.waits.counts()
    }

    /// Counts waits from zero on.
    pub fn reset_waits(&self) {
        self.waits.reset();
    }

    /// How full memory is, and what operations under way hold.
    ///
    /// # Errors
    /// [`MemoryError::SystemError`]: the last measurement could not be read.
    pub fn memory_stats(&self) -> Result<MemoryStats> {
        let measured = lock(&self.measured).clone();
        let Measurement { total, used, cgroup } = measured.map_err(|cause| {
            let holders = self.governor.top_holders();
            MemoryError::SystemError { cause, holders }
        })?;
        let (tracked_allocations, allocation_count) = self.registry.held();
        let Pressure { unreclaimable, limit, .. } = self.pressure();
        Ok(MemoryStats {
            total_system: total,
            used_system: used,
            cgroup,
            tracked_allocations,
            allocation_count,
            usage_ratio: ratio(used, total),
            limit_ratio: ratio(unreclaimable, limit),
        })
    }
}

fn class_of(kind: OperationKind) -> Class {
    match kind {
        OperationKind::Search
        | OperationKind::Write
        | OperationKind::Scroll
        | OperationKind::Facet => Class::Operations,
        OperationKind::Build => Class::Builds,
    }
}

impl WaitingGuard<'_> {
    /// Leaves the line. Returns the bytes if they were granted meanwhile, or fit now.
    ///
    /// # Errors
    /// The refusal of now.
    pub fn give_up(mut self) -> Result<AllocationGuard> {
        let Some(waiting) = self.waiting.take() else { unreachable!("it is consumed by its end") };
        let held = waiting.give_up()?;
        Ok(self.guard.guard_of(self.operation, held))
    }
}

impl Future for WaitingGuard<'_> {
    type Output = Result<AllocationGuard>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(waiting) = self.waiting.as_mut() else { unreachable!("polled after its end") };
        let Poll::Ready(granted) = Pin::new(waiting).poll(context) else { return Poll::Pending };
        self.waiting = None;
        drop(self.timing.take());
        Poll::Ready(granted.map(|held| self.guard.guard_of(self.operation.clone(), held)))
    }
}

impl fmt::Debug for MemoryGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryGuard")
            .field("limits", &self.limits())
            .field("pressure", &self.pressure())
            .finish_non_exhaustive()
    }
}
