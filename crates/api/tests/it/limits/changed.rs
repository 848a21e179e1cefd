//! What a change of limits takes with it, and what a refused one leaves.

use std::time::Duration;

use vectorizer_api::memory::{
    CacheSettings, CacheShare, GetMemory, MemoryLimits, OwnPolicies, SetMemory,
};
use vectorizer_api::points::CountPoints;
use vectorizer_api::{ApiError, ErrorKind};
use vectorizer_cache::{CacheControl, EvictionPolicy};
use vectorizer_memory::{CacheLines, Class, Limits, Measurement, Tenant};
use vectorizer_model::{Condition, Filter, PointId};

use super::GIB;
use crate::world::{World, block_on, reads, things};

const MIB: u64 = 1 << 20;
const ENTRIES: u64 = 20;

fn world(cache_bytes: u64) -> World {
    let limits = Limits::of_root(GIB).with_default_emergency().with_cache_limit(cache_bytes);
    let world = World::filled_within(limits);
    let measured = Measurement { total: 8 * GIB, used: GIB, cgroup: None };
    world.context.memory_guard().observe(Ok(measured));
    world
}

fn configure(world: &World, change: impl FnOnce(&mut CacheSettings)) {
    let mut settings = world.context.cache_settings();
    change(&mut settings);
    world.context.set_cache_settings(settings).expect("room");
}

fn set(world: &World, change: SetMemory) -> Result<(), ApiError> {
    world.run(change).map(drop)
}

fn to_root(bytes: u64) -> SetMemory {
    SetMemory { memory_bytes: Some(bytes), ..SetMemory::default() }
}

fn to_caches(bytes: u64) -> SetMemory {
    SetMemory { cache_bytes: Some(bytes), ..SetMemory::default() }
}

/// Asks for counts, each of which is kept.
fn count(world: &World) {
    for id in 0..ENTRIES {
        let must = vec![Condition::has_id(vec![PointId::Num(id)])];
        let filter = Filter { must, ..Filter::default() };
        world.run(CountPoints { collection: things(), filter }).expect("an answer");
    }
}

fn counted(world: &World) -> u64 {
    world.context.metadata_cache().control().stats().items
}

#[test]
fn a_refused_change_gives_nothing_up() {
    let world = world(256 * MIB);
    count(&world);
    let before = (world.governor.limits(), world.context.cache_settings());
    let _held = world.governor.reserve(Class::Pinned, &Tenant::system(), 100 * MIB).expect("room");
    let change = SetMemory {
        cache_items: Some(0),
        policy: Some(EvictionPolicy::Lru),
        memory_threshold: Some(0.1),
        ..to_root(50 * MIB)
    };
    let refused = set(&world, change).expect_err("more is held for good");
    assert_eq!(refused.kind, ErrorKind::FailedPrecondition, "{refused}");
    assert_eq!((world.governor.limits(), world.context.cache_settings()), before);
    assert_eq!(counted(&world), ENTRIES);
    assert_eq!(world.context.engine().caches().lines().warning, 800);
}

/// The change of a policy takes bytes, which are there once the limit is raised.
#[test]
fn more_memory_and_another_policy_are_one_change() {
    let world = world(256 * MIB);
    count(&world);
    // Full, and not so full that caches shrink by themselves.
    world.context.engine().set_cache_lines(CacheLines::of(999, 1000));
    let full = world.governor.limits().with_cache_limit(world.governor.caches_used() + 64);
    world.governor.set_limits(full).expect("no more is held");
    assert_eq!(counted(&world), ENTRIES);
    let items = SetMemory { tenant_items: Some(9), ..SetMemory::default() };
    set(&world, items).expect("it takes nothing");
    assert_eq!(counted(&world), ENTRIES, "the policy stays, so nothing is sorted anew");
    let policy = Some(EvictionPolicy::Size);
    set(&world, SetMemory { policy, ..to_caches(64 * MIB) }).expect("room");
    assert_eq!(counted(&world), ENTRIES, "nothing went for the change");
}

#[test]
fn caches_are_held_against_the_root_that_comes_with_them() {
    let world = world(256 * MIB);
    let before = world.governor.limits();
    let change = SetMemory { memory_bytes: Some(128 * MIB), ..to_caches(200 * MIB) };
    let refused = set(&world, change).expect_err("more than the root");
    assert_eq!(refused.kind, ErrorKind::InvalidArgument, "{refused}");
    assert!(refused.message.contains(&(128 * MIB).to_string()), "{refused}");
    assert_eq!(world.governor.limits(), before);
}

#[test]
fn a_policy_for_all_takes_the_place_of_those_of_single_caches() {
    let world = world(256 * MIB);
    let own = |policy| {
        let mut policies = OwnPolicies::default();
        policies[0] = Some(policy);
        SetMemory { policies, ..SetMemory::default() }
    };
    let shown = || {
        let settings = world.context.cache_settings();
        (settings.policy, settings.policies[0], settings.discovery_ttl)
    };
    let minute = Some(Duration::from_mins(1));
    let change = SetMemory { discovery_ttl: minute, ..own(EvictionPolicy::Lru) };
    set(&world, change).expect("room");
    set(&world, own(EvictionPolicy::Lfu)).expect("room");
    let usual = EvictionPolicy::default();
    assert_eq!(shown(), (usual, Some(EvictionPolicy::Lfu), minute), "what is absent stays");
    let all = SetMemory { policy: Some(EvictionPolicy::Size), ..SetMemory::default() };
    set(&world, all).expect("room");
    assert_eq!(shown(), (EvictionPolicy::Size, None, minute));
    set(&world, SetMemory { policy: Some(usual), ..own(EvictionPolicy::Ttl) }).expect("room");
    assert_eq!(shown(), (usual, Some(EvictionPolicy::Ttl), minute));
}

#[test]
fn what_follows_from_the_root_follows_it() {
    let world = world(256 * MIB);
    configure(&world, |settings| settings.share = CacheShare::Percent(25));
    let check = |root: u64, caches: u64| {
        let limits = world.governor.limits();
        assert_eq!((limits.root, limits.caches), (root, caches));
        let shares = Limits::of_root(root).with_cache_limit(caches);
        assert_eq!(limits.caches_reserve, shares.caches_reserve);
        for class in [Class::QueryCache, Class::EmbeddingCache, Class::Metadata, Class::IndexPages]
        {
            assert_eq!(limits.classes[class.index()], shares.classes[class.index()], "{class}");
        }
        assert_eq!(limits.emergency, root / 50);
        assert_eq!(world.context.memory_guard().limits(), MemoryLimits::of_root(root));
    };
    set(&world, to_root(512 * MIB)).expect("little is held");
    check(512 * MIB, 128 * MIB);
    set(&world, to_root(4 * GIB)).expect("there is as much");
    check(4 * GIB, GIB);
    set(&world, to_caches(300 * MIB)).expect("less");
    check(4 * GIB, 300 * MIB);
    set(&world, to_root(2 * GIB)).expect("less");
    check(2 * GIB, 300 * MIB);
    configure(&world, |settings| {
        (settings.share, settings.cluster_bytes_max) = (CacheShare::Percent(25), Some(400 * MIB));
    });
    set(&world, to_root(3 * GIB)).expect("there is as much");
    check(3 * GIB, 400 * MIB);
}

#[test]
fn caches_are_turned_on_and_off_while_they_are_used() {
    let world = world(0);
    world.context.engine().flush().expect("room");
    let ask = || {
        for _ in 0..2 {
            for (_, read) in reads() {
                read(&world, 0).expect("an answer");
            }
            count(&world);
        }
    };
    let rows = world.context.engine().row_caches();
    let caches: [(&str, &dyn CacheControl); 4] = [
        ("query", world.context.query_cache().control()),
        ("metadata", world.context.metadata_cache().control()),
        ("payloads", rows.payload_control()),
        ("predicates", rows.predicate_control()),
    ];
    let check = |on: bool, hits_before: [u64; 4]| {
        let stats = caches.map(|(_, cache)| cache.stats());
        for (at, (name, _)) in caches.iter().enumerate() {
            let kept = (stats[at].items > 0, stats[at].hits > hits_before[at]);
            assert_eq!(kept, (on, on), "{name}: {:?}", stats[at]);
        }
        stats.map(|stats| stats.hits)
    };
    ask();
    let hits = check(false, [0; 4]);
    set(&world, to_caches(64 * MIB)).expect("room");
    ask();
    let hits = check(true, hits);
    set(&world, to_caches(0)).expect("they are emptied");
    assert_eq!(caches.map(|(_, cache)| cache.stats().items), [0; 4]);
    ask();
    check(false, hits);
}

#[test]
fn caches_cannot_be_turned_off_in_cluster_mode() {
    let world = world(256 * MIB);
    for (max, bytes, code) in [
        (Some(300 * MIB), 0, Some(Some("ClusterConfigViolation"))),
        (Some(300 * MIB), 301 * MIB, Some(None)),
        (Some(300 * MIB), 300 * MIB, None),
        (Some(300 * MIB), 1, None),
        (None, 301 * MIB, None),
        (None, 0, None),
    ] {
        configure(&world, |settings| settings.cluster_bytes_max = max);
        let before = world.governor.limits();
        let refused = set(&world, to_caches(bytes)).err();
        assert_eq!(refused.as_ref().map(|refused| refused.code), code, "{max:?} {bytes}");
        let limits = world.governor.limits();
        match refused {
            Some(refused) => {
                assert_eq!((refused.kind, limits), (ErrorKind::InvalidArgument, before));
            }
            None => assert_eq!(limits.caches, bytes),
        }
    }
}

#[test]
fn thresholds_that_are_accepted_stay_acceptable() {
    let world = world(256 * MIB);
    let both = |memory_threshold, eviction_threshold| {
        let change = SetMemory { memory_threshold, eviction_threshold, ..SetMemory::default() };
        set(&world, change)
    };
    for (warning, eviction, told) in [
        (Some(0.8996), None, "memory_threshold 0.9 and eviction_threshold 0.9"),
        (Some(0.0001), Some(0.0004), "memory_threshold 0.0001"),
        (Some(0.0004), None, "from 0.001 to 1"),
        (Some(0.5), Some(1.0004), "eviction_threshold 1.0004"),
        (Some(f64::NAN), None, "memory_threshold NaN"),
        (Some(-1.0), None, "memory_threshold -1"),
    ] {
        let refused = both(warning, eviction).expect_err("too close, or too small");
        assert_eq!(refused.kind, ErrorKind::InvalidArgument);
        assert!(refused.message.contains(told), "{refused}");
        both(None, None).expect("nothing was changed");
    }
    both(Some(0.8994), None).expect("apart");
    both(None, None).expect("what is in force is accepted");
    both(Some(0.0005), Some(0.0016)).expect("1 and 2 thousandths");
    both(None, None).expect("what is in force is accepted");
}

#[test]
fn a_peak_that_nobody_saw_is_reported() {
    let world = world(256 * MIB);
    world.governor.set_drift(300 * MIB);
    world.governor.set_drift(0);
    let report = || block_on(world.context.run(GetMemory)).expect("an answer").output;
    let peak = report().peak;
    assert!(peak > 300 * MIB);
    assert!(report().peak >= peak);
}
