//! The bytes of one operation, and what it uses of them.

use std::sync::Arc;

use vectorizer_model::{Budget, BudgetExceeded};

use super::limits::{MemoryLimits, OperationId};
use super::registry::Registry;
use crate::ask::Ask;
use crate::error::{MemoryError, Result};
use crate::sync::{Mutex, lock};
use crate::{Class, Governor, Reservation};

/// The bytes of one operation: its estimate, reserved in one piece, and what it needs beyond.
///
/// A clone is the same operation's; when the last of them and of what was drawn is dropped, all
/// bytes are given back. There is no other release.
#[must_use = "dropping it releases its bytes"]
#[derive(Debug, Clone)]
pub struct AllocationGuard(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    governor: Arc<Governor>,
    registry: Arc<Registry>,
    operation: OperationId,
    class: Class,
    number: u64,
    estimate: u64,
    limits: MemoryLimits,
    pool: Mutex<Pool>,
}

#[derive(Debug)]
struct Pool {
    held: Reservation,
    used: u64,
    peak: u64,
}

/// Bytes in use; dropping them gives them back to the operation they came from, or to the
/// governor if they came from none.
#[must_use = "dropping them gives them back"]
#[derive(Debug)]
pub struct Drawn(Source);

#[derive(Debug)]
enum Source {
    Operation { of: Arc<Shared>, bytes: u64 },
    Governor(Reservation),
}

impl AllocationGuard {
    pub(super) fn new(
        governor: &Arc<Governor>,
        registry: &Arc<Registry>,
        operation: OperationId,
        limits: MemoryLimits,
        held: Reservation,
    ) -> Self {
        let estimate = held.bytes();
        Self(Arc::new(Shared {
            governor: Arc::clone(governor),
            registry: Arc::clone(registry),
            number: registry.begin(operation.clone(), estimate),
            operation,
            class: held.class(),
            estimate,
            limits,
            pool: Mutex::new(Pool { held, used: 0, peak: 0 }),
        }))
    }

    /// Takes `bytes` into use: of those that the operation holds unused, and beyond those from
    /// the governor.
    ///
    /// # Errors
    /// [`MemoryError::AllocationTooLarge`] if the operation would then use more than one of its
    /// kind may; the refusals of [`Governor::reserve`]. Nothing changed.
    pub fn draw(&self, bytes: u64) -> Result<Drawn> {
        self.0.take(bytes)?;
        Ok(Drawn(Source::Operation { of: Arc::clone(&self.0), bytes }))
    }

    /// Which operation it is.
    pub fn operation(&self) -> &OperationId {
        &self.0.operation
    }

    /// Bytes that were reserved when it began.
    pub fn estimate(&self) -> u64 {
        self.0.estimate
    }

    /// Bytes held, in use or not.
    pub fn bytes(&self) -> u64 {
        lock(&self.0.pool).held.bytes()
    }

    /// Bytes in use.
    pub fn used(&self) -> u64 {
        lock(&self.0.pool).used
    }

    /// The most that were in use at once.
    pub fn peak(&self) -> u64 {
        lock(&self.0.pool).peak
    }
}

impl Shared {
    fn take(&self, bytes: u64) -> Result<()> {
        let mut more: Option<Reservation> = None;
        loop {
            let mut pool = lock(&self.pool);
            if let Some(more) = &mut more {
                // The same class, tenant and governor: nothing moves that could be refused.
                pool.held.merge(more)?;
            }
            let used = pool.used.saturating_add(bytes);
            if used > self.limits.max_of(self.operation.kind) {
                let refused = self.too_large(used);
                let unused = pool.release_unused(self.estimate);
                drop(pool);
                drop(unused);
                return Err(refused);
            }
            let short = used.saturating_sub(pool.held.bytes());
            if short == 0 {
                pool.used = used;
                pool.peak = pool.peak.max(used);
                let held = pool.held.bytes();
                drop(pool);
                if more.is_some() {
                    self.registry.set_bytes(self.number, held);
                }
                return Ok(());
            }
            drop(pool);
            // Without the lock: caches may be asked to give back, and others woken.
            more = Some(self.reserve(short)?);
        }
    }

    fn reserve(&self, bytes: u64) -> Result<Reservation> {
        let OperationId { tenant, frees, .. } = &self.operation;
        if *frees {
            self.governor.reserve_emergency(self.class, tenant, bytes)
        } else {
            self.governor.reserve(self.class, tenant, bytes)
        }
    }

    fn too_large(&self, requested: u64) -> MemoryError {
        let OperationId { kind, tenant, .. } = &self.operation;
        let ask = Ask { class: self.class, tenant, bytes: requested };
        self.limits.refuse(&self.governor, *kind, ask)
    }

    /// Takes bytes that are in use out of what the operation holds.
    fn detach(&self, bytes: u64) -> Reservation {
        let mut pool = lock(&self.pool);
        pool.used = pool.used.saturating_sub(bytes);
        let detached = pool.held.split(bytes);
        let held = pool.held.bytes();
        drop(pool);
        self.registry.set_bytes(self.number, held);
        detached
    }

    /// Takes bytes out of use; those beyond the estimate go back at once.
    fn put_back(&self, bytes: u64) {
        let mut pool = lock(&self.pool);
        debug_assert!(bytes <= pool.used, "{bytes} bytes put back, {} in use", pool.used);
        pool.used = pool.used.saturating_sub(bytes);
        let unused = pool.release_unused(self.estimate);
        let held = pool.held.bytes();
        drop(pool);
        if unused.is_some() {
            self.registry.set_bytes(self.number, held);
        }
    }
}

impl Pool {
    /// What is held beyond the estimate and not in use, to be dropped without the lock.
    fn release_unused(&mut self, estimate: u64) -> Option<Reservation> {
        let unused = self.held.bytes().saturating_sub(self.used.max(estimate));
        (unused > 0).then(|| self.held.split(unused))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let peak = lock(&self.pool).peak;
        self.registry.end(self.number, self.estimate, peak);
    }
}

impl Drawn {
    /// Bytes in use.
    pub fn bytes(&self) -> u64 {
        match &self.0 {
            Source::Operation { bytes, .. } => *bytes,
            Source::Governor(held) => held.bytes(),
        }
    }

    /// Takes `bytes` more into use, all or nothing.
    ///
    /// # Errors
    /// Those of [`AllocationGuard::draw`]; what is in use stays so.
    pub fn try_grow(&mut self, bytes: u64) -> Result<()> {
        match &mut self.0 {
            Source::Operation { of, bytes: drawn } => {
                of.take(bytes)?;
                *drawn += bytes;
                Ok(())
            }
            Source::Governor(held) => held.try_grow(bytes),
        }
    }

    /// The same bytes as a reservation of their own: charged on when the operation has ended.
    pub fn detach(mut self) -> Reservation {
        match &mut self.0 {
            Source::Operation { of, bytes } => of.detach(std::mem::take(bytes)),
            Source::Governor(held) => held.split(held.bytes()),
        }
    }

    /// Takes `bytes` out of use; more than are in use is a bug of the caller.
    pub fn shrink(&mut self, bytes: u64) {
        match &mut self.0 {
            Source::Operation { of, bytes: drawn } => {
                debug_assert!(bytes <= *drawn, "{bytes} bytes put back, {drawn} drawn");
                let bytes = bytes.min(*drawn);
                *drawn -= bytes;
                of.put_back(bytes);
            }
            Source::Governor(held) => held.shrink(bytes),
        }
    }
}

impl Budget for Drawn {
    fn try_grow(&mut self, bytes: u64) -> std::result::Result<(), BudgetExceeded> {
        Self::try_grow(self, bytes).map_err(|refusal| refusal.exceeded(bytes))
    }

    fn shrink(&mut self, bytes: u64) {
        Self::shrink(self, bytes);
    }

    fn held(&self) -> u64 {
        self.bytes()
    }
}

impl From<Reservation> for Drawn {
    /// Bytes of no operation.
    fn from(held: Reservation) -> Self {
        Self(Source::Governor(held))
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        if let Source::Operation { of, bytes } = &self.0 {
            of.put_back(*bytes);
        }
    }
}
