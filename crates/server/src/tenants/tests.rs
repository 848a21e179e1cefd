//! Who is known, who takes whose place, and what each may hold.

use super::*;
use vectorizer_api::CollectionDefaults;
use vectorizer_engine::EngineOptions;
use vectorizer_memory::Limits;
use vectorizer_model::{CollectionName, CollectionSettings};
use vectorizer_vfs::crash::TraceDirectory;

const QUOTA: u64 = 1 << 20;

/// Two collections of two tenants, and room for so many tenants without any.
fn tenants(most: usize) -> (Tenants, Context) {
    let governor = Governor::new(Limits::of_root(1 << 30));
    let options =
        EngineOptions { background: false, search_threads: 1, ..EngineOptions::default() };
    let disk = TraceDirectory::new();
    let engine = Engine::open_in(disk.directory(), None, governor, options).expect("empty");
    for owner in ["one", "two"] {
        let collection = CollectionName::new(owner).expect("a name");
        let settings = CollectionSettings::new([]);
        let created = engine.create_collection_of(name(owner), collection, settings);
        created.expect("accepted").wait().expect("done").expect("created");
    }
    let sleep = Arc::new(|_| -> vectorizer_api::BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    });
    let context = Context::new(engine, sleep, CollectionDefaults::default());
    let settings =
        TenantSettings { enabled: true, default_quota: Some(QUOTA), ..TenantSettings::default() };
    let mut tenants = Tenants::new(&context, settings).expect("room");
    (tenants.most, tenants.lock().room) = (most, most);
    (tenants, context)
}

fn name(name: &str) -> TenantName {
    TenantName::new(name).expect("a name")
}

fn ask(tenants: &Tenants, of: &str) -> Result<Caller, RestError> {
    let headers = HeaderMap::from_iter([(
        axum::http::HeaderName::from_static(HEADER),
        of.parse().expect("a header"),
    )]);
    tenants.caller(&Identity::Anyone, &headers)
}

#[test]
fn whoever_has_a_collection_takes_no_newcomers_place() {
    let (tenants, context) = tenants(2);
    let x = ask(&tenants, "x").expect("a place");
    // A cache knows it for what it kept once.
    context.set_guarantee(x.tenant(), 0);
    let y = ask(&tenants, "y").expect("a place");
    let refused = ask(&tenants, "z").expect_err("both are taken").refusal();
    assert_eq!((refused.status.as_u16(), refused.retry_after), (429, Some(1)));
    for known in ["one", "two", "x"] {
        ask(&tenants, known).expect(known);
    }
    drop(x);
    ask(&tenants, "z").expect_err("nobody is looked for again so soon");
    tenants.lock().futile = None;
    let z = ask(&tenants, "z").expect("a place that was given back");
    assert_eq!((y.tenant().name(), z.tenant().name()), ("y", "z"));
    assert_eq!(tenants.lock().held.bytes(), 4 * TENANT_BYTES, "one, two, y and z");
}

#[test]
fn whoever_is_under_way_keeps_its_quota() {
    let (tenants, _context) = tenants(2);
    let caller = ask(&tenants, "x").expect("a place");
    for other in ["a", "b", "c"] {
        ask(&tenants, other).expect("others are forgotten");
    }
    let quota = |tenant: &Tenant, bytes| {
        tenants.governor.reserve(Class::Operations, tenant, bytes).map(|held| held.bytes())
    };
    assert!(quota(caller.tenant(), QUOTA + 1).is_err());
    assert_eq!(ask(&tenants, "x").expect("known").tenant(), caller.tenant());
    // Who was forgotten comes back with the same bound.
    let back = ask(&tenants, "a").expect("a place");
    assert!(quota(back.tenant(), QUOTA + 1).is_err());
    assert!(quota(back.tenant(), QUOTA / 2).is_ok());
}
