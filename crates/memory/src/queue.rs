//! Those who wait for room, first come first served.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use crate::ask::{Ask, Bound, Refused};
use crate::sync::{AtomicU64, Mutex, MutexGuard, SeqCst, lock};
use crate::{Class, Tenant};

/// The line. Whoever gives back serves it, so that nobody has to look whether there is room.
///
/// Nobody passes one who needs the same: the first who does not fit into the root stops all
/// behind, and who does not fit into a class or tenant stops those of the same. What the first
/// of them asks for is kept from newcomers, except of tenants.
#[derive(Debug)]
pub(crate) struct Queue {
    line: Mutex<VecDeque<Arc<Seat>>>,
    /// The line's length, to be read without the lock.
    waiting: AtomicU64,
    root_claim: AtomicU64,
    class_claims: [AtomicU64; Class::COUNT],
}

/// One place in the line.
#[derive(Debug)]
pub(crate) struct Seat {
    class: Class,
    tenant: Tenant,
    bytes: u64,
    outcome: Mutex<Outcome>,
}

/// How it stands with a seat.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// In line; the last who asked is woken.
    Waiting(Option<Waker>),
    /// Charged, and out of the line.
    Granted,
    /// Never to be charged, because a limit was lowered, and out of the line.
    Refused,
}

impl Seat {
    pub(crate) fn new(Ask { class, tenant, bytes }: Ask<'_>) -> Arc<Self> {
        let outcome = Mutex::new(Outcome::Waiting(None));
        Arc::new(Self { class, tenant: tenant.clone(), bytes, outcome })
    }

    pub(crate) fn ask(&self) -> Ask<'_> {
        Ask { class: self.class, tenant: &self.tenant, bytes: self.bytes }
    }

    pub(crate) fn outcome(&self) -> MutexGuard<'_, Outcome> {
        lock(&self.outcome)
    }

    /// Whom to wake.
    fn settle(&self, outcome: Outcome) -> Option<Waker> {
        match std::mem::replace(&mut *self.outcome(), outcome) {
            Outcome::Waiting(waker) => waker,
            Outcome::Granted | Outcome::Refused => None,
        }
    }
}

/// What those at the front keep from those behind.
#[derive(Default)]
struct Kept {
    root: u64,
    classes: [u64; Class::COUNT],
    stopped: [bool; Class::COUNT],
    tenants: Vec<Tenant>,
}

impl Kept {
    fn stops(&self, ask: Ask<'_>) -> bool {
        self.root > 0 || self.stopped[ask.class.index()] || self.tenants.contains(ask.tenant)
    }

    fn keep(&mut self, bound: Bound, ask: Ask<'_>) {
        match bound {
            Bound::Root => self.root = ask.bytes,
            Bound::Tenant => self.tenants.push(ask.tenant.clone()),
            Bound::Caches => self.stopped[ask.class.index()] = true,
            Bound::Class => {
                self.stopped[ask.class.index()] = true;
                self.classes[ask.class.index()] = ask.bytes;
            }
        }
    }
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self {
            line: Mutex::new(VecDeque::new()),
            waiting: AtomicU64::new(0),
            root_claim: AtomicU64::new(0),
            class_claims: [const { AtomicU64::new(0) }; Class::COUNT],
        }
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(SeqCst)
    }

    /// Bytes of the root kept from newcomers.
    pub(crate) fn root_claim(&self) -> u64 {
        self.root_claim.load(SeqCst)
    }

    /// Bytes of a class kept from newcomers.
    pub(crate) fn class_claim(&self, class: Class) -> u64 {
        self.class_claims[class.index()].load(SeqCst)
    }

    /// Goes to the end. The caller serves then: what was given back before is not told again.
    pub(crate) fn join(&self, seat: &Arc<Seat>) {
        let mut line = lock(&self.line);
        line.push_back(Arc::clone(seat));
        self.waiting.store(line.len() as u64, SeqCst);
    }

    /// Leaves the line, if it is still there. The caller serves then: it may have stopped others.
    pub(crate) fn leave(&self, seat: &Arc<Seat>) {
        let mut line = lock(&self.line);
        line.retain(|other| !Arc::ptr_eq(other, seat));
        self.waiting.store(line.len() as u64, SeqCst);
        if line.is_empty() {
            self.publish(&Kept::default());
        }
    }

    /// Charges whoever fits, in order, and wakes them.
    pub(crate) fn serve(&self, charge: impl Fn(Ask<'_>) -> Result<(), Refused>) {
        let mut woken = Vec::new();
        let mut line = lock(&self.line);
        let mut kept = Kept::default();
        line.retain(|seat| {
            let ask = seat.ask();
            if kept.stops(ask) {
                return true;
            }
            let outcome = match charge(ask) {
                Ok(()) => Outcome::Granted,
                Err(Refused { refusal, .. }) if ask.bytes > refusal.limit => Outcome::Refused,
                Err(Refused { bound, .. }) => {
                    kept.keep(bound, ask);
                    return true;
                }
            };
            woken.extend(seat.settle(outcome));
            false
        });
        self.waiting.store(line.len() as u64, SeqCst);
        self.publish(&kept);
        drop(line);
        // A waker may run anything, so no lock is held.
        woken.into_iter().for_each(Waker::wake);
    }

    /// The caller holds the line.
    fn publish(&self, kept: &Kept) {
        self.root_claim.store(kept.root, SeqCst);
        for (claim, bytes) in self.class_claims.iter().zip(kept.classes) {
            claim.store(bytes, SeqCst);
        }
    }
}
