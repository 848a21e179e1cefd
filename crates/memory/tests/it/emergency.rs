//! Bytes kept for requests that free memory.

use vectorizer_memory::{Class, Governor, Limits, Tenant};

#[test]
fn ordinary_requests_do_not_see_the_emergency_bytes() {
    let governor = Governor::new(Limits::of_root(100).with_base(10).with_emergency(20));
    let system = Tenant::system();
    assert_eq!(governor.available(), 70);
    let never = governor.reserve(Class::Operations, &system, 71).unwrap_err();
    assert_eq!(never.code(), "allocation_too_large");
    let _held = governor.reserve(Class::Operations, &system, 70).unwrap();
    assert!(governor.reserve(Class::Operations, &system, 1).is_err());
    let freeing = governor.reserve_emergency(Class::Operations, &system, 20).unwrap();
    assert!(governor.reserve_emergency(Class::Operations, &system, 1).is_err());
    assert_eq!(governor.reserved(), 90);
    drop(freeing);
    assert!(governor.reserve_emergency(Class::Operations, &system, 20).is_ok());
}

/// What frees memory must go on when the tenant or the class is full.
#[test]
fn a_full_tenant_or_class_does_not_stop_what_frees_memory() {
    let limits = Limits::of_root(100).with_emergency(20).with_class(Class::Memtables, 50);
    let governor = Governor::new(limits);
    let acme = governor.tenant("acme");
    governor.set_tenant_limit(&acme, Some(30)).unwrap();
    let _held = governor.reserve(Class::Memtables, &acme, 30).unwrap();
    assert!(governor.reserve(Class::Memtables, &acme, 1).is_err());
    let _freeing = governor.reserve_emergency(Class::Memtables, &acme, 20).unwrap();
    assert!(governor.reserve_emergency(Class::Memtables, &acme, 1).is_err());
    let _rest = governor.reserve_emergency(Class::Memtables, &Tenant::system(), 20).unwrap();
    assert_eq!(governor.reserved(), 70);
    // Emergency bytes in use beyond a bound do not stop a change of others.
    governor.set_limits(limits.with_class(Class::Text, 5)).unwrap();
}

#[test]
fn drift_takes_from_the_emergency_bytes_last() {
    let governor = Governor::new(Limits::of_root(100).with_emergency(20));
    governor.set_drift(90);
    assert!(governor.reserve(Class::Text, &Tenant::system(), 1).is_err());
    assert!(governor.reserve_emergency(Class::Text, &Tenant::system(), 10).is_ok());
    assert!(governor.reserve_emergency(Class::Text, &Tenant::system(), 11).is_err());
}
