//! What single parts promise to the rest, each in one order of threads.

use crate::account::{Account, BYTES_MAX, Refusal, View};
use crate::credit::{CREDIT_BYTES, Closed, Credit};
use crate::{Class, once};

fn beside(unreserved: u64) -> impl Fn(u64) -> View {
    move |limit| View { most: limit, now: limit - unreserved }
}

#[test]
fn a_charge_counts_what_nobody_reserved() {
    once(|| {
        let account = Account::new(90);
        assert_eq!(account.try_charge(40, beside(20)), Ok(40));
        let refusal = Refusal { limit: 90, available: 30, short: 1 };
        assert_eq!(account.try_charge(31, beside(20)), Err(refusal));
        assert_eq!(account.try_charge(30, beside(20)), Ok(70));
        assert_eq!((account.used(), account.peak()), (70, 0), "others may refuse yet");
        account.raise_peak(70);
        account.raise_peak(40);
        account.release(70);
        assert_eq!((account.used(), account.peak()), (0, 70));
    });
}

#[test]
fn what_is_short_counts_what_is_held_too_much_already() {
    once(|| {
        let account = Account::new(90);
        assert_eq!(account.try_charge(80, View::whole), Ok(80));
        let refusal = Refusal { limit: 90, available: 0, short: 15 };
        assert_eq!(account.try_charge(5, beside(20)), Err(refusal));
    });
}

#[test]
fn sums_do_not_wrap() {
    once(|| {
        let account = Account::new(u64::MAX);
        assert!(account.try_charge(BYTES_MAX + 1, View::whole).is_err());
        assert_eq!(account.try_charge(BYTES_MAX, View::whole), Ok(BYTES_MAX));
        assert!(account.try_charge(1, View::whole).is_err());
        assert!(account.try_charge(u64::MAX, View::whole).is_err());
        account.set_limit(u64::MAX);
        assert_eq!(account.used(), BYTES_MAX, "the count of limits is apart");
    });
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "2 bytes released, 1 held")]
fn underflow_is_loud() {
    once(|| {
        let account = Account::new(10);
        account.try_charge(1, View::whole).unwrap();
        account.release(2);
    });
}

#[test]
fn a_slot_holds_its_bytes_and_counts_what_was_cut() {
    once(|| {
        let credit = Credit::default();
        assert!(credit.slot(Class::Text).is_none());
        let slot = credit.slot_or_new(Class::Text);
        assert!(!slot.take(1) && !slot.give(1));
        assert!(slot.open(CREDIT_BYTES - 10) && !slot.open(1));
        assert!(slot.give(10) && !slot.give(1));
        assert!(slot.take(CREDIT_BYTES) && !slot.take(1));
        assert!(slot.give(7));
        assert_eq!(slot.close(), Closed { bytes: 7, open: true, cuts: 1 });
        assert_eq!(slot.close(), Closed { bytes: 0, open: false, cuts: 0 });
    });
}
