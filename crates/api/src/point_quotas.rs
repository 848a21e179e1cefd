//! How many points the collections of a tenant may have.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use vectorizer_engine::ticket::{Abandoned, Ticket};
use vectorizer_model::TenantName;

use crate::turn::Turn;

/// The quotas of the tenants that have one.
#[derive(Debug, Default)]
pub(crate) struct PointQuotas(BTreeMap<TenantName, Arc<PointQuota>>);

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
pub(crate) struct PointClaim {
    quota: Arc<PointQuota>,
    points: u64,
    /// Claims of all writes, this one included.
    pub(crate) of_all: u64,
}

/// A write that was submitted, and what it claimed: held until the write is done, whether or not
/// somebody still waits for it.
#[derive(Debug)]
pub(crate) struct Claimed<T> {
    ticket: Ticket<T>,
    claim: Option<PointClaim>,
}

impl PointQuotas {
    pub(crate) fn new(quotas: BTreeMap<TenantName, u64>) -> Self {
        let quota =
            |most| Arc::new(PointQuota { most, claimed: AtomicU64::new(0), turn: Turn::default() });
        Self(quotas.into_iter().map(|(tenant, most)| (tenant, quota(most))).collect())
    }

    /// The quota of a tenant, if it has one.
    pub(crate) fn of(&self, tenant: &str) -> Option<&Arc<PointQuota>> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&TenantName::new(tenant).ok()?)
    }
}

impl PointQuota {
    pub(crate) fn claim(self: &Arc<Self>, points: u64) -> PointClaim {
        let of_all = self.claimed.fetch_add(points, SeqCst) + points;
        PointClaim { quota: Arc::clone(self), points, of_all }
    }
}

impl Drop for PointClaim {
    fn drop(&mut self) {
        self.quota.claimed.fetch_sub(self.points, SeqCst);
    }
}

impl<T> Claimed<T> {
    pub(crate) fn new(ticket: Ticket<T>, claim: Option<PointClaim>) -> Self {
        Self { ticket, claim }
    }
}

impl<T> Future for Claimed<T> {
    type Output = Result<T, Abandoned>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.ticket).poll(cx)
    }
}

impl<T> Drop for Claimed<T> {
    fn drop(&mut self) {
        let Some(claim) = self.claim.take() else { return };
        // Who left early: whoever does the write keeps the waker, and the claim in it, until then. Of
        // a write that is done nobody keeps it.
        let waker = Waker::from(Arc::new(claim));
        drop(Pin::new(&mut self.ticket).poll(&mut Context::from_waker(&waker)));
    }
}

/// To be kept by who does a write; there is nobody to be woken.
impl Wake for PointClaim {
    fn wake(self: Arc<Self>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use vectorizer_engine::ticket::ticket;

    fn claimed(quota: &Arc<PointQuota>) -> u64 {
        quota.claimed.load(SeqCst)
    }

    #[test]
    fn a_claim_stays_until_the_write_is_done_though_its_client_left() {
        let acme = TenantName::new("acme").expect("a name");
        let quotas = PointQuotas::new([(acme, 10)].into());
        let quota = quotas.of("acme").expect("it has one");
        let mut cx = Context::from_waker(Waker::noop());
        let (write, waits) = ticket();
        let mut waits = Claimed::new(waits, Some(quota.claim(4)));
        assert!(Pin::new(&mut waits).poll(&mut cx).is_pending());
        let (never_done, left) = ticket::<u8>();
        drop((waits, Claimed::new(left, Some(quota.claim(2)))));
        assert_eq!((claimed(quota), quota.claim(3).of_all), (6, 9), "both may still be applied");
        write.complete(7);
        assert_eq!(claimed(quota), 2);
        drop(never_done);
        assert_eq!(claimed(quota), 0);
    }

    #[test]
    fn who_waits_gets_the_answer_and_gives_the_claim_back() {
        let quotas = PointQuotas::new([(TenantName::new("acme").expect("a name"), 10)].into());
        let quota = quotas.of("acme").expect("it has one");
        let (write, waits) = ticket();
        let mut waits = Claimed::new(waits, Some(quota.claim(4)));
        write.complete(7);
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(Pin::new(&mut waits).poll(&mut cx), Poll::Ready(Ok(7)));
        assert_eq!(claimed(quota), 4, "until what was told is used");
        drop(waits);
        assert_eq!(claimed(quota), 0);
    }
}
