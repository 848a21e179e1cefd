//! One case per promise.

use vectorizer_memory::{Class, Governor, Limits, MemoryError, Scope, Tenant};
use vectorizer_model::Budget;

#[test]
fn a_charge_goes_to_root_class_and_tenant_and_comes_back() {
    let governor = Governor::new(Limits::of_root(100));
    let acme = governor.tenant("acme");
    let held = governor.reserve(Class::Builds, &acme, 60).unwrap();
    let usage = governor.usage();
    assert_eq!((usage.root, usage.available, usage.peak), (60, 40, 60));
    assert_eq!(usage.classes[Class::Builds.index()], (Class::Builds, 60));
    assert_eq!(&*usage.tenants[0].name, "acme");
    drop(held);
    assert_eq!((governor.reserved(), governor.peak()), (0, 60));
    assert!(governor.usage().tenants.is_empty());
}

#[test]
fn the_same_name_is_the_same_tenant() {
    let governor = Governor::new(Limits::of_root(100));
    assert_eq!(governor.tenant("a"), governor.tenant("a"));
    assert_ne!(governor.tenant("a"), governor.tenant("b"));
    assert_eq!(governor.tenant("system"), Tenant::system());
}

#[test]
fn a_refusal_names_scope_holders_and_mend() {
    let governor = Governor::new(Limits::of_root(100).with_class(Class::Text, 30));
    let acme = governor.tenant("acme");
    let _pages = governor.reserve(Class::IndexPages, &acme, 70).unwrap();
    let refused = governor.reserve(Class::Operations, &acme, 40).unwrap_err();
    assert_eq!(refused.code(), "insufficient_memory");
    assert_eq!(
        refused.to_string(),
        "40 B requested for operations of acme, 30 B available in the process, held by \
         index_pages of acme 70 B; retry after they gave back or raise memory.limit"
    );
    let refused = governor.reserve(Class::Text, &acme, 31).unwrap_err();
    assert_eq!(
        refused,
        MemoryError::AllocationTooLarge {
            requested: 31,
            limit: 30,
            scope: Scope::Class(Class::Text),
            class: Class::Text,
            tenant: "acme".into(),
            holders: Vec::new(),
        }
    );
    let never = governor.reserve(Class::Operations, &acme, 101).unwrap_err();
    assert_eq!(
        never.to_string(),
        "101 B requested for operations of acme, the process may hold 100 B; ask for less or raise \
         memory.limit"
    );
    let MemoryError::AllocationTooLarge { holders, .. } = never else { panic!("{never}") };
    assert_eq!((holders[0].class, holders[0].bytes), (Class::IndexPages, 70));
    let usage = governor.usage();
    assert_eq!((usage.root, usage.classes[Class::Text.index()].1), (70, 0));
}

#[test]
fn base_and_drift_are_held_by_nobody_and_count() {
    let governor = Governor::new(Limits::of_root(100).with_base(10));
    governor.set_drift(20);
    assert_eq!(governor.available(), 70);
    let too_large = governor.reserve(Class::Text, &Tenant::system(), 91);
    assert_eq!(too_large.unwrap_err().code(), "allocation_too_large");
    let full = governor.reserve(Class::Text, &Tenant::system(), 71);
    assert_eq!(full.unwrap_err().code(), "insufficient_memory");
    governor.set_drift(0);
    assert!(governor.reserve(Class::Text, &Tenant::system(), 90).is_ok());
}

#[test]
fn split_merge_and_transfer_never_free_the_root() {
    let governor = Governor::new(Limits::of_root(100).with_class(Class::QueryCache, 50));
    let (acme, other) = (governor.tenant("acme"), governor.tenant("other"));
    governor.set_tenant_limit(&other, Some(20)).unwrap();
    let mut held = governor.reserve(Class::Operations, &acme, 80).unwrap();
    let mut part = held.split(30);
    assert!(part.transfer(Class::QueryCache, &other).is_err());
    part.transfer(Class::QueryCache, &acme).unwrap();
    assert_eq!((governor.reserved(), governor.peak()), (80, 80));
    held.merge(&mut part).unwrap();
    assert_eq!((held.bytes(), part.bytes()), (80, 0));
    let usage = governor.usage();
    assert_eq!(usage.classes[Class::QueryCache.index()].1, 0);
    assert_eq!(usage.classes[Class::Operations.index()].1, 80);

    let elsewhere = Governor::new(Limits::of_root(100));
    let mut foreign = elsewhere.reserve(Class::Text, &Tenant::system(), 1).unwrap();
    assert_eq!(held.merge(&mut foreign), Err(MemoryError::ForeignReservation));
}

#[test]
fn the_most_that_counted_as_held_stays_until_it_is_reset() {
    let governor = Governor::new(Limits::of_root(100).with_base(10));
    let held = governor.reserve(Class::Text, &Tenant::system(), 30).unwrap();
    governor.set_drift(20);
    governor.set_drift(5);
    assert_eq!(governor.usage().held_peak, 60, "though nobody looked");
    drop(held);
    assert_eq!(governor.usage().held_peak, 60);
    governor.reset_peaks();
    assert_eq!(governor.usage().held_peak, 15);
    drop(governor.reserve(Class::Text, &Tenant::system(), 40).unwrap());
    assert_eq!(governor.usage().held_peak, 50);
}

#[test]
fn limits_change_all_or_none() {
    let before = Limits::of_root(100);
    let governor = Governor::new(before);
    let _held = governor.reserve(Class::Text, &Tenant::system(), 50).unwrap();
    for refused in [
        Limits::of_root(49),
        Limits::of_root(60).with_base(11),
        Limits::of_root(90).with_class(Class::Text, 49),
    ] {
        let error = governor.set_limits(refused).unwrap_err();
        assert_eq!(error.code(), "limit_below_held");
        assert_eq!(governor.limits(), before);
    }
    governor.set_limits(Limits::of_root(50)).unwrap();
    assert_eq!(governor.available(), 0);
    assert!(governor.set_tenant_limit(&Tenant::system(), Some(1)).is_err());
}

#[test]
fn a_reservation_is_a_budget() {
    let governor = Governor::new(Limits::of_root(100));
    let mut held = governor.reserve(Class::Text, &Tenant::system(), 0).unwrap();
    let budget: &mut dyn Budget = &mut held;
    budget.try_grow(90).unwrap();
    assert_eq!(budget.try_grow(11).unwrap_err().available, 10);
    budget.shrink(40);
    assert_eq!((budget.held(), governor.reserved()), (50, 50));
}

#[test]
fn a_tenant_is_forgotten_with_its_limit_unless_somebody_knows_it() {
    let governor = Governor::new(Limits::of_root(100));
    let acme = governor.tenant("acme");
    governor.set_tenant_limit(&acme, Some(20)).unwrap();
    let under_way = acme.clone();
    assert!(!governor.forget_tenant(&acme));
    assert!(governor.reserve(Class::Operations, &under_way, 21).is_err());
    let held = governor.reserve(Class::Operations, &acme, 5).unwrap();
    drop(under_way);
    assert!(!governor.forget_tenant(&acme), "its bytes are known by its name");
    drop(held);
    assert!(governor.forget_tenant(&acme));
    assert!(!governor.forget_tenant(&acme) && !governor.forget_tenant(&Tenant::system()));
    assert!(governor.usage().tenants.is_empty());
    let later = governor.tenant("acme");
    assert!(later != acme && governor.reserve(Class::Operations, &later, 21).is_ok());
}

#[test]
fn an_imposed_limit_stands_though_more_is_held() {
    let governor = Governor::new(Limits::of_root(100));
    let acme = governor.tenant("acme");
    let held = governor.reserve(Class::Operations, &acme, 50).unwrap();
    assert!(governor.set_tenant_limit(&acme, Some(20)).is_err());
    governor.impose_tenant_limit(&acme, Some(20));
    assert!(governor.reserve(Class::Operations, &acme, 1).is_err());
    drop(held);
    assert_eq!((governor.usage().tenants[0].bytes, governor.usage().tenants[0].limit), (0, 20));
    assert!(governor.reserve(Class::Operations, &acme, 20).is_ok());
    assert!(governor.reserve(Class::Operations, &acme, 21).is_err());
}
