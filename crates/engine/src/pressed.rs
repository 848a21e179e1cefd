//! Whose memory is short: what is flushed though it is not due, and closed.

use std::collections::BTreeSet;
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vectorizer_memory::Tenant;

/// Whose memory was short since the flusher looked last.
#[derive(Debug, Default)]
pub(crate) struct Pressed(Mutex<Whose>);

/// Whose memory is short.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Whose {
    /// The process's.
    pub(crate) all: bool,
    /// That of tenants who are at their limit.
    pub(crate) tenants: BTreeSet<Arc<str>>,
}

impl Pressed {
    /// The memory of the process is short, or that of a tenant.
    pub(crate) fn note(&self, tenant: Option<&Arc<str>>) {
        let mut whose = self.lock();
        whose.all |= tenant.is_none();
        whose.tenants.extend(tenant.cloned());
    }

    pub(crate) fn take(&self) -> Whose {
        take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Whose> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Whose {
    /// Whether what a tenant holds is wanted back.
    pub(crate) fn includes(&self, tenant: &Tenant) -> bool {
        self.all || self.tenants.contains(tenant.name())
    }
}
