//! Random calls against a model that adds up what is held.

use proptest::prelude::*;
use vectorizer_memory::{Class, Governor, Limits, Reservation, Tenant};

/// Large enough that some calls are on credit.
const UNIT: u64 = 7 << 10;
const ROOT: u64 = 1000 * UNIT;
const TEXT: u64 = 300 * UNIT;
const TENANT: u64 = 500 * UNIT;

#[derive(Debug, Clone)]
enum Call {
    Reserve(usize, usize, u64),
    Grow(usize, u64),
    Shrink(usize, u64),
    Split(usize, u64),
    Merge(usize, usize),
    Transfer(usize, usize, usize),
    Drop(usize),
    Drift(u64),
    Limit(u64),
}

fn call() -> impl Strategy<Value = Call> {
    let at = 0..8_usize;
    let bytes = prop_oneof![0..9_u64, 0..400_u64].prop_map(|units| units * UNIT);
    prop_oneof![
        (0..3_usize, 0..3_usize, bytes.clone()).prop_map(|(c, t, b)| Call::Reserve(c, t, b)),
        (at.clone(), bytes.clone()).prop_map(|(i, b)| Call::Grow(i, b)),
        (at.clone(), bytes.clone()).prop_map(|(i, b)| Call::Shrink(i, b)),
        (at.clone(), bytes).prop_map(|(i, b)| Call::Split(i, b)),
        (at.clone(), at.clone()).prop_map(|(i, j)| Call::Merge(i, j)),
        (at.clone(), 0..3_usize, 0..3_usize).prop_map(|(i, c, t)| Call::Transfer(i, c, t)),
        at.prop_map(Call::Drop),
        (0..200_u64).prop_map(|units| Call::Drift(units * UNIT)),
        (500..1200_u64).prop_map(|units| Call::Limit(units * UNIT)),
    ]
}

const CLASSES: [Class; 3] = [Class::Text, Class::Builds, Class::Operations];

/// What the governor should say, from nothing but the reservations alive.
struct Model {
    root: u64,
    drift: u64,
}

impl Model {
    fn sum(held: &[Reservation], wanted: impl Fn(&Reservation) -> bool) -> u64 {
        held.iter().filter(|r| wanted(r)).map(Reservation::bytes).sum()
    }

    fn admits(&self, held: &[Reservation], class: Class, tenant: &Tenant, bytes: u64) -> bool {
        let fits = || Self::sides_admit(held, class, Some(tenant), bytes);
        bytes == 0 || self.root_admits(held, bytes) && fits()
    }

    fn root_admits(&self, held: &[Reservation], bytes: u64) -> bool {
        Self::sum(held, |_| true) + bytes <= self.root.saturating_sub(self.drift)
    }

    fn sides_admit(
        held: &[Reservation],
        class: Class,
        tenant: Option<&Tenant>,
        bytes: u64,
    ) -> bool {
        let text = Self::sum(held, |r| r.class() == Class::Text);
        let fits_class = class != Class::Text || text + bytes <= TEXT;
        let fits_tenant = tenant.is_none_or(|tenant| {
            tenant.name() != "capped" || Self::sum(held, |r| r.tenant() == tenant) + bytes <= TENANT
        });
        fits_class && fits_tenant
    }
}

fn transfer_admits(held: &[Reservation], at: usize, class: Class, tenant: &Tenant) -> bool {
    let moved = &held[at];
    let class_moves = class != moved.class();
    let tenant_moves = tenant != moved.tenant();
    // What does not move needs no room.
    let class = if class_moves { class } else { Class::Builds };
    Model::sides_admit(held, class, tenant_moves.then_some(tenant), moved.bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn agrees_with_the_sum_of_what_is_held(calls in prop::collection::vec(call(), 1..60)) {
        let limits = Limits::of_root(ROOT).with_class(Class::Text, TEXT);
        let governor = Governor::new(limits);
        let tenants = [governor.tenant("capped"), governor.tenant("free"), Tenant::system()];
        governor.set_tenant_limit(&tenants[0], Some(TENANT)).unwrap();
        let mut held: Vec<Reservation> = Vec::new();
        let mut model = Model { root: ROOT, drift: 0 };
        for call in calls {
            match call {
                Call::Reserve(c, t, bytes) => {
                    let granted = governor.reserve(CLASSES[c], &tenants[t], bytes);
                    prop_assert_eq!(
                        granted.is_ok(),
                        model.admits(&held, CLASSES[c], &tenants[t], bytes)
                    );
                    held.extend(granted);
                }
                Call::Grow(i, bytes) if i < held.len() => {
                    let (class, tenant) = (held[i].class(), held[i].tenant().clone());
                    let expected = model.admits(&held, class, &tenant, bytes);
                    prop_assert_eq!(held[i].try_grow(bytes).is_ok(), expected);
                }
                Call::Shrink(i, bytes) if i < held.len() => {
                    let bytes = bytes.min(held[i].bytes());
                    held[i].shrink(bytes);
                }
                Call::Split(i, bytes) if i < held.len() => {
                    let bytes = bytes.min(held[i].bytes());
                    let part = held[i].split(bytes);
                    held.push(part);
                }
                Call::Merge(i, j) if i < held.len() && j < held.len() && i != j => {
                    let (class, tenant) = (held[i].class(), held[i].tenant().clone());
                    let expected = transfer_admits(&held, j, class, &tenant);
                    let [into, other] = held.get_disjoint_mut([i, j]).unwrap();
                    prop_assert_eq!(into.merge(other).is_ok(), expected);
                }
                Call::Transfer(i, c, t) if i < held.len() => {
                    let expected = transfer_admits(&held, i, CLASSES[c], &tenants[t]);
                    prop_assert_eq!(held[i].transfer(CLASSES[c], &tenants[t]).is_ok(), expected);
                }
                Call::Drop(i) if i < held.len() => drop(held.swap_remove(i)),
                Call::Drift(bytes) => {
                    governor.set_drift(bytes);
                    model.drift = bytes;
                }
                Call::Limit(root) => {
                    let set = governor.set_limits(Limits { root, ..limits });
                    prop_assert_eq!(set.is_ok(), Model::sum(&held, |_| true) <= root);
                    if set.is_ok() {
                        model.root = root;
                    }
                }
                Call::Grow(..)
                | Call::Shrink(..)
                | Call::Split(..)
                | Call::Merge(..)
                | Call::Transfer(..)
                | Call::Drop(_) => {}
            }
            let usage = governor.usage();
            prop_assert_eq!(usage.root, Model::sum(&held, |_| true));
            for (class, bytes) in usage.classes {
                prop_assert_eq!(bytes, Model::sum(&held, |r| r.class() == class));
            }
            let by_tenant: u64 = usage.tenants.iter().map(|tenant| tenant.bytes).sum();
            prop_assert_eq!(by_tenant, usage.root);
        }
        drop(held);
        let usage = governor.usage();
        prop_assert_eq!(usage.root, 0);
        prop_assert!(usage.tenants.iter().all(|tenant| tenant.bytes == 0));
    }
}
