//! How many points the collections of a tenant may have.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use vectorizer_model::TenantName;

use crate::turn::{Taken, Turn};

/// The quotas of the tenants that have one.
#[derive(Debug, Default)]
pub(crate) struct PointQuotas(BTreeMap<TenantName, PointQuota>);

/// One tenant's quota.
#[derive(Debug)]
pub(crate) struct PointQuota {
    pub(crate) most: u64,
    /// Points that writes under way may add. They are given back once the points are counted, so
    /// that those held and those claimed together are never too few.
    claimed: AtomicU64,
    /// Had by who must look which points of a write are there already.
    pub(crate) turn: Turn,
}

/// What a write may add, until it is done.
#[derive(Debug)]
pub(crate) struct PointClaim<'a> {
    quota: &'a PointQuota,
    points: u64,
    /// Claims of all writes, this one included.
    pub(crate) of_all: u64,
    _turn: Option<Taken<'a>>,
}

impl PointQuotas {
    pub(crate) fn new(quotas: BTreeMap<TenantName, u64>) -> Self {
        let quota = |most| PointQuota { most, claimed: AtomicU64::new(0), turn: Turn::default() };
        Self(quotas.into_iter().map(|(tenant, most)| (tenant, quota(most))).collect())
    }

    /// The quota of a tenant, if it has one.
    pub(crate) fn of(&self, tenant: &str) -> Option<&PointQuota> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&TenantName::new(tenant).ok()?)
    }
}

impl PointQuota {
    pub(crate) fn claim<'a>(&'a self, points: u64, turn: Option<Taken<'a>>) -> PointClaim<'a> {
        let of_all = self.claimed.fetch_add(points, SeqCst) + points;
        PointClaim { quota: self, points, of_all, _turn: turn }
    }
}

impl Drop for PointClaim<'_> {
    fn drop(&mut self) {
        self.quota.claimed.fetch_sub(self.points, SeqCst);
    }
}
