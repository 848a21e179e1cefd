//! What happens when a charge does not fit at once.

use super::{Ask, Books, Bound, Refused, Standing};
use crate::error;
use crate::reclaim::Short;

impl Books {
    /// Charges what fits now.
    pub(crate) fn try_admit(&self, ask: Ask<'_>) -> error::Result<()> {
        self.admit(ask, Self::charge_ordinary)
    }

    /// Charges, after having caches give back if it must.
    pub(crate) fn reclaim_and_admit(&self, ask: Ask<'_>) -> error::Result<()> {
        self.admit(ask, Self::charge_reclaiming)
    }

    /// The same, and from the emergency bytes if nothing else is left.
    pub(crate) fn admit_emergency(&self, ask: Ask<'_>) -> error::Result<()> {
        self.admit(ask, |books, ask| {
            let charged = books.charge_reclaiming(ask);
            charged.or_else(|_| books.charge(ask, Standing::Emergency))
        })
    }

    /// [`Books::transfer`], told as the caller is told.
    pub(crate) fn try_transfer(&self, from: Ask<'_>, to: Ask<'_>) -> error::Result<()> {
        self.transfer(from, to).map_err(|refused| self.error(to, refused))
    }

    fn admit(
        &self,
        ask: Ask<'_>,
        charge: impl FnOnce(&Self, Ask<'_>) -> Result<(), Refused>,
    ) -> error::Result<()> {
        if ask.bytes == 0 {
            return Ok(());
        }
        charge(self, ask).map_err(|refused| self.error(ask, refused))
    }

    fn charge_ordinary(&self, ask: Ask<'_>) -> Result<(), Refused> {
        self.charge(ask, Standing::Ordinary)
    }

    fn charge_reclaiming(&self, ask: Ask<'_>) -> Result<(), Refused> {
        self.hook.retry(|| self.charge_ordinary(ask), |refused| self.reclaimable(ask, refused))
    }

    /// What caches could mend: they make room in the root and in their tenant, for others than
    /// caches.
    fn reclaimable(&self, ask: Ask<'_>, Refused { bound, refusal }: &Refused) -> Option<Short> {
        let can_fit = ask.bytes <= refusal.limit;
        let helps = matches!(bound, Bound::Root | Bound::Tenant) && !ask.class.is_reclaimable();
        (can_fit && helps).then(|| Short { bytes: refusal.short, scope: self.scope(*bound, ask) })
    }
}
