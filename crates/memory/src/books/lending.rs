//! Small reservations on credit.

use std::sync::Arc;

use super::{Ask, Books};
use crate::account::View;
use crate::ask::Standing;
use crate::credit::{CREDIT_BYTES, Closed, ROOT_SHARE, Slot};
use crate::tenant::TenantAccount;
use crate::{Class, Tenant};

impl Books {
    /// Cuts a small charge from this thread's credit, if that does.
    #[inline]
    pub(super) fn cut(&self, ask: Ask<'_>) -> bool {
        self.credit(ask).is_some_and(|slot| slot.take(ask.bytes))
    }

    /// Gives bytes back, to this thread's credit if that is open.
    #[inline]
    pub(crate) fn give_back(&self, ask: Ask<'_>) {
        let given = self.credit(ask).is_some_and(|slot| slot.give(ask.bytes));
        if !given && ask.bytes > 0 {
            self.release(ask);
        }
    }

    /// This thread's credit for small requests of that kind, if there is any.
    #[inline]
    fn credit<'a>(&'a self, ask: Ask<'a>) -> Option<Slot<'a>> {
        let small = ask.bytes <= CREDIT_BYTES && !ask.class.is_reclaimable();
        if small { self.account(ask.tenant).credit.slot(ask.class) } else { None }
    }

    /// Charges a whole credit, of which a small request is cut and the rest left for later.
    /// Returns false if there is no credit to be had; nothing is charged then.
    pub(super) fn draw(&self, ask: Ask<'_>) -> bool {
        // What is left for later would be kept from who is in line.
        if ask.bytes > CREDIT_BYTES || ask.class.is_reclaimable() || self.queue.waiting() > 0 {
            return false;
        }
        // Nothing is built for a tenant that gets no credit.
        let opens = !self.account(ask.tenant).credit.slot(ask.class).is_some_and(Slot::is_open);
        if opens && !self.count_open() {
            return false;
        }
        let whole = Ask { bytes: CREDIT_BYTES, ..ask };
        if self.charge(whole, Standing::Ordinary).is_err() {
            if opens {
                self.open_credit.release(CREDIT_BYTES);
            }
            self.serve();
            return false;
        }
        let slot = self.account(ask.tenant).credit.slot_or_new(ask.class);
        let rest = CREDIT_BYTES - ask.bytes;
        let kept = if opens { slot.open(rest) } else { slot.give(rest) };
        if !kept {
            // Another thread opened, filled or closed it meanwhile.
            if opens {
                self.open_credit.release(CREDIT_BYTES);
            }
            self.release(Ask { bytes: rest, ..ask });
        }
        self.counters.admitted(ask.class);
        if self.queue.waiting() > 0 {
            // Who got in line meanwhile may not have seen it.
            self.close(ask.class, ask.tenant, slot);
        }
        true
    }

    /// Counts one more open slot, if the root allows for it.
    fn count_open(&self) -> bool {
        let most = self.root.limit() / ROOT_SHARE;
        self.open_credit.try_charge(CREDIT_BYTES, |_| View::whole(most)).is_ok()
    }

    /// Takes all credit back. Returns how many bytes it was.
    pub(crate) fn recall(&self) -> u64 {
        if self.open_credit.used() == 0 {
            return 0;
        }
        let accounts = self.accounts();
        accounts.iter().map(|account| self.recall_of(account)).sum()
    }

    /// Takes a tenant's credit back. Returns how many bytes it was.
    pub(super) fn recall_of(&self, account: &Arc<TenantAccount>) -> u64 {
        let system = Arc::ptr_eq(account, &self.system);
        let tenant = Tenant((!system).then(|| Arc::clone(account)));
        let slots = account.credit.slots();
        slots.map(|(class, slot)| self.close(class, &tenant, slot)).sum()
    }

    fn close(&self, class: Class, tenant: &Tenant, slot: Slot<'_>) -> u64 {
        let Closed { bytes, open, cuts } = slot.close();
        self.counters.admitted_on_credit(class, cuts);
        if open {
            self.open_credit.release(CREDIT_BYTES);
            self.release(Ask { class, tenant, bytes });
        }
        bytes
    }
}
