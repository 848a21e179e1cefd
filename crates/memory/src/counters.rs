//! What was admitted, made to wait and refused since the start or the last reset.

use std::collections::VecDeque;

use crate::Class;
use crate::error::{MemoryError, Scope};
use crate::sync::{AtomicU64, Mutex, SeqCst, lock};

/// How many refusals are kept.
const LAST_MAX: usize = 16;

/// Counts of all classes, and the last refusals.
#[derive(Debug)]
pub(crate) struct Counters {
    classes: [ClassCounters; Class::COUNT],
    last: Mutex<VecDeque<MemoryError>>,
}

#[derive(Debug)]
struct ClassCounters {
    admitted: AtomicU64,
    waited: AtomicU64,
    refused: [AtomicU64; Reason::COUNT],
}

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It could never have fitted.
    TooLarge,
    /// The process was full.
    Root,
    /// The caches were full.
    Caches,
    /// The class was full.
    Class,
    /// The tenant was full.
    Tenant,
    /// Too much was held that cannot be reclaimed.
    Pressure,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 6] =
        [Self::TooLarge, Self::Root, Self::Caches, Self::Class, Self::Tenant, Self::Pressure];

    const COUNT: usize = Self::ALL.len();

    /// The name in reports and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Root => "root_full",
            Self::Caches => "caches_full",
            Self::Class => "class_full",
            Self::Tenant => "tenant_full",
            Self::Pressure => "pressure",
        }
    }

    /// The reason of a refused request; none of a refused change.
    fn of(error: &MemoryError) -> Option<Self> {
        match error {
            MemoryError::AllocationTooLarge { .. } => Some(Self::TooLarge),
            MemoryError::InsufficientMemory { scope, .. } => Some(match scope {
                Scope::Root => Self::Root,
                Scope::Caches => Self::Caches,
                Scope::Class(_) | Scope::Operation { .. } => Self::Class,
                Scope::Tenant(_) => Self::Tenant,
            }),
            MemoryError::MemoryPressureTooHigh { .. } => Some(Self::Pressure),
            MemoryError::LimitBelowHeld { .. }
            | MemoryError::SystemError { .. }
            | MemoryError::LimitsChanging
            | MemoryError::ForeignReservation => None,
        }
    }
}

/// What became of the requests of one class since the start or the last reset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// The class.
    pub class: Class,
    /// Requests granted, those on credit and after a wait included.
    pub admitted: u64,
    /// Requests that got in line.
    pub waited: u64,
    /// Requests refused, by reason, in the order of [`Reason::ALL`].
    pub refused: [(Reason, u64); Reason::COUNT],
}

impl Counters {
    pub(crate) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        let classes = std::array::from_fn(|_| ClassCounters {
            admitted: zero(),
            waited: zero(),
            refused: std::array::from_fn(|_| zero()),
        });
        Self { classes, last: Mutex::new(VecDeque::new()) }
    }

    #[inline]
    pub(crate) fn admitted(&self, class: Class) {
        self.classes[class.index()].admitted.fetch_add(1, SeqCst);
    }

    pub(crate) fn admitted_on_credit(&self, class: Class, requests: u64) {
        self.classes[class.index()].admitted.fetch_add(requests, SeqCst);
    }

    pub(crate) fn waited(&self, class: Class) {
        self.classes[class.index()].waited.fetch_add(1, SeqCst);
    }

    pub(crate) fn refused(&self, class: Class, error: &MemoryError) {
        let Some(reason) = Reason::of(error) else { return };
        self.classes[class.index()].refused[reason as usize].fetch_add(1, SeqCst);
        let mut last = lock(&self.last);
        if last.len() == LAST_MAX {
            last.pop_front();
        }
        last.push_back(error.clone());
    }

    /// Counts from zero on; the last refusals stay.
    pub(crate) fn reset(&self) {
        for ClassCounters { admitted, waited, refused } in &self.classes {
            [admitted, waited].into_iter().chain(refused).for_each(|count| count.store(0, SeqCst));
        }
    }

    /// The last refusals, oldest first.
    pub(crate) fn last_refusals(&self) -> Vec<MemoryError> {
        lock(&self.last).iter().cloned().collect()
    }

    /// The counts of a class without what was cut from open credit.
    pub(crate) fn counts(&self, class: Class) -> Counts {
        let ClassCounters { admitted, waited, refused } = &self.classes[class.index()];
        Counts {
            class,
            admitted: admitted.load(SeqCst),
            waited: waited.load(SeqCst),
            refused: Reason::ALL.map(|reason| (reason, refused[reason as usize].load(SeqCst))),
        }
    }
}
