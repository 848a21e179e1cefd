//! What happens when a charge does not fit at once.

use std::sync::Arc;

use super::{Ask, Books, Bound, Refused, Standing};
use crate::error;
use crate::queue::{Outcome, Seat};
use crate::reclaim::Short;

impl Books {
    /// Charges what fits now.
    pub(crate) fn try_admit(&self, ask: Ask<'_>) -> error::Result<()> {
        self.admit(ask, Self::charge_ordinary)
    }

    /// Charges, after having caches give back if it must.
    #[inline]
    pub(crate) fn reclaim_and_admit(&self, ask: Ask<'_>) -> error::Result<()> {
        if self.cut(ask) { Ok(()) } else { self.admit(ask, Self::charge_reclaiming) }
    }

    /// The same, and from the emergency bytes if nothing else is left.
    pub(crate) fn admit_emergency(&self, ask: Ask<'_>) -> error::Result<()> {
        if self.charge_reclaiming(ask).is_ok() {
            return Ok(());
        }
        self.charge(ask, Standing::Emergency).map_err(|refused| {
            self.serve();
            self.error(ask, refused)
        })?;
        self.counters.admitted(ask.class);
        Ok(())
    }

    /// Charges, after having caches give back if it must, or gets in line.
    pub(crate) fn admit_or_join(&self, ask: Ask<'_>) -> error::Result<Option<Arc<Seat>>> {
        let Err(_full) = self.charge_reclaiming(ask) else { return Ok(None) };
        if let Some(refused) = self.never(ask) {
            return Err(self.error(ask, refused));
        }
        let seat = Seat::new(ask);
        self.counters.waited(ask.class);
        self.queue.join(&seat);
        // What was given back before it joined was not kept for it, nor is what is on credit.
        self.recall();
        self.serve();
        Ok(Some(seat))
    }

    /// Leaves the line. Returns whether the bytes were charged before it left.
    pub(crate) fn leave(&self, seat: &Arc<Seat>) -> bool {
        self.queue.leave(seat);
        // It may have stopped those behind.
        self.serve();
        matches!(*seat.outcome(), Outcome::Granted)
    }

    /// [`Books::transfer`], told as the caller is told.
    pub(crate) fn try_transfer(&self, from: Ask<'_>, to: Ask<'_>) -> error::Result<()> {
        let mut moved = self.transfer(from, to);
        if moved.is_err() && self.recall() > 0 {
            moved = self.transfer(from, to);
        }
        moved.map_err(|refused| {
            self.serve();
            self.error(to, refused)
        })
    }

    fn admit(
        &self,
        ask: Ask<'_>,
        charge: impl FnOnce(&Self, Ask<'_>) -> Result<(), Refused>,
    ) -> error::Result<()> {
        charge(self, ask).map_err(|refused| self.error(ask, self.never(ask).unwrap_or(refused)))
    }

    fn charge_reclaiming(&self, ask: Ask<'_>) -> Result<(), Refused> {
        self.hook.retry(|| self.charge_ordinary(ask), |refused| self.reclaimable(ask, refused))
    }

    fn charge_ordinary(&self, ask: Ask<'_>) -> Result<(), Refused> {
        if ask.bytes == 0 || self.cut(ask) || self.draw(ask) {
            return Ok(());
        }
        let mut charged = self.charge(ask, Standing::Ordinary);
        // No cache holds credit, so it makes no room among them.
        if charged.is_err_and(|refused| refused.bound != Bound::Caches) && self.recall() > 0 {
            charged = self.charge(ask, Standing::Ordinary);
        }
        match charged {
            Ok(()) => self.counters.admitted(ask.class),
            // What the charge held on the way may have kept one in line waiting.
            Err(_) => self.serve(),
        }
        charged
    }

    /// What caches could mend: they make room in the root and in their tenant, for others than
    /// caches.
    fn reclaimable(&self, ask: Ask<'_>, Refused { bound, refusal }: &Refused) -> Option<Short> {
        let helps = matches!(bound, Bound::Root | Bound::Tenant) && !ask.class.is_reclaimable();
        (helps && self.never(ask).is_none())
            .then(|| Short { bytes: refusal.short, scope: self.scope(*bound, ask) })
    }
}
