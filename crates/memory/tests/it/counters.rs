//! What reports count.

use vectorizer_memory::{Class, Counts, Governor, Limits, Reason, Tenant};

const SYSTEM: Tenant = Tenant::system();

fn counts(governor: &Governor, class: Class) -> Counts {
    governor.counts().swap_remove(class.index())
}

fn refused(counts: &Counts) -> Vec<(Reason, u64)> {
    counts.refused.into_iter().filter(|(_, requests)| *requests > 0).collect()
}

#[test]
fn every_request_is_counted_once_by_what_became_of_it() {
    let limits = Limits::of_root(100).with_class(Class::Text, 50).with_cache_limit(20);
    let governor = Governor::new(limits.with_emergency(10));
    let acme = governor.tenant("acme");
    governor.set_tenant_limit(&acme, Some(30)).unwrap();
    let held = governor.reserve(Class::Text, &SYSTEM, 40).unwrap();
    assert!(governor.reserve(Class::Text, &SYSTEM, 11).is_err());
    assert!(governor.reserve(Class::Text, &SYSTEM, 51).is_err());
    let _tenants = governor.reserve(Class::Text, &acme, 5).unwrap();
    assert!(governor.reserve(Class::Operations, &acme, 26).is_err());
    let _cache = governor.try_reserve(Class::QueryCache, &SYSTEM, 15).unwrap();
    assert!(governor.try_reserve(Class::QueryCache, &SYSTEM, 10).is_err());
    assert!(governor.reserve(Class::Operations, &SYSTEM, 50).is_err());
    let _freeing = governor.reserve_emergency(Class::Operations, &SYSTEM, 31).unwrap();
    let waiting = governor.wait_for(Class::Builds, &SYSTEM, 39).unwrap();
    drop(held);
    drop(waiting);

    let text = counts(&governor, Class::Text);
    assert_eq!((text.admitted, text.waited), (2, 0));
    assert_eq!(refused(&text), [(Reason::TooLarge, 1), (Reason::Class, 1)]);
    let operations = counts(&governor, Class::Operations);
    assert_eq!(operations.admitted, 1);
    assert_eq!(refused(&operations), [(Reason::Root, 1), (Reason::Tenant, 1)]);
    let query = counts(&governor, Class::QueryCache);
    assert_eq!((query.admitted, refused(&query)), (1, vec![(Reason::Caches, 1)]));
    let builds = counts(&governor, Class::Builds);
    assert_eq!((builds.admitted, builds.waited), (1, 1));
    assert!(refused(&builds).is_empty());
}

#[test]
fn what_is_cut_from_credit_counts() {
    let governor = Governor::new(Limits::of_root(1 << 30));
    let acme = governor.tenant("acme");
    for _ in 0..10 {
        drop(governor.reserve(Class::Operations, &acme, 100));
    }
    assert_eq!(counts(&governor, Class::Operations).admitted, 10);
    assert_eq!(governor.reserved(), 0);
    assert_eq!(counts(&governor, Class::Operations).admitted, 10, "after it was taken back");
}

#[test]
fn the_last_refusals_are_kept() {
    let governor = Governor::new(Limits::of_root(100));
    for bytes in 101..=120 {
        assert!(governor.reserve(Class::Builds, &SYSTEM, bytes).is_err());
    }
    let last = governor.last_refusals();
    assert_eq!(last.len(), 16);
    assert!(last[0].to_string().starts_with("105 B requested"), "{}", last[0]);
    assert!(last[15].to_string().starts_with("120 B requested"), "{}", last[15]);
}

#[test]
fn peaks_start_anew_from_what_is_held() {
    let governor = Governor::new(Limits::of_root(100));
    let mut held = governor.reserve(Class::Builds, &SYSTEM, 80).unwrap();
    held.shrink(50);
    governor.reset_peaks();
    assert_eq!((governor.peak(), governor.usage().tenants[0].peak), (30, 30));
    held.try_grow(5).unwrap();
    assert_eq!(governor.peak(), 35);
}

#[test]
fn refused_requests_raise_no_peak() {
    let limits = Limits::of_root(1000).with_cache_limit(500).with_class(Class::Pinned, 100);
    let governor = Governor::new(limits);
    let (acme, other) = (governor.tenant("acme"), governor.tenant("other"));
    let peak = |class: Class| governor.class_usage().swap_remove(class.index()).peak;
    let tenant_peak = |name: &str| {
        let tenants = governor.usage().tenants;
        tenants.into_iter().find(|of| &*of.name == name).map(|of| of.peak)
    };
    let mut held = governor.reserve(Class::Builds, &acme, 600).unwrap();
    let _few = governor.reserve(Class::Text, &other, 1).unwrap();
    assert!(governor.reserve(Class::Text, &acme, 500).is_err(), "the root is full");
    assert!(governor.try_reserve(Class::QueryCache, &other, 450).is_err(), "and for caches");
    assert!(governor.reserve(Class::Pinned, &other, 101).is_err(), "the class is full");
    assert!(held.transfer(Class::Pinned, &other).is_err(), "and for what moves");
    assert_eq!((peak(Class::Builds), peak(Class::Text)), (600, 1));
    assert_eq!((peak(Class::QueryCache), peak(Class::Pinned)), (0, 0));
    assert_eq!((tenant_peak("acme"), tenant_peak("other")), (Some(600), Some(1)));
    held.transfer(Class::Memtables, &other).unwrap();
    assert_eq!((peak(Class::Memtables), tenant_peak("other")), (600, Some(601)));
}

#[test]
fn counts_start_anew() {
    let governor = Governor::new(Limits::of_root(1 << 30));
    let acme = governor.tenant("acme");
    drop(governor.reserve(Class::Operations, &acme, 100).unwrap());
    assert!(governor.reserve(Class::Operations, &acme, 1 << 31).is_err());
    let full = governor.reserve(Class::Builds, &acme, 1 << 30).unwrap();
    drop(governor.wait_for(Class::Operations, &acme, 100).unwrap());
    drop(full);
    let before = counts(&governor, Class::Operations);
    assert_eq!((before.admitted, before.waited, refused(&before).len()), (1, 1, 1));
    governor.reset_counts();
    let after = counts(&governor, Class::Operations);
    assert_eq!((after.admitted, after.waited, refused(&after).len()), (0, 0, 0));
    assert_eq!(governor.last_refusals().len(), 1, "what was told last is told still");
    drop(governor.reserve(Class::Operations, &acme, 100).unwrap());
    assert_eq!(counts(&governor, Class::Operations).admitted, 1);
}
